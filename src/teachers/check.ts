/** Runs one image through a teacher and says what came out: the quickest proof that a manifest fits its model. */
import * as fsp from 'node:fs/promises';
import { StillhouseError, isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { decodeImage } from '../images/decode.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { FULL_VIEW } from '../images/view.ts';
import { identifyTeacher, openTeacher } from './open-teacher.ts';
import { viewRenderer } from './preprocess.ts';
import type { LoadedTeacher } from './registry.ts';

export interface TapReport {
  readonly kind: 'summary' | 'spatial';
  readonly shape: readonly number[];
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly nonFinite: number;
}

export interface TeacherReport {
  readonly teacher: string;
  readonly sizePx: number;
  readonly engine: string;
  readonly weightsSha256: string;
  readonly taps: readonly TapReport[];
}

export async function checkTeacher(
  teacher: LoadedTeacher,
  options: { readonly size?: number; readonly image?: string },
): Promise<TeacherReport> {
  const sizePx = options.size ?? smallestSize(teacher);
  const identity = await identifyTeacher(teacher, 'cpu');
  const renderer = viewRenderer(teacher.manifest, sizePx);
  const image = options.image === undefined ? greyRamp(sizePx) : await readPicture(options.image);
  const pixels = new Float32Array(renderer.values);
  renderer.normaliseInto(renderer.render(image, FULL_VIEW), pixels, 0);
  const session = await openTeacher(teacher, { sizePx, batch: 1 }, { device: 'cpu', threads: 0 });
  try {
    const answer = await session.run(pixels, 1);
    const taps = (['summary', 'spatial'] as const).flatMap((kind): TapReport[] => {
      const [tap, values] = [session[kind], answer[kind]];
      return tap === null || values === null ? [] : [{ kind, shape: tap.shape, ...rangeOf(values) }];
    });
    const { engine, version, provider, precision } = identity.runtime;
    return {
      teacher: teacher.manifest.name,
      sizePx,
      engine: `${engine} ${version}, ${provider}, ${precision}`,
      weightsSha256: identity.weightsSha256,
      taps,
    };
  } finally {
    await session.close();
  }
}

function smallestSize({ manifest }: LoadedTeacher): number {
  const sizes = manifest.input.sizesPx;
  return 'multipleOf' in sizes
    ? Math.max(sizes.min, Math.min(sizes.max, Math.ceil(128 / sizes.multipleOf) * sizes.multipleOf))
    : sizes[0]!;
}

async function readPicture(path: string): Promise<RgbImage> {
  const bytes = await fsp.readFile(path).catch((error: unknown) => {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw unusable(path, code, error);
  });
  return decodeImage(bytes).catch((error: unknown) => {
    if (!isStillhouseError(error, 'integrity')) throw error;
    throw unusable(path, error.failure.got ?? 'no image', error);
  });
}

function unusable(path: string, got: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'the picture to check with cannot be used',
      where: path,
      wanted: 'an image file',
      got,
      next: 'check the path, or leave --image out',
    },
    cause,
  );
}

function greyRamp(sidePx: number): RgbImage {
  const data = new Uint8Array(sidePx * sidePx * 3);
  for (let i = 0; i < sidePx * sidePx; i++)
    data.fill(Math.floor((255 * (i % sidePx)) / sidePx), i * 3, i * 3 + 3);
  return { widthPx: sidePx, heightPx: sidePx, data };
}

function rangeOf(values: Float32Array): Pick<TapReport, 'min' | 'max' | 'mean' | 'nonFinite'> {
  let [min, max, sum, finite] = [Infinity, -Infinity, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    finite += 1;
  }
  const rounded = (x: number): number => Number(x.toPrecision(5));
  return {
    min: rounded(min),
    max: rounded(max),
    mean: rounded(finite > 0 ? sum / finite : NaN),
    nonFinite: values.length - finite,
  };
}
