/**
 * Which pictures a batch needs, and which of them are kept already. A view that is rendered for the first time is kept while there is
 * room, and so are the other views of its image: one decode then serves them all. Nothing is evicted, since an epoch that shows
 * everything once would evict each view just before it is needed.
 */
import { Rng } from '../core/rng.ts';
import type { PixelJob, WantedPicture, WantedView } from './pixel-job.ts';
import type { PixelSize } from './pixel-options.ts';
import type { LoaderDataset } from './samples.ts';

const NOT_KEPT = -1;
/** Being rendered: its place is not yet to be read. */
const PENDING = -2;

export interface PictureShare {
  readonly datasets: readonly number[];
  readonly samples: readonly number[];
  /** Those that are shown: others have their pixels from elsewhere. */
  readonly slots: readonly number[];
  /** Where the view of each slot goes, in bytes of the batch. */
  readonly writeAt: (slot: number) => number;
  readonly size: PixelSize;
  /** Tells the kept views of one size from those of another. */
  readonly sizeIndex: number;
  readonly epoch: number;
}

/** A picture and where the slots that wait for it are. */
export interface PlannedPicture extends WantedPicture {
  /** Marks its views as kept; call when they are. */
  readonly settle: (succeeded: boolean) => void;
}

export class PictureTable {
  readonly #datasets: readonly LoaderDataset[];
  readonly #seed: number;
  readonly #roomBytes: number;
  readonly kept: SharedArrayBuffer | null;
  /** By dataset: samples of each image. */
  readonly #siblings: readonly ReadonlyMap<string, readonly number[]>[];
  /** By dataset and size, [samples]: byte of the kept view. */
  readonly #keptAt: readonly (readonly Float64Array[])[];
  #usedBytes = 0;

  /** @param sizes all that batches may have. */
  constructor(
    datasets: readonly LoaderDataset[],
    options: { readonly sizes: readonly PixelSize[]; readonly keepBytes: number; readonly seed: number },
  ) {
    const { sizes, keepBytes, seed } = options;
    this.#datasets = datasets;
    this.#seed = seed;
    const samples = datasets.reduce((sum, { keys }) => sum + keys.length, 0);
    const all = sizes.reduce((sum, size) => sum + samples * bytesOf(size), 0);
    this.#roomBytes = Math.min(keepBytes, all);
    this.kept = this.#roomBytes === 0 ? null : new SharedArrayBuffer(this.#roomBytes);
    this.#siblings = datasets.map(({ pictures }) => {
      const found = new Map<string, number[]>();
      pictures?.samples.forEach(({ image }, i) => {
        const there = found.get(image.id);
        if (there) there.push(i);
        else found.set(image.id, [i]);
      });
      return found;
    });
    this.#keptAt = datasets.map(({ keys }) => sizes.map(() => new Float64Array(keys.length).fill(NOT_KEPT)));
  }

  /** Pictures of a batch, each image once. */
  plan(share: PictureShare): PlannedPicture[] {
    const byImage = new Map<string, { readonly dataset: number; readonly slots: number[] }>();
    for (const slot of share.slots) {
      const [dataset, sample] = [share.datasets[slot]!, share.samples[slot]!];
      const key = `${dataset}/${this.#pictureOf(dataset, sample).image.id}`;
      const there = byImage.get(key);
      if (there) there.slots.push(slot);
      else byImage.set(key, { dataset, slots: [slot] });
    }
    return [...byImage.values()].map(({ dataset, slots }) => this.#picture(share, dataset, slots));
  }

  #picture(share: PictureShare, dataset: number, slots: readonly number[]): PlannedPicture {
    const { samples, size, sizeIndex, epoch } = share;
    const keptAt = this.#keptAt[dataset]![sizeIndex]!;
    const image = this.#pictureOf(dataset, samples[slots[0]!]!).image;
    const reserved = new Map<number, number>();
    const view = (sample: number, slot: number): WantedView => {
      const at = keptAt[sample]!;
      if (at === NOT_KEPT && this.#usedBytes + bytesOf(size) <= this.#roomBytes) {
        reserved.set(sample, this.#usedBytes);
        keptAt[sample] = PENDING;
        this.#usedBytes += bytesOf(size);
      }
      const key = this.#datasets[dataset]!.keys[sample]!;
      return {
        view: this.#pictureOf(dataset, sample).view,
        key,
        writeAt: slot < 0 ? -1 : share.writeAt(slot),
        slot,
        keepAt: at >= 0 ? at : (reserved.get(sample) ?? -1),
        isKept: at >= 0,
        seed: slot < 0 ? 0 : transformSeed(this.#seed, epoch, key),
      };
    };
    const views = slots.map((slot) => view(samples[slot]!, slot));
    if (views.some(({ isKept }) => !isKept))
      for (const sibling of this.#siblings[dataset]!.get(image.id)!) {
        if (keptAt[sibling] !== NOT_KEPT || this.#usedBytes + bytesOf(size) > this.#roomBytes) continue;
        views.push(view(sibling, -1));
      }
    return {
      image: { id: image.id, uri: image.uri },
      dataset,
      views,
      settle: (succeeded) => {
        for (const [sample, at] of reserved) keptAt[sample] = succeeded ? at : NOT_KEPT;
      },
    };
  }

  #pictureOf(dataset: number, sample: number) {
    return this.#datasets[dataset]!.pictures!.samples[sample]!;
  }
}

/** What a transform is told, a number in [0, 2^32). */
export const transformSeed = (seed: number, epoch: number, key: string): number =>
  new Rng(seed, 'transform', epoch, key).uint32();

const bytesOf = ({ heightPx, widthPx }: PixelSize): number => heightPx * widthPx * 3;

/** Jobs of similar length: images to decode count for more than views to copy. */
export function pixelJobs(
  pictures: readonly PlannedPicture[],
  common: Omit<PixelJob, 'pictures' | 'staged'>,
  jobs: number,
): { readonly job: PixelJob; readonly planned: readonly PlannedPicture[] }[] {
  const cost = ({ views }: PlannedPicture): number => (views.some(({ isKept }) => !isKept) ? 10 : 1);
  const total = pictures.reduce((sum, picture) => sum + cost(picture), 0);
  const groups: PlannedPicture[][] = [];
  let open: PlannedPicture[] = [];
  let sum = 0;
  for (const picture of pictures) {
    open.push(picture);
    sum += cost(picture);
    if (sum < (total * (groups.length + 1)) / jobs) continue;
    groups.push(open);
    open = [];
  }
  if (open.length > 0) groups.push(open);
  return groups.map((planned) => ({
    planned,
    job: {
      ...common,
      staged: [],
      pictures: planned.map(({ image, dataset, views }) => ({ image, dataset, views })),
    },
  }));
}
