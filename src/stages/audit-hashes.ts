/**
 * Decodes every image once for its pixel digest and perceptual hashes, and where asked its measures (sharpness, brightness), and
 * keeps them: an image that was hashed before, in an earlier run of this stage or before it was killed, is not decoded again. So
 * adding images costs the added ones only.
 */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { DIHEDRAL } from '../audit/dihedral.ts';
import {
  type DihedralHash,
  PERCEPTUAL_HASH_VERSION,
  type PerceptualHash,
  dihedralHashesOf,
} from '../audit/perceptual-hash.ts';
import { pixelDigestOf } from '../audit/pixel-digest.ts';
import { isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { type Digest, type ImageId, imageId } from '../core/ids.ts';
import { type ImageMeasures, MEASURES_VERSION, measureImage } from '../curate/image-measures.ts';
import { readParquet, readParquetMetadata, writeParquet } from '../format/parquet-table.ts';
import { DECODER } from '../images/decode.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type GreyPlane, type RgbImage, greyPlaneOf } from '../images/rgb-image.ts';
import type { StageOutput } from '../run/stage.ts';
import { writeAtomic } from '../store/atomic.ts';
import { writeOutput } from './ledger-table.ts';

/**
 * `hashes`: for each of the eight transforms, pHash then dHash, as 16 bytes big-endian. The measures, from `sharpness` on, are all
 * there or all null: only a curation that filters by one of them takes them.
 */
const HASH_COLUMNS = {
  imageId: 'string',
  pixelDigest: 'string',
  acEnergy: 'double',
  hashes: 'bytes',
  sharpness: 'double?',
  entropyBits: 'double?',
  brightest: 'double?',
  darkest: 'double?',
  uniformShare: 'double?',
} as const;
const HASH_FILE = 'hashes.parquet';

export interface ImageHashes {
  readonly id: ImageId;
  readonly pixelDigest: Digest;
  readonly acEnergy: number;
  readonly hashes: Uint8Array;
  /** Null where nobody asked for them. */
  readonly measures: ImageMeasures | null;
}

/** Hashes as the table keeps them: 170 bytes an image, whatever the number of images. */
function hashImage(
  id: ImageId,
  image: RgbImage,
  { grey, withMeasures }: { readonly grey: GreyPlane; readonly withMeasures: boolean },
): ImageHashes {
  const { acEnergy, variants } = dihedralHashesOf(grey);
  const hashes = new Uint8Array(DIHEDRAL.length * 16);
  const view = new DataView(hashes.buffer);
  variants.forEach(({ phash, dhash }, i) => {
    [...phash, ...dhash].forEach((word, at) => view.setUint32(i * 16 + at * 4, word));
  });
  return {
    id,
    pixelDigest: pixelDigestOf(image, DECODER),
    acEnergy,
    hashes,
    measures: withMeasures ? measureImage(image, grey) : null,
  };
}

export function hashOf({ hashes, acEnergy }: ImageHashes): PerceptualHash {
  const [first] = unpacked(hashes, 1);
  return { phash: first!.phash, dhash: first!.dhash, acEnergy };
}

export function variantsOf({ hashes }: ImageHashes): DihedralHash[] {
  return unpacked(hashes, DIHEDRAL.length);
}

function unpacked(hashes: Uint8Array, count: number): DihedralHash[] {
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  return DIHEDRAL.slice(0, count).map((transform, i) => ({
    transform,
    phash: [view.getUint32(i * 16), view.getUint32(i * 16 + 4)],
    dhash: [view.getUint32(i * 16 + 8), view.getUint32(i * 16 + 12)],
  }));
}

/** Hashes of another decoder or definition are not comparable: kept with the table, and such a table is not used. */
const VERSIONS = {
  decoder: `${DECODER.name} ${DECODER.version}`,
  perceptualHash: String(PERCEPTUAL_HASH_VERSION),
};
/** Measures of another definition are passed over, the hashes beside them are not. */
const MEASURES = { measures: String(MEASURES_VERSION) };

export interface HashOptions {
  readonly rows: readonly ImageRow[];
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  /** Where the table of an earlier run may lie, and the new one goes. */
  readonly folder: string;
  /** Folders of other stages whose tables may be believed as well. */
  readonly knownIn?: readonly string[];
  /** Where batches are kept until the table is whole. */
  readonly workFolder: string;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
  /** Sees the grey picture of each image that was decoded, so that nobody need decode it again. */
  readonly onDecoded?: (id: ImageId, grey: GreyPlane) => void;
  /** Images to measure as well; one that was hashed without is decoded again. Default: none. */
  readonly measured?: ReadonlySet<ImageId>;
  /** Images between two batches on disk. Default 2,000. */
  readonly batchImages?: number;
}

export interface HashedImages {
  readonly byId: ReadonlyMap<ImageId, ImageHashes>;
  readonly output: StageOutput;
  /** Images that were decoded in this call. */
  readonly fresh: number;
}

export async function hashImages(options: HashOptions): Promise<HashedImages> {
  const { rows, folder, workFolder, measured = new Set(), batchImages = 2000 } = options;
  const byId = await hashesOnDisk([...(options.knownIn ?? []), folder], workFolder);
  const wanted = [...new Map(rows.map((row) => [row.id, row])).values()];
  const missing = wanted.filter(({ id }) => {
    const known = byId.get(id);
    return known === undefined || (measured.has(id) && known.measures === null);
  });
  let done = wanted.length - missing.length;
  options.onProgress(done);
  const limit = pLimit(options.workers);
  await fsp.mkdir(workFolder, { recursive: true });
  for (let first = 0; first < missing.length; first += batchImages) {
    const batch = await limit.map(missing.slice(first, first + batchImages), async (row) => {
      options.signal.throwIfAborted();
      const image = await options.decode(row);
      const grey = greyPlaneOf(image);
      const hashes = hashImage(row.id, image, { grey, withMeasures: measured.has(row.id) });
      options.onDecoded?.(row.id, grey);
      options.onProgress(++done);
      return hashes;
    });
    for (const one of batch) byId.set(one.id, one);
    await writeAtomic(join(workFolder, `hashes-${batch[0]!.id}.parquet`), tableOf(batch));
  }
  const used = wanted.map(({ id }) => byId.get(id)!).sort((a, b) => (a.id < b.id ? -1 : 1));
  const output = await writeOutput(folder, { name: 'hashes', path: HASH_FILE, bytes: tableOf(used) });
  return { byId, output, fresh: missing.length };
}

const NO_MEASURES = {
  sharpness: null,
  entropyBits: null,
  brightest: null,
  darkest: null,
  uniformShare: null,
};

function tableOf(rows: readonly ImageHashes[]): Uint8Array {
  return writeParquet(
    HASH_COLUMNS,
    rows.map(({ id, measures, ...rest }) => ({ imageId: id, ...rest, ...(measures ?? NO_MEASURES) })),
    { metadata: { ...VERSIONS, ...MEASURES } },
  );
}

async function hashesOnDisk(
  folders: readonly string[],
  workFolder: string,
): Promise<Map<ImageId, ImageHashes>> {
  const byId = new Map<ImageId, ImageHashes>();
  const batches = (await namesIn(workFolder)).filter((name) => /^hashes-\w+\.parquet$/.test(name));
  for (const path of [
    ...folders.map((folder) => join(folder, HASH_FILE)),
    ...batches.map((name) => join(workFolder, name)),
  ])
    for (const one of await readHashes(path)) if (!byId.get(one.id)?.measures) byId.set(one.id, one);
  return byId;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await fsp.readdir(folder)).sort();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function allOrNone(measures: {
  readonly [name in keyof ImageMeasures]: number | null;
}): ImageMeasures | null {
  const { sharpness, entropyBits, brightest, darkest, uniformShare } = measures;
  if (
    sharpness === null ||
    entropyBits === null ||
    brightest === null ||
    darkest === null ||
    uniformShare === null
  )
    return null;
  return { sharpness, entropyBits, brightest, darkest, uniformShare };
}

/** The table that a stage left in its folder. */
export function readHashTable(folder: string): Promise<ImageHashes[]> {
  return readHashes(join(folder, HASH_FILE));
}

/** Nothing where there is no such table, or one that this version cannot use: then its images are hashed again. */
async function readHashes(path: string): Promise<ImageHashes[]> {
  try {
    const metadata = await readParquetMetadata(path);
    if (Object.entries(VERSIONS).some(([key, value]) => metadata[key] !== value)) return [];
    const rows = await readParquet(path, { columns: HASH_COLUMNS });
    const isMeasured = metadata['measures'] === MEASURES.measures;
    return rows.map(({ imageId: id, pixelDigest, acEnergy, hashes, ...measures }) => ({
      id: imageId(id),
      pixelDigest: pixelDigest as Digest,
      acEnergy,
      hashes,
      measures: isMeasured ? allOrNone(measures) : null,
    }));
  } catch (error) {
    if (isStillhouseError(error, 'bad-input', 'integrity')) return [];
    throw error;
  }
}
