/** @returns the version of the server that the compose file starts: `1.32.0`. */
export declare function serverOfComposeFile(): string;
/** @returns the URL that its health check asks. */
export declare function healthOfComposeFile(): string;
