/**
 * Teachers on every device but the CPU that this machine has: the contract, and the same answers as on the CPU within a stated
 * tolerance. Each provider that cannot run here is skipped, and says why.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { decodeHalf } from '../../src/core/half.ts';
import { buildOnnx, encodeOnnx } from '../../src/format/onnx-model.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { type Provider, PROVIDER_TRAITS } from '../../src/teachers/devices.ts';
import { threadHost } from '../../src/teachers/engine-host.ts';
import { EnginePool } from '../../src/teachers/engine-pool.ts';
import { identifyTeacher, openTeacher } from '../../src/teachers/open-teacher.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { type LoadedTeacher, loadTeacher } from '../../src/teachers/registry.ts';
import { resolveDevices } from '../../src/teachers/resolve-devices.ts';
import type { TeacherAnswer } from '../../src/teachers/teacher.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { cli } from '../support/run-cli.ts';
import { teacherContract } from '../support/teacher-contract.ts';
import { tinyManifest, writeTinyTeacher } from '../support/tiny-teacher.ts';
import { IMAGES, LOOK_ALIKES, goldenImage, largestDifference, teacherOf } from '../teachers/look-alikes.ts';

/** Of the largest value: float32 in another order of sums, and on CUDA products of 10 bits (TF32). */
const TOLERANCE = { f32: 1e-4, tf32: 1e-2 } as const;

const reasonAgainst = (provider: Provider): Promise<string | null> =>
  resolveDevices(provider).then(
    () => null,
    (error: unknown) => {
      if (!isStillhouseError(error, 'environment')) throw error;
      return error.failure.got ?? error.failure.what;
    },
  );

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-gpu-'));
beforeAll(() => writeTinyTeacher(folder));
afterAll(() => rmSync(folder, { recursive: true }));
const tiny = () => loadTeacher(join(folder, 'tiny.yaml'), { baseFolder: folder });

for (const provider of ['webgpu', 'cuda', 'tensorrt'] as const) {
  const vulkan = process.env['STILLHOUSE_TEST_VULKAN'] ?? 'no Vulkan';
  const reason = await reasonAgainst(provider);
  const runsOn = provider === 'webgpu' ? vulkan : 'an NVIDIA GPU';
  // that driver computes anywhere: what does not load there is broken, not absent
  if (provider === 'webgpu' && vulkan.includes('SwiftShader') && reason !== null) throw new Error(reason);
  console.info(reason === null ? `${provider} on ${runsOn}` : `skipped, not passed: ${provider} (${reason})`);
  describe.skipIf(reason !== null)(`${provider}${reason === null ? '' : ` is skipped: ${reason}`}`, () => {
    const tolerance = TOLERANCE[PROVIDER_TRAITS[provider].multiplies];

    teacherContract({
      name: 'a tiny teacher',
      values: 3 * 16 * 16,
      open: async (batch) =>
        openTeacher(await tiny(), { sizePx: 16, batch }, { device: provider, threads: 0 }),
    });

    it('is named in what identifies a teacher', async () => {
      const { runtime } = await identifyTeacher(await tiny(), provider);
      expect(runtime).toMatchObject({
        device: 'gpu',
        provider,
        precision: PROVIDER_TRAITS[provider].multiplies,
      });
    });

    it('answers in an engine thread with the bits of the thread that the caller has', async () => {
      const teacher = await tiny();
      const pixels = Float32Array.from({ length: 4 * 768 }, (_, i) => Math.sin(i * i));
      const pool = new EnginePool([threadHost({ device: provider, threads: 0, memoryLimitBytes: Infinity })]);
      const hosted = await pool.open({ teacher, sizePx: 16, batch: 4 });
      const own = await openTeacher(teacher, { sizePx: 16, batch: 4 }, { device: provider, threads: 0 });
      const [a, b] = [await hosted.run(pixels, 4), await own.run(pixels, 4)];
      expect(a.summary).toEqual(b.summary);
      expect(a.spatial).toEqual(b.spatial);
      await Promise.all([pool.close(), own.close()]);
    });

    it('gives a row of any batch the values that it has alone, within the tolerance', async () => {
      const pixels = Float32Array.from({ length: 8 * 768 }, (_, i) => Math.sin(i * i));
      const teacher = await tiny();
      const answers: TeacherAnswer[] = [];
      for (const batch of [1, 3, 8, 'auto'] as const) {
        const session = await openTeacher(teacher, { sizePx: 16, batch }, { device: provider, threads: 0 });
        answers.push(await session.run(pixels.subarray(0, 768), 1));
        await session.close();
      }
      for (const answer of answers) expectNear(answer, answers[0]!, tolerance);
    });

    it.each(LOOK_ALIKES)('answers for the look-alike of $family as the CPU does', async (one) => {
      const teacher = teacherOf(one);
      const sizePx = one.sizesPx[0]!;
      const renderer = viewRenderer(teacher.manifest, sizePx);
      const pixels = new Float32Array(2 * renderer.values);
      for (const [i, name] of IMAGES.slice(0, 2).entries())
        renderer.normaliseInto(
          renderer.render(await goldenImage(name), FULL_VIEW),
          pixels,
          i * renderer.values,
        );
      const answers: TeacherAnswer[] = [];
      for (const device of ['cpu', provider]) {
        const session = await openTeacher(teacher, { sizePx, batch: 2 }, { device, threads: 0 });
        const rows = session.batch;
        answers.push(await session.run(pixels.subarray(0, rows * renderer.values), rows));
        await session.close();
      }
      expectNear(answers[1]!, answers[0]!, tolerance);
    });

    it('answers for a graph of fixed sizes with an operator that says only when it runs that it cannot', async () => {
      const teacher = await resizing('shrink');
      const pixels = Float32Array.from({ length: 2 * 768 }, (_, i) => Math.sin(i * i));
      const answers: TeacherAnswer[] = [];
      for (const device of ['cpu', provider]) {
        const session = await openTeacher(teacher, { sizePx: 16, batch: 2 }, { device, threads: 0 });
        answers.push(await session.run(pixels, 2));
        await session.close();
      }
      expectNear(answers[1]!, answers[0]!, tolerance);
    });

    it.runIf(provider === 'webgpu')(
      'says so when that operator has no name to leave it to the CPU by',
      async () => {
        const teacher = await resizing('');
        await expect(
          openTeacher(teacher, { sizePx: 16, batch: 2 }, { device: provider, threads: 0 }),
        ).rejects.toThrow(
          failing(5, {
            what: 'the device cannot compute an operator of a teacher',
            next: 'run this teacher with --device cpu',
          }),
        );
      },
    );

    it('fills a cache from the command line with spaces of its own, near those of the CPU', async () => {
      const photos = join(folder, `photos-${provider}`);
      await copyEmoji(photos, { vendor: 'twitter', names: await emojiNames(6) });
      const stored: Float32Array[] = [];
      for (const device of ['cpu', provider]) {
        const args = ['cache', '--data', photos, '--teacher', 'tiny.yaml@32', '--device', device];
        const out = `out-${provider}-on-${device}`;
        const { code, stderr } = await cli([...args, '--out', out], { cwd: folder });
        expect([code, stderr.includes('stillhouse:')], stderr).toEqual([0, false]);
        stored.push(storedHalves(join(folder, out, 'cache')));
      }
      expect(stored[0]!.length).toBeGreaterThan(0);
      expect(largestDifference(stored[1]!, stored[0]!)).toBeLessThan(
        // one step of a half besides
        (tolerance + 2 ** -10) * largest(stored[0]!),
      );
    });
  });
}

