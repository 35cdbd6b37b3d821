/**
 * Tiny models of the shipped teachers' families and what the reference stack (PyTorch, transformers, Pillow) makes of them; written by
 * test/cross/goldens/make_families.py. Their manifests are the shipped files with other sizes, so a test of these tests those.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { FileDigests } from '../../src/core/file-digests.ts';
import { checkYaml } from '../../src/format/checked-yaml.ts';
import { type NamedTensor, decodeSafetensors } from '../../src/format/safetensors.ts';
import { decodeImage } from '../../src/images/decode.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import type { LoadedTeacher } from '../../src/teachers/registry.ts';
import { teacherManifestSchema } from '../../src/teachers/teacher-manifest.ts';
import type { TeacherSession } from '../../src/teachers/teacher.ts';
import { defaultPlaces } from '../../src/teachers/weights-places.ts';

export const GOLDEN = 'test/golden/teachers';

/** The numbers of a shipped manifest that a smaller model changes, by path. Nothing else may differ. */
type Numbers = Readonly<Record<string, unknown>>;

export interface LookAlike {
  readonly family: string;
  /** Bundled manifest that it stands for. */
  readonly manifest: string;
  readonly numbers: Numbers;
  /** Sizes with goldens. */
  readonly sizesPx: readonly number[];
  /** Side of the spatial map at each size. */
  readonly gridOf: (sizePx: number) => number;
}

const patches = (sizePx: number): number => Math.floor(sizePx / 14);
const strides = (sizePx: number): number => sizePx / 16;

const dinov2 = {
  'input.sizesPx': { multipleOf: 14, min: 28, max: 56 },
  'summary.channels': 16,
  'spatial.channels': 16,
};

export const LOOK_ALIKES: readonly LookAlike[] = [
  { family: 'dinov2', manifest: 'dinov2-small', numbers: dinov2, sizesPx: [28, 56], gridOf: patches },
  {
    family: 'dinov2-with-registers',
    manifest: 'dinov2-with-registers-small',
    numbers: dinov2,
    sizesPx: [28, 56],
    gridOf: patches,
  },
  {
    family: 'clip',
    manifest: 'openai-clip-vit-large-patch14-336',
    numbers: {
      'input.sizesPx': [56],
      'summary.channels': 12,
      'spatial.channels': 16,
      // two blocks instead of 24
      'spatial.tensor': '/vision_model/encoder/layers.1/Add_1_output_0',
    },
    sizesPx: [56],
    gridOf: patches,
  },
  {
    family: 'siglip',
    manifest: 'siglip2-so400m-patch14-384',
    numbers: { 'input.sizesPx': [48], 'summary.channels': 16, 'spatial.channels': 16 },
    sizesPx: [48],
    gridOf: patches,
  },
  {
    family: 'sam',
    manifest: 'sam-vit-base',
    numbers: { 'input.sizesPx': [64], 'spatial.channels': 12 },
    sizesPx: [64],
    gridOf: strides,
  },
  {
    family: 'mobile-sam',
    manifest: 'mobile-sam',
    numbers: { 'input.sizesPx': [64], 'spatial.channels': 12 },
    sizesPx: [64],
    gridOf: strides,
  },
];

export function lookAlike(family: string): LookAlike {
  const found = LOOK_ALIKES.find((one) => one.family === family);
  if (found === undefined) throw new Error(`no look-alike of ${family}`);
  return found;
}

export interface ManifestChanges {
  /** Other file of the family's folder than model.onnx. */
  readonly file?: string;
  readonly numbers?: Numbers;
}

/** The shipped manifest as written, before any change. */
export function shippedManifest(name: string): Record<string, unknown> {
  return parse(readFileSync(`manifests/teachers/${name}.yaml`, 'utf8')) as Record<string, unknown>;
}

export function teacherOf(one: LookAlike, changes: ManifestChanges = {}): LoadedTeacher {
  const value = shippedManifest(one.manifest);
  const weights = { uri: `file:${changes.file ?? 'model.onnx'}`, sha256: null };
  for (const [path, number] of Object.entries({ weights, ...one.numbers, ...changes.numbers }))
    setAt(value, path.split('.'), number);
  const manifest = checkYaml(stringify(value), {
    schema: teacherManifestSchema,
    noun: 'teacher manifest',
    where: one.family,
  });
  return {
    manifest,
    folder: join(process.cwd(), GOLDEN, one.family),
    places: defaultPlaces(),
    digests: new FileDigests(),
    given: one.family,
  };
}

function setAt(value: Record<string, unknown>, [key, ...rest]: readonly string[], number: unknown): void {
  if (rest.length === 0) value[key!] = number;
  else setAt(value[key!] as Record<string, unknown>, rest, number);
}

export const IMAGES = ['wide', 'tall', 'square', 'small', 'strip'] as const;

export function goldenImage(name: string): Promise<RgbImage> {
  return decodeImage(readFileSync(`${GOLDEN}/images/${name}.png`));
}

export interface GoldenBytes {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly sha256: string;
}

/** Digests of the processors' bytes by `<family>@<size>` and image. */
export function goldenBytes(): Record<string, Record<string, GoldenBytes>> {
  const { bytes } = JSON.parse(readFileSync(`${GOLDEN}/pixels.json`, 'utf8')) as {
    bytes: Record<string, Record<string, GoldenBytes>>;
  };
  return bytes;
}

export function goldens({ family }: LookAlike): ReadonlyMap<string, NamedTensor> {
  const path = `${GOLDEN}/${family}/golden.safetensors`;
  return decodeSafetensors(readFileSync(path), path).tensors;
}

export interface Features {
  /** [images, D]; null for a teacher without a summary. */
  readonly summary: Float32Array | null;
  /** [images, h, w, C] */
  readonly spatial: Float32Array | null;
  readonly session: Pick<TeacherSession, 'batch' | 'summary' | 'spatial'>;
}

/** Every golden image through the product: decoded, rendered by the manifest's rules, run in batches, tapped. */
export async function featuresOf(teacher: LoadedTeacher, sizePx: number, batch = 2): Promise<Features> {
  const renderer = viewRenderer(teacher.manifest, sizePx);
  const pixels = new Float32Array(IMAGES.length * renderer.values);
  for (const [i, name] of IMAGES.entries())
    renderer.normaliseInto(renderer.render(await goldenImage(name), FULL_VIEW), pixels, i * renderer.values);
  const session = await openTeacher(teacher, { sizePx, batch }, { device: 'cpu', threads: 1 });
  const all = { summary: [] as number[], spatial: [] as number[] };
  for (let from = 0; from < IMAGES.length; from += session.batch) {
    const rows = Math.min(session.batch, IMAGES.length - from);
    const input = pixels.subarray(from * renderer.values, (from + rows) * renderer.values);
    const answer = await session.run(input, rows);
    all.summary.push(...(answer.summary ?? []));
    all.spatial.push(...(answer.spatial ?? []));
  }
  await session.close();
  return {
    summary: session.summary && Float32Array.from(all.summary),
    spatial: session.spatial && Float32Array.from(all.spatial),
    session,
  };
}

/** The largest absolute difference. */
export function largestDifference(got: Float32Array, wanted: Float32Array): number {
  if (got.length !== wanted.length) throw new Error(`${got.length} values for ${wanted.length}`);
  return got.reduce((most, value, i) => {
    const difference = Math.abs(value - wanted[i]!);
    // a NaN must not pass as small
    return difference <= most ? most : difference;
  }, 0);
}
