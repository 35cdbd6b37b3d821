/** Models built field by field, so that a test can say anything that a file may hold. */
import onnxProto from 'onnx-proto';
import type { OnnxModel } from '../../src/format/onnx-model.ts';

export const { AttributeType } = onnxProto.onnx.AttributeProto;

export const TYPE = { float32: 1, uint8: 2, int8: 3, int64: 7, float16: 10 } as const;

const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

export function port(name: string, shape: readonly (number | string)[], elemType: number = TYPE.float32) {
  const dim = shape.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** x -> y = 2 x -> w = leaky(y) -> z = w + 3, all [n, 2]; with `y` described among the value infos. */
export function chainModel(): OnnxModel & { graph: NonNullable<OnnxModel['graph']> } {
  return {
    irVersion: 8,
    producerName: 'test',
    opsetImport: [{ domain: '', version: 14 }],
    metadataProps: [{ key: 'made', value: 'by hand' }],
    graph: {
      name: 'chain',
      docString: 'kept',
      input: [port('x', ['n', 2])],
      output: [port('z', ['n', 2])],
      valueInfo: [port('y', ['n', 2]), port('w', ['n', 2])],
      initializer: [
        { name: 'two', dataType: TYPE.float32, dims: [], rawData: floats([2]) },
        { name: 'three', dataType: TYPE.float32, dims: [], rawData: floats([3]) },
      ],
      node: [
        { opType: 'Mul', input: ['x', 'two'], output: ['y'] },
        {
          opType: 'LeakyRelu',
          input: ['y'],
          output: ['w'],
          attribute: [{ name: 'alpha', type: AttributeType.FLOAT, f: 0.5 }],
        },
        { opType: 'Add', input: ['w', 'three'], output: ['z'] },
      ],
    },
  };
}

export function encode(model: OnnxModel): Uint8Array {
  return onnxProto.onnx.ModelProto.encode(model).finish();
}

/** The chain with its constants in files beside it, each from a byte offset of its own. */
export function externalChain(files: { readonly two: string; readonly three: string }) {
  const model = chainModel();
  model.graph.initializer = Object.entries(files).map(([name, location], i) => ({
    name,
    dataType: TYPE.float32,
    dims: [],
    dataLocation: onnxProto.onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: location },
      { key: 'offset', value: `${4 * i}` },
      { key: 'length', value: '4' },
    ],
  }));
  return { model: encode(model), data: floats([2, 3]) };
}
