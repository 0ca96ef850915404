import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { packageRoot } from '../package/compiled.js';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A file of the page, as it goes out. */
export interface PageFile {
  body: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
}

/** The page's own files, read once; each is compressed at its first request. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, Buffer>;
  readonly #packed = new Map<string, Promise<Buffer>>();

  private constructor(files: ReadonlyMap<string, Buffer>) {
    this.#files = files;
  }

  /** @throws Error when the package was not built. */
  static async read(folder = join(packageRoot, 'dist', 'board', 'page')): Promise<PageFiles> {
    const names = (await readdir(folder)).filter((name) => extname(name) in types);
    return new PageFiles(
      new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const))),
    );
  }

  /** @returns a file by its name; undefined when the page has none of that name. */
  async get(name: string, accepts: string): Promise<PageFile | undefined> {
    const plain = this.#files.get(name);
    if (plain === undefined) return undefined;
    const encoding = /\bbr\b/.test(accepts) ? 'br' : /\bgzip\b/.test(accepts) ? 'gzip' : undefined;
    const headers: Record<string, string> = {
      'content-type': types[extname(name)] ?? 'application/octet-stream',
      // All but the page itself carry the hash of their content in their name.
      'cache-control': /-[A-Z0-9]{8}\.\w+$/.test(name) ? 'public, max-age=31536000, immutable' : 'no-store',
      vary: 'accept-encoding',
    };
    if (encoding === undefined) return { body: new Uint8Array(plain), headers };
    headers['content-encoding'] = encoding;
    return { body: new Uint8Array(await this.#pack(name, plain, encoding)), headers };
  }

  #pack(name: string, plain: Buffer, encoding: 'br' | 'gzip'): Promise<Buffer> {
    const key = `${encoding} ${name}`;
    const packed =
      this.#packed.get(key) ??
      (encoding === 'br'
        ? promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })
        : promisify(gzip)(plain, { level: 9 }));
    this.#packed.set(key, packed);
    return packed;
  }
}
