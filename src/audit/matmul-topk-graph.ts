/**
 * The ONNX graph that nearest-neighbour search runs: scores = queries x base, then the k best columns of each row.
 *
 *     queries f32 [m, d]   base f32 [d, n] (stored transposed)   k i64 [1]
 *     -> scores f32 [m, k], columns i32 [m, k]; best first, equal scores by lower column (ONNX TopK-11)
 *
 * Every size is symbolic, so one session serves all tiles.
 */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

const FLOAT = onnx.TensorProto.DataType.FLOAT;
const INT32 = onnx.TensorProto.DataType.INT32;
const INT64 = onnx.TensorProto.DataType.INT64;

/** Serialized ModelProto, IR version 8, opset 18. The same bytes every time. */
export function matmulTopkGraph(): Uint8Array {
  const model = onnx.ModelProto.create({
    irVersion: 8,
    producerName: 'stillhouse',
    opsetImport: [{ domain: '', version: 18 }],
    graph: {
      name: 'matmul-topk',
      node: [
        { opType: 'MatMul', input: ['queries', 'base'], output: ['products'] },
        {
          opType: 'TopK',
          input: ['products', 'k'],
          output: ['scores', 'columns64'],
          attribute: [intAttribute('axis', 1), intAttribute('largest', 1), intAttribute('sorted', 1)],
        },
        // int32 columns reach JavaScript as plain numbers, int64 as bigints
        {
          opType: 'Cast',
          input: ['columns64'],
          output: ['columns'],
          attribute: [intAttribute('to', INT32)],
        },
      ],
      input: [
        valueInfo('queries', FLOAT, ['m', 'd']),
        valueInfo('base', FLOAT, ['d', 'n']),
        valueInfo('k', INT64, [1]),
      ],
      output: [valueInfo('scores', FLOAT, ['m', 'kept']), valueInfo('columns', INT32, ['m', 'kept'])],
    },
  });
  return onnx.ModelProto.encode(model).finish();
}

function intAttribute(name: string, value: number): InstanceType<typeof onnx.AttributeProto> {
  return onnx.AttributeProto.create({ name, type: onnx.AttributeProto.AttributeType.INT, i: value });
}

function valueInfo(
  name: string,
  elemType: onnxProto.onnx.TensorProto.DataType,
  sizes: readonly (string | number)[],
): InstanceType<typeof onnx.ValueInfoProto> {
  const dim = sizes.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return onnx.ValueInfoProto.create({ name, type: { tensorType: { elemType, shape: { dim } } } });
}
