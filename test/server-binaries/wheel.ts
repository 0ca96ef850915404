import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { WheelPackage } from '../../src/server/python-index.js';

/** What the wheel of a test holds besides its program. */
const others = {
  'some_server-1.2.3.dist-info/WHEEL': 'Wheel-Version: 1.0\nTag: py3-none-any\n',
  'some_server-1.2.3.dist-info/METADATA': 'Metadata-Version: 2.1\nName: some-server\nVersion: 1.2.3\n',
};
export const member = 'some_server-1.2.3.data/scripts/some-server';
export const fileName = 'some_server-1.2.3-py3-none-any.whl';

/** Writes a wheel of `some-server` 1.2.3 (a zip file without compression) and returns the table that knows it. */
export function makeWheel(path: string, program: string, as: string = member): WheelPackage {
  const wheel = zip({ ...others, [as]: program });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wheel);
  const sha256 = createHash('sha256').update(wheel).digest('hex');
  return {
    name: 'some-server',
    version: '1.2.3',
    program: 'some-server',
    wheels: { [`${process.platform}-${process.arch}`]: { tag: 'any', sha256 } },
  };
}

/** The format in its simplest form: local headers with the content, then the directory, then its end. */
function zip(files: Record<string, string>): Buffer {
  const contents: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), common, Buffer.from(name), data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\u0000'), common, tail, Buffer.from(name)]));
    contents.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 0, 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...contents, listing, end]);
}
