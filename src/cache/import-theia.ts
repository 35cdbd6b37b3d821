/**
 * Feature tars as Theia writes them (github.com/bdaiinstitute/theia, scripts/preprocessing/feature_extraction.py): per image a
 * member `<key>.<model>.safetensors` with `embedding` [C, H, W], most often bfloat16, and for some models `cls_token` [C]. Stored as
 * [H, W, C]. Their weights and preprocessing are not recorded, so they get spaces of their own and never pass for ours.
 */
import { sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { floatFromHalf } from '../core/half.ts';
import type { ImageId } from '../core/ids.ts';
import { tarMembers } from '../format/tar.ts';
import { type RawTensor, readTensorFile } from '../format/tensor-file.ts';
import { FULL_VIEW, viewIdOf } from '../images/view.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { type RowKey, rowKeyOf } from './row-key.ts';
import { type SpaceDescriptor, codedLabel, spaceIdOf } from './space.ts';
import { partOf } from './target-part.ts';
import type { CacheWriter } from './write.ts';

export interface TheiaOptions {
  readonly tars: readonly string[];
  /** Image of a sample's key; null when no dataset knows it. Images that lie in the tar itself need none. */
  readonly imageOf: (key: string) => ImageId | null;
  /** Side of the input that the features were computed at; Theia's is 224. */
  readonly sizePx: number;
  readonly codec: 'f16' | 'f32';
  readonly writer: CacheWriter;
  readonly fs: CommitFs;
}

export interface ImportedTheia {
  readonly spaces: readonly { readonly label: string; readonly rows: number }[];
  /** Keys that no image was found for. */
  readonly unknown: readonly string[];
}

const IMAGE = /^(?:jpe?g|png|webp|image)$/i;

/** @throws StillhouseError integrity when a tar or a member is damaged, bad-input for a dtype or shape that Theia does not write. */
export async function importTheia(options: TheiaOptions): Promise<ImportedTheia> {
  const counts = new Map<string, number>();
  const unknown = new Set<string>();
  for (const path of options.tars) {
    const archive = await options.fs.read(path);
    const images = new Map<string, ImageId>();
    for (const { name, bytes } of tarMembers(archive, path)) {
      const { key, extension } = split(name);
      if (IMAGE.test(extension)) images.set(key, sha256(bytes) as string as ImageId);
    }
    const groups = new Map<string, { space: SpaceDescriptor; keys: RowKey[]; values: Float32Array[] }>();
    for (const { name, bytes } of tarMembers(archive, path)) {
      const { key, extension } = split(name);
      if (!extension.endsWith('.safetensors')) continue;
      const image = images.get(key) ?? options.imageOf(key);
      if (image === null) {
        unknown.add(key);
        continue;
      }
      const model = extension.slice(0, -'.safetensors'.length);
      const { tensors } = readTensorFile(bytes, `${path}, ${name}`);
      for (const [tensorName, kind] of [
        ['embedding', 'spatial'],
        ['cls_token', 'summary'],
      ] as const) {
        const tensor = tensors.get(tensorName);
        if (tensor === undefined) continue;
        const where = `${path}, ${name}, ${tensorName}`;
        const { shape, values } = kind === 'spatial' ? channelsLast(tensor, where) : flat(tensor, where);
        const space = spaceOf({ model, kind, shape, tensorName }, options);
        const id = spaceIdOf(space);
        const group = groups.get(id) ?? { space, keys: [], values: [] };
        group.keys.push(rowKeyOf({ image, view: viewIdOf(FULL_VIEW) }));
        group.values.push(values);
        groups.set(id, group);
      }
    }
    const parts = [...groups.values()].map(({ space, keys, values }) => {
      const width = values[0]!.length;
      const all = new Float32Array(keys.length * width);
      values.forEach((row, i) => all.set(row, i * width));
      counts.set(codedLabel(space), (counts.get(codedLabel(space)) ?? 0) + keys.length);
      return partOf(
        space,
        keys.map((key) => ({ key })),
        all,
      );
    });
    await options.writer.commit(parts);
  }
  return { spaces: [...counts].map(([label, rows]) => ({ label, rows })), unknown: [...unknown] };
}

/** WebDataset's rule: the key ends at the first dot of the base name. */
function split(name: string): { readonly key: string; readonly extension: string } {
  const base = name.slice(name.lastIndexOf('/') + 1);
  const dot = base.indexOf('.');
  return dot < 0 ? { key: base, extension: '' } : { key: base.slice(0, dot), extension: base.slice(dot + 1) };
}

interface Described {
  readonly model: string;
  readonly kind: 'spatial' | 'summary';
  readonly shape: readonly number[];
  readonly tensorName: string;
}

function spaceOf(
  { model, kind, shape, tensorName }: Described,
  { sizePx, codec }: TheiaOptions,
): SpaceDescriptor {
  return {
    v: 1,
    teacher: { name: model, engine: 'theia', weightsSha256: 'unknown' },
    runtime: {
      engine: 'theia',
      version: 'unknown',
      device: 'unknown',
      provider: 'unknown',
      precision: 'bfloat16',
    },
    preprocess: { imported: 'theia' },
    sizePx,
    tap: { kind, rule: { tensor: tensorName } },
    shape,
    codec: { id: codec },
  };
}

/** [C, H, W] -> [H, W, C] */
function channelsLast(tensor: RawTensor, where: string): { shape: number[]; values: Float32Array } {
  const [channels, height, width, ...rest] = tensor.shape;
  if (channels === undefined || height === undefined || width === undefined || rest.length > 0)
    throw otherTensor(where, `shape [${tensor.shape.join(', ')}]`);
  const from = floatsOf(tensor, where);
  const values = new Float32Array(from.length);
  const cells = height * width;
  for (let cell = 0; cell < cells; cell++)
    for (let c = 0; c < channels; c++) values[cell * channels + c] = from[c * cells + cell]!;
  return { shape: [height, width, channels], values };
}

function flat(tensor: RawTensor, where: string): { shape: number[]; values: Float32Array } {
  const values = floatsOf(tensor, where);
  return { shape: [values.length], values };
}

function floatsOf({ dtype, shape, bytes }: RawTensor, where: string): Float32Array {
  const count = shape.reduce((all, side) => all * side, 1);
  const bytesPerValue = dtype === 'F32' ? 4 : 2;
  if (bytes.length !== count * bytesPerValue) throw otherTensor(where, `${bytes.length} bytes of ${dtype}`);
  if (dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  if (dtype === 'F16') return Float32Array.from(halves, floatFromHalf);
  if (dtype !== 'BF16') throw otherTensor(where, dtype);
  // bfloat16 is the upper half of a float32
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

function otherTensor(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a tensor is not as Theia writes it',
    where,
    wanted: 'embedding [C, H, W] or cls_token [C], BF16, F16 or F32',
    got,
    next: 'convert the features, or import them through another format',
  });
}
