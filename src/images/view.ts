/**
 * A view: which rectangle of an image is seen, and whether mirrored. Explicit geometry, never a seed to replay
 * (distillation.md §5.5). Its resolution belongs to the space, so teachers of different input sizes share one view.
 */
import { digestOf } from '../core/digest.ts';
import type { ImageId, ViewId } from '../core/ids.ts';
import { Rng } from '../core/rng.ts';

export interface View {
  /** Left, top, width, height relative to the oriented image, each in [0, 1], rounded to 1e-6. */
  readonly box: readonly [left: number, top: number, width: number, height: number];
  readonly flip: boolean;
}

export const FULL_VIEW: View = { box: [0, 0, 1, 1], flip: false };

/** First 32 hex digits of the digest of the geometry: 128 bits, so views of one image never collide in practice. */
export function viewIdOf(view: View): ViewId {
  const known = IDS.get(view);
  if (known !== undefined) return known;
  const id = digestOf({ box: view.box, flip: view.flip }).slice(0, 32) as ViewId;
  IDS.set(view, id);
  return id;
}

/** Plans ask for the full view's id once per image. */
const IDS = new WeakMap<View, ViewId>();

export interface ViewFamily {
  /** Views per image, the full view first. At least 1. */
  readonly count: number;
  /** Share of the area that a random crop covers, lowest and highest, as in torchvision's RandomResizedCrop. */
  readonly area: readonly [low: number, high: number];
  /** Aspect ratio of a random crop, drawn log-uniformly. */
  readonly aspect: readonly [low: number, high: number];
  /** Chance that a random crop is mirrored. */
  readonly flip: number;
}

/** Random crops where nobody says otherwise. */
export const RANDOM_VIEWS: Omit<ViewFamily, 'count'> = { area: [0.4, 1], aspect: [3 / 4, 4 / 3], flip: 0.5 };

/** The views of one image: the full one, then `count - 1` random crops that depend only on (seed, imageId). */
export function viewsOf(family: ViewFamily, seed: number, image: ImageId): View[] {
  const rng = new Rng(seed, 'views', image);
  const views: View[] = [FULL_VIEW];
  while (views.length < family.count) views.push(randomView(family, rng));
  return views;
}

function randomView(family: ViewFamily, rng: Rng): View {
  const area = rng.between(family.area[0], family.area[1]);
  const aspect = Math.exp(rng.between(Math.log(family.aspect[0]), Math.log(family.aspect[1])));
  const width = micro(Math.min(1, Math.sqrt(area * aspect)));
  const height = micro(Math.min(1, Math.sqrt(area / aspect)));
  const left = microDown(rng.between(0, 1 - width));
  const top = microDown(rng.between(0, 1 - height));
  return { box: [left, top, width, height], flip: rng.uniform() < family.flip };
}

const micro = (x: number): number => Math.max(1, Math.round(x * 1e6)) / 1e6;
/** Rounded down so that a box never leaves the image. */
const microDown = (x: number): number => Math.floor(x * 1e6) / 1e6;
