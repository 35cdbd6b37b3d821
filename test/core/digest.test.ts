import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, merkleRoot, sha256, sha256OfFile } from '../../src/core/digest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const hash = (...parts: (Uint8Array | string)[]): Buffer => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest();
};
const leaf = (id: string): Buffer => hash(Uint8Array.of(0), id);
const node = (left: Buffer, right: Buffer): Buffer => hash(Uint8Array.of(1), left, right);

/** MTH of RFC 6962 §2.1 word for word: split at the largest power of two below n. */
function treeHash(ids: readonly string[]): Buffer {
  if (ids.length === 0) return hash('');
  if (ids.length === 1) return leaf(ids[0]!);
  let k = 1;
  while (k * 2 < ids.length) k *= 2;
  return node(treeHash(ids.slice(0, k)), treeHash(ids.slice(k)));
}

describe('sha256', () => {
  it('gives the digest of FIPS 180-2 for "abc", as text and as bytes', () => {
    const wanted = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(sha256('abc')).toBe(wanted);
    expect(sha256(Uint8Array.of(0x61, 0x62, 0x63))).toBe(wanted);
  });

  it('of a file equals that of its bytes, for no byte and for several chunks', async () => {
    const folder = await tempFolder();
    for (const sizeBytes of [0, 1, 64 * 1024, 300_001]) {
      const bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31) % 251);
      const path = join(folder, String(sizeBytes));
      await writeFile(path, bytes);
      expect(await sha256OfFile(path)).toBe(sha256(bytes));
    }
  });

  it('of a file that is missing or a folder rejects with the system error', async () => {
    const folder = await tempFolder();
    await expect(sha256OfFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(sha256OfFile(folder)).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('of a value does not depend on the order of its keys', () => {
    expect(digestOf({ a: 1, b: [2] })).toBe(digestOf({ b: [2], a: 1 }));
    expect(digestOf({ a: 1 })).toBe(sha256('{"a":1}'));
  });
});

describe('the Merkle root', () => {
  it('equals trees of one, two and three ids hashed by hand', () => {
    expect(merkleRoot([])).toBe(hash('').toString('hex'));
    expect(merkleRoot(['a'])).toBe(leaf('a').toString('hex'));
    expect(merkleRoot(['b', 'a'])).toBe(node(leaf('a'), leaf('b')).toString('hex'));
    expect(merkleRoot(['c', 'a', 'b'])).toBe(node(node(leaf('a'), leaf('b')), leaf('c')).toString('hex'));
  });

  it('equals the roots that Certificate Transparency publishes for its eight test leaves', () => {
    const hex = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const leaves = hex.map((text) => Buffer.from(text, 'hex').toString('latin1'));
    const roots = [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    expect(leaves.map((_, i) => merkleRoot(leaves.slice(0, i + 1)))).toEqual(roots);
  });

  it('equals RFC 6962 on sorted unique ids, and ignores order and repetition', () => {
    const ids = fc.array(
      fc.string({ unit: fc.integer({ min: 0, max: 15 }).map((digit) => digit.toString(16)), maxLength: 4 }),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(ids, fc.nat(), (ids, turn) => {
        const root = merkleRoot(ids);
        expect(root).toBe(treeHash([...new Set(ids)].sort()).toString('hex'));
        const at = turn % (ids.length + 1);
        expect(merkleRoot([...ids.slice(at), ...ids, ...ids.slice(0, at)].reverse())).toBe(root);
      }),
    );
  });

  it('changes when an id is added', () => {
    expect(merkleRoot(['a', 'b', 'c'])).not.toBe(merkleRoot(['a', 'b']));
    // a leaf cannot pose as an inner node
    const inner = Buffer.concat([leaf('a'), leaf('b')]).toString('latin1');
    expect(merkleRoot([inner])).not.toBe(merkleRoot(['a', 'b']));
  });
});