async function resizing(nodeName: string): Promise<LoadedTeacher> {
  const onnx = fixedResize(nodeName);
  const at = mkdtempSync(join(folder, 'fixed-'));
  writeFileSync(join(at, 'tiny.onnx'), onnx);
  writeFileSync(join(at, 'tiny.yaml'), stringify(tinyManifest(onnx)));
  return loadTeacher('tiny.yaml', { baseFolder: at });
}

/** x [2, 3, 16, 16] -> map [2, 8, 4, 4]: eight channels, then a cubic Resize with antialias, which WebGPU lacks. */
function fixedResize(name: string): Uint8Array {
  return encodeOnnx(
    buildOnnx({
      name: 'fixed',
      inputs: [{ name: 'x', dtype: 'float32', shape: [2, 3, 16, 16] }],
      outputs: [{ name: 'map', dtype: 'float32', shape: [2, 8, 4, 4] }],
      initializers: [
        {
          name: 'kernel',
          dtype: 'float32',
          shape: [8, 3, 1, 1],
          data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
        },
        { name: 'sizes', dtype: 'int64', shape: [4], data: BigInt64Array.of(2n, 8n, 4n, 4n) },
      ],
      nodes: [
        { op: 'Conv', inputs: ['x', 'kernel'], outputs: ['wide'] },
        {
          op: 'Resize',
          name,
          inputs: ['wide', '', '', 'sizes'],
          outputs: ['map'],
          attributes: {
            antialias: { kind: 'int', value: 1 },
            mode: { kind: 'text', value: 'cubic' },
          },
        },
      ],
    }),
  );
}

const largest = (values: Float32Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

function expectNear(got: TeacherAnswer, wanted: TeacherAnswer, tolerance: number): void {
  for (const kind of ['summary', 'spatial'] as const) {
    const [a, b] = [got[kind], wanted[kind]];
    expect(a === null, kind).toBe(b === null);
    if (a === null || b === null) continue;
    const difference = largestDifference(a, b) / largest(b);
    console.info(`${kind}: ${difference.toExponential(1)} of the largest value`);
    expect(difference, kind).toBeLessThan(tolerance);
  }
}

/** The values of every part of a cache, by the labels of their spaces. */
function storedHalves(cache: string): Float32Array {
  const data = join(cache, 'data');
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.arrow'),
  );
  const parts = files.sort().map((path) => {
    const payload = arrow.tableFromIPC(readFileSync(join(data, path))).getChild('payload')!;
    return decodeHalf(payload.data[0]!.children[0]!.values as Uint16Array);
  });
  return Float32Array.from(parts.flatMap((values) => [...values]));
}
