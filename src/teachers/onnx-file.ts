/**
 * A teacher's ONNX file as it lies on disk: what its graph says, the external data beside it, and the bytes or path that an
 * engine loads. Tensors are not read here, but for those that a cut model carries inside.
 */
import * as fs from 'node:fs';
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { withFileSource } from '../format/byte-source.ts';
import { cutOnnx, planCut } from '../format/onnx-cut.ts';
import { type OnnxNodePlace, type OnnxOutline, type OnnxPort, outlineOnnx } from '../format/onnx-outline.ts';

export interface OnnxFile {
  readonly path: string;
  readonly outline: OnnxOutline;
  /** Files beside the model that hold its tensors, in the order the model names them. */
  readonly externalPaths: readonly string[];
}

/** What an engine loads: a file, or bytes whose external tensors lie in a folder. */
export type OnnxModelSource =
  { readonly path: string } | { readonly bytes: Uint8Array; readonly externalFolder: string | null };

/**
 * @param where names the teacher in messages
 * @throws StillhouseError bad-input for a file that is no whole ONNX model, names data outside its own folder, or has data that ends
 *   too early; environment when external data is not there, naming every missing file
 */
export function readOnnxFile(path: string, where: string): OnnxFile {
  const outline = withFileSource(path, (source) => outlineOnnx(source, where));
  const folder = dirname(path);
  const externalPaths = externalNames(outline, where).map((name) => join(folder, name));
  const sizes = externalPaths.map(sizeOf);
  const missing = outline.externalFiles.filter((_, i) => sizes[i] === null);
  if (missing.length > 0) throw missingData(missing, folder, where);
  for (const [i, name] of outline.externalFiles.entries()) {
    const wanted = outline.externalBytes.get(name) ?? 0;
    if (sizes[i]! < wanted) throw shortData(externalPaths[i]!, { wanted, got: sizes[i]!, where });
  }
  return { path, outline, externalPaths };
}

/**
 * Names of the files with external data, relative to the model.
 * @throws StillhouseError bad-input for one outside the model's own folder
 */
export function externalNames({ externalFiles }: OnnxOutline, where: string): string[] {
  return externalFiles.map((name) => {
    const inside = normalize(name);
    if (name === '' || isAbsolute(inside) || inside.split(sep)[0] === '..') throw outsideFolder(name, where);
    return inside;
  });
}

export interface CutModel {
  /** Read and cut when it is asked for, each time: kept, a model would lie in memory twice. */
  readonly load: () => OnnxModelSource;
  /** What has to be fed after the cut. */
  readonly inputs: readonly OnnxPort[];
  /** Operators of the nodes that are left, and of the subgraphs and functions that these hold or call. */
  readonly ops: ReadonlySet<string>;
}

/**
 * The model with the tapped tensors as its outputs. A model that needs no cut is loaded from its file, so that its bytes are not
 * copied through this process.
 * @throws StillhouseError bad-input naming the nearest tensors when a tap is no tensor of the graph
 */
export function modelWithTaps(file: OnnxFile, taps: readonly string[], where: string): CutModel {
  const cut = planCut(file.outline, taps, where);
  const inputs = file.outline.inputs.filter(({ name }) => cut.needed.has(name));
  const ops = opsOf(cut.nodes, file.outline);
  if (!cut.changes) return { load: () => ({ path: file.path }), inputs, ops };
  const { folder, names } = externalPlaces(file, where);
  return {
    load: () => ({
      bytes: withFileSource(file.path, (source) => cutOnnx(source, file.outline, cut, names)),
      externalFolder: folder,
    }),
    inputs,
    ops,
  };
}

function opsOf(nodes: readonly OnnxNodePlace[], { functions }: OnnxOutline): Set<string> {
  const ops = new Set<string>();
  const found = nodes.flatMap(({ op, innerOps }) => [op, ...innerOps]);
  for (let op = found.pop(); op !== undefined; op = found.pop()) {
    if (ops.has(op)) continue;
    ops.add(op);
    found.push(...(functions.get(op) ?? []));
  }
  return ops;
}

/**
 * Where the external data really lies: engines refuse links that lead out of a folder, and the hub's cache is made of such links
 * (all of them into one folder, under other names).
 */
function externalPlaces(
  { outline, externalPaths }: OnnxFile,
  where: string,
): { readonly folder: string | null; readonly names: ReadonlyMap<string, string> } {
  if (externalPaths.length === 0) return { folder: null, names: new Map() };
  const real = externalPaths.map((path) => fs.realpathSync(path));
  const folder = commonFolder(real);
  if (folder === null)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'the external data of a model lies in several places',
      where,
      wanted: 'all files below one folder',
      got: real.join(', '),
      next: 'put copies or hard links of them beside the model',
    });
  return {
    folder,
    names: new Map(outline.externalFiles.map((name, i) => [name, relative(folder, real[i]!)])),
  };
}

/** The folder that holds the first file; null when another one is not below it. */
function commonFolder(paths: readonly string[]): string | null {
  const folder = dirname(paths[0]!);
  return paths.every((path) => path.startsWith(folder + sep)) ? folder : null;
}

/** Bytes of a file; null where there is none. */
function sizeOf(path: string): number | null {
  try {
    const found = fs.statSync(path);
    return found.isFile() ? found.size : null;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return null;
  }
}

function shortData(
  path: string,
  of: { readonly wanted: number; readonly got: number; readonly where: string },
): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'the external data of a model ends before its tensors do',
    where: `${of.where}, ${path}`,
    wanted: `at least ${of.wanted} bytes`,
    got: `${of.got} bytes`,
    next: 'fetch the file again: it was not copied whole, or belongs to another export',
  });
}

function missingData(missing: readonly string[], folder: string, where: string): StillhouseError {
  return new StillhouseError({
    kind: 'environment',
    what: 'the external data of a model is not on this machine',
    where,
    wanted: missing.join(', '),
    got: `no such file in ${folder}`,
    next: 'put the data beside the model under the name that the model gives it',
  });
}

function outsideFolder(name: string, where: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a model names external data outside its own folder',
    where,
    wanted: 'the name of a file beside the model',
    got: JSON.stringify(name),
    next: 'export the model again with its data beside it',
  });
}
