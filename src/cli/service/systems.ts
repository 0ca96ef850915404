/** What runs a user's services: on Linux, and on macOS. */
export const serviceSystems = ['systemd', 'launchd'] as const;
export type ServiceSystem = (typeof serviceSystems)[number];
