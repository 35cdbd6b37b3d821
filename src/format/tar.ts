/** POSIX tar files (ustar) of regular files, as WebDataset reads and writes them: written deterministically, read strictly. */
import { StillhouseError } from '../core/failure.ts';

const BLOCK = 512;

export interface TarMember {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Pieces of an archive; names beyond 100 bytes get a pax header. No times, no owners: equal members give equal bytes. */
export function tarPieces(members: Iterable<TarMember>): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (const { name, bytes } of members) {
    if (Buffer.byteLength(name) > 100) {
      const pax = paxRecord('path', name);
      pieces.push(header('PaxHeader', pax.length, 'x'), pax, padding(pax.length));
    }
    pieces.push(header(name.slice(0, 100), bytes.length, '0'), bytes, padding(bytes.length));
  }
  pieces.push(new Uint8Array(2 * BLOCK));
  return pieces.filter((piece) => piece.length > 0);
}

function header(name: string, sizeBytes: number, type: string): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100);
  block.write('0000644\0' + '0000000\0' + '0000000\0', 100);
  block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return new Uint8Array(block);
}

const padding = (sizeBytes: number): Uint8Array => new Uint8Array((BLOCK - (sizeBytes % BLOCK)) % BLOCK);

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + 1;
  while (length !== bytes + String(length).length) length = bytes + String(length).length;
  return new Uint8Array(Buffer.from(`${length}${rest}`));
}

/**
 * Regular files of an archive in their order, as views of `archive`.
 * @throws StillhouseError integrity when it is torn or no tar file.
 */
export function* tarMembers(archive: Uint8Array, where: string): Generator<TarMember> {
  const buffer = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  let longName: string | null = null;
  for (let at = 0; ;) {
    if (at + BLOCK > buffer.length) throw torn(where, `the end after ${buffer.length} bytes`);
    const block = buffer.subarray(at, at + BLOCK);
    if (block.every((byte) => byte === 0)) return;
    const text = (from: number, length: number): string =>
      block.toString('utf8', from, from + length).replace(/\0[\s\S]*$/, '');
    const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (Number.parseInt(text(148, 8).trim(), 8) !== sum)
      throw torn(where, `a header at byte ${at} whose sum is wrong`);
    const size = Number.parseInt(text(124, 12).trim(), 8);
    const type = text(156, 1);
    const end = at + BLOCK + size;
    if (!Number.isSafeInteger(size) || end > buffer.length)
      throw torn(where, `a member that ends at byte ${end}`);
    const bytes = archive.subarray(at + BLOCK, end);
    const content = (): string => Buffer.from(bytes).toString('utf8');
    if (type === 'x') longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content())?.[1] ?? longName;
    else if (type === 'L') longName = content().replace(/\0+$/, '');
    else {
      const prefix = text(345, 155);
      const name = longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
      longName = null;
      if (type === '0' || type === '') yield { name, bytes };
    }
    at = at + BLOCK * (1 + Math.ceil(size / BLOCK));
  }
}

function torn(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a tar file is damaged',
    where,
    wanted: 'whole members and two empty blocks at the end',
    got,
    next: 'fetch or write the file again',
  });
}
