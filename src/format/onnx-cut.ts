/**
 * Graph surgery: makes named tensors the outputs of a model and drops what they do not need, so that a tap on an inner layer does
 * not pay for the head. Kept fields are copied as they lie in the file, unknown ones included; external tensors stay where they are.
 */
import onnxProto from 'onnx-proto';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import type { ByteSource } from './byte-source.ts';
import type { OnnxNodePlace, OnnxOutline, OnnxTensorPlace } from './onnx-outline.ts';
import { type Span, delimitedHeader } from './protobuf-fields.ts';

const { onnx } = onnxProto;

export interface OnnxCut {
  /** New outputs in order, each once. */
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNodePlace[];
  /** Every tensor that is still read or is an output. */
  readonly needed: ReadonlySet<string>;
  /** False when the model already is what the cut would make of it, but for outputs that cost nothing. */
  readonly changes: boolean;
}

/**
 * Plans a cut. Pure.
 * @param where named in messages
 * @throws StillhouseError bad-input when a name is no tensor of the graph; the message lists the nearest names.
 */
export function planCut(outline: OnnxOutline, names: readonly string[], where: string): OnnxCut {
  const outputs = [...new Set(names)];
  const producers = new Map(outline.nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  for (const name of outputs)
    if (!producers.has(name)) throw unknownTensor(name, { producers, outline, where });
  const needed = new Set(outputs);
  const kept = new Set<OnnxNodePlace>();
  // not in one backward pass: converters to half precision append their casts, so nodes may come before what they read
  const open = [...outputs];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = producers.get(name);
    if (node === undefined || kept.has(node)) continue;
    kept.add(node);
    for (const read of node.reads) {
      needed.add(read);
      open.push(read);
    }
  }
  const nodes = outline.nodes.filter((node) => kept.has(node));
  const own = new Set(outline.outputs.map(({ name }) => name));
  const changes =
    nodes.length < outline.nodes.length ||
    outputs.some((name) => !own.has(name)) ||
    outline.inputs.some(({ name }) => !needed.has(name));
  return { outputs, nodes, needed, changes };
}

/**
 * Bytes of the cut model, of any opset. Reads of the source only what is kept.
 * @param externalNames other names of external data files, by the name that the model gives them
 */
export function cutOnnx(
  source: ByteSource,
  outline: OnnxOutline,
  cut: OnnxCut,
  externalNames: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const { places } = outline;
  const known = new Map([...places.values, ...places.outputs].map((place) => [place.port.name, place]));
  const graph: (Span | Uint8Array)[] = [
    ...cut.nodes.map(({ whole }) => whole),
    ...places.graph,
    ...outline.initializers
      .filter(({ name }) => cut.needed.has(name))
      .flatMap((tensor) => tensorField(source, tensor, externalNames)),
    // an input that nothing reads any more would still have to be fed
    ...places.inputs.filter(({ port }) => cut.needed.has(port.name)).map(({ whole }) => whole),
    ...cut.outputs.flatMap((name) => outputField(source, name, known.get(name)?.whole)),
    ...places.values
      .filter(({ port }) => cut.needed.has(port.name) && !cut.outputs.includes(port.name))
      .map(({ whole }) => whole),
  ];
  const graphBytes = graph.reduce((sum, piece) => sum + lengthOf(piece), 0);
  const pieces = [...places.model, delimitedHeader(7, graphBytes), ...graph];
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + lengthOf(piece), 0));
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) bytes.set(piece, at);
    else source.copy(piece.start, piece.end, bytes, at);
    at += lengthOf(piece);
  }
  return bytes;
}

function lengthOf(piece: Span | Uint8Array): number {
  return piece instanceof Uint8Array ? piece.length : piece.end - piece.start;
}

/** An initializer as it lies, or its external data under another name. */
function tensorField(
  source: ByteSource,
  { whole, payload, externalFile }: OnnxTensorPlace,
  externalNames: ReadonlyMap<string, string>,
): (Span | Uint8Array)[] {
  const renamed = externalFile === null ? undefined : externalNames.get(externalFile);
  if (renamed === undefined) return [whole];
  const tensor = onnx.TensorProto.decode(source.view(payload.start, payload.end).slice());
  for (const entry of tensor.externalData) if (entry.key === 'location') entry.value = renamed;
  const bytes = onnx.TensorProto.encode(tensor).finish();
  return [delimitedHeader(5, bytes.length), bytes];
}

/** An output field with what the file says of the tensor; engines infer the type of one that it does not mention. */
function outputField(source: ByteSource, name: string, known: Span | undefined): Uint8Array[] {
  if (known === undefined) {
    const info = onnx.ValueInfoProto.encode({ name }).finish();
    return [delimitedHeader(12, info.length), info];
  }
  // the same message under another field number: both tags are one byte long
  const field = source.view(known.start, known.end).slice();
  field[0] = 12 * 8 + 2;
  return [field];
}

function unknownTensor(
  name: string,
  of: {
    readonly producers: ReadonlyMap<string, OnnxNodePlace>;
    readonly outline: OnnxOutline;
    readonly where: string;
  },
): StillhouseError {
  const outputs = of.outline.outputs.map((port) => port.name);
  return new StillhouseError({
    kind: 'bad-input',
    what: `the model has no tensor named ${name}`,
    where: of.where,
    wanted: 'the output name of one of its nodes',
    got: `${name}; nearest: ${nearestNames(name, new Set(of.producers.keys()), 5).join(', ')}; outputs: ${outputs.join(', ')}`,
    next: 'correct the tap in the teacher manifest',
  });
}
