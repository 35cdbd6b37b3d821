/** sha256 of bytes, files, values and sets. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type Json, canonicalJson } from './canonical-json.ts';
import type { Digest } from './ids.ts';

export function sha256(bytes: Uint8Array | string): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}

/** sha256 of pieces one behind the other. */
export function sha256OfPieces(pieces: readonly Uint8Array[]): Digest {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex') as Digest;
}

/** So many bytes are hashed in a few milliseconds. */
const TURN_BYTES = 8 << 20;

/** The same, turn by turn: reads and writes of files that are under way go on meanwhile. */
export async function sha256InTurns(pieces: readonly Uint8Array[]): Promise<Digest> {
  const hash = createHash('sha256');
  for (const piece of pieces)
    for (let from = 0; from < piece.length; from += TURN_BYTES) {
      await setImmediate();
      hash.update(piece.subarray(from, from + TURN_BYTES));
    }
  return hash.digest('hex') as Digest;
}

/** sha256 of a file, streamed: memory does not grow with its size. Rejects with the system error of the read. */
export async function sha256OfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex') as Digest;
}

/** sha256 of a value's canonical JSON. */
export function digestOf(value: Json): Digest {
  return sha256(canonicalJson(value));
}

/**
 * Merkle root of a set of ids: sorted, de-duplicated, leaves and inner nodes hashed under different prefixes (RFC 6962 §2.1),
 * an odd node carried up. The same set gives the same root in any order; the empty set hashes to sha256('').
 */
export function merkleRoot(ids: Iterable<string>): Digest {
  const sorted = [...new Set(ids)].sort();
  if (sorted.length === 0) return sha256('');
  let level = sorted.map((id) => hashNode(0, Buffer.from(id)));
  while (level.length > 1) {
    const next: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i]!;
      const right = level[i + 1];
      next.push(right === undefined ? left : hashNode(1, left, right));
    }
    level = next;
  }
  return level[0]!.toString('hex') as Digest;
}

function hashNode(prefix: 0 | 1, ...parts: Buffer[]): Buffer {
  const hash = createHash('sha256').update(Uint8Array.of(prefix));
  for (const part of parts) hash.update(part);
  return hash.digest();
}
