import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import {
  type FingerprintParts,
  type StageMarker,
  fingerprintOf,
  inputDigests,
  outputsPresent,
  readMarker,
  writeMarker,
} from '../../src/run/marker.ts';
import type { UpstreamResult } from '../../src/run/stage.ts';
import { tempFolder } from '../support/temp-folder.ts';

const parts: FingerprintParts = {
  stage: 'cache',
  version: 1,
  params: { batch: 8, teachers: ['a', 'b'] },
  seed: 7,
  inputs: { images: { dataset: 'd1' } },
  sources: { weights: 'w1' },
};

describe('a fingerprint', () => {
  it.each<[string, Partial<FingerprintParts>]>([
    ['stage', { stage: 'audit' }],
    ['version', { version: 2 }],
    ['parameter', { params: { batch: 9, teachers: ['a', 'b'] } }],
    ['order of a list', { params: { batch: 8, teachers: ['b', 'a'] } }],
    ['seed', { seed: 8 }],
    ['digest of an input', { inputs: { images: { dataset: 'd2' } } }],
    ['name of an input', { inputs: { other: { dataset: 'd1' } } }],
    ['source', { sources: { weights: 'w2' } }],
  ])('changes with the %s', (_, change) => {
    expect(fingerprintOf({ ...parts, ...change })).not.toBe(fingerprintOf(parts));
  });

  it('does not change with the order of keys', () => {
    const turned = Object.fromEntries(Object.entries(parts).reverse()) as unknown as FingerprintParts;
    expect(fingerprintOf({ ...turned, params: { teachers: ['a', 'b'], batch: 8 } })).toBe(
      fingerprintOf(parts),
    );
  });

  it('sees of an input its output names and digests, not its folder, counts, facts or file sizes', () => {
    const upstream = (change: Partial<UpstreamResult> = {}, sizeBytes = 1): UpstreamResult => ({
      id: 'images',
      stage: 'index',
      folder: '/a',
      outcome: {
        seen: sizeBytes,
        kept: sizeBytes,
        rejected: {},
        outputs: [{ name: 'dataset', path: 'x', digest: sha256('x'), files: [{ path: 'x', sizeBytes }] }],
        facts: { sizeBytes },
      },
      ...change,
    });
    const digests = (result: UpstreamResult) => inputDigests(new Map([['images', result]]), ['images']);
    expect(digests(upstream())).toEqual({ images: { dataset: sha256('x') } });
    expect(digests(upstream({ folder: '/b' }, 2))).toEqual(digests(upstream()));
  });
});

describe('a marker', () => {
  const marker: StageMarker = {
    fingerprint: fingerprintOf(parts),
    seconds: 1.5,
    outcome: {
      seen: 3,
      kept: 2,
      rejected: { 'too-short': 1 },
      outputs: [
        { name: 'text', path: 'a.txt', digest: sha256('a'), files: [{ path: 'a.txt', sizeBytes: 1 }] },
      ],
      facts: { nested: [1, null, 'x'] },
    },
  };

  it('reads back as it was written', async () => {
    const folder = await tempFolder();
    await writeMarker(folder, marker);
    expect(await readMarker(folder)).toEqual({ v: 1, ...marker });
  });

  it('that is absent, cut short or of another form counts as none', async () => {
    const folder = await tempFolder();
    expect(await readMarker(folder)).toBeNull();
    for (const text of [
      '',
      '{"v":1,"finger',
      '{"v":2}',
      '{"v":1,"fingerprint":"x","seconds":"soon"}',
      '[]',
    ]) {
      await writeFile(join(folder, 'stage.json'), text);
      expect(await readMarker(folder), text).toBeNull();
    }
  });

  it('vouches only for files that are there with their sizes', async () => {
    const folder = await tempFolder();
    expect(await outputsPresent(folder, marker.outcome)).toBe(false);
    await writeFile(join(folder, 'a.txt'), 'ab');
    expect(await outputsPresent(folder, marker.outcome)).toBe(false);
    await writeFile(join(folder, 'a.txt'), 'a');
    expect(await outputsPresent(folder, marker.outcome)).toBe(true);
  });
});
