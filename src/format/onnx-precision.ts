/** In what precision a model keeps its weights, from its graph alone: file names lie. */
import type { OnnxOutline } from './onnx-outline.ts';

/** Shapes, indices and masks are no weights. */
const WEIGHT_TYPES: Readonly<Record<string, string>> = {
  float64: 'f64',
  float32: 'f32',
  float16: 'f16',
  bfloat16: 'bf16',
  float8: 'f8',
  float4: 'f4',
  int8: 'int8',
  uint8: 'int8',
  int4: 'int4',
  uint4: 'int4',
};

/** Packed 4-bit weights are stored as bytes, and only the operator that reads them says so. */
const FOUR_BIT_OPS = new Set(['MatMulNBits', 'MatMulBnb4', 'GatherBlockQuantized']);

/** The precision that most weights are kept in, by number of values: scales and biases beside them do not count. */
export function weightsPrecisionOf({ initializers, nodes }: OnnxOutline): string {
  const packed = new Set(nodes.filter(({ op }) => FOUR_BIT_OPS.has(op)).flatMap(({ reads }) => reads));
  const values = new Map<string, number>();
  const constants = nodes.flatMap((node) => node.constants.map((one) => ({ name: '', ...one })));
  for (const { name, dtype, dims } of [...initializers, ...constants]) {
    const stored = WEIGHT_TYPES[dtype];
    if (stored === undefined) continue;
    const precision = stored === 'int8' && packed.has(name) ? 'int4' : stored;
    const count = dims.reduce((product, side) => product * side, precision === stored ? 1 : 2);
    values.set(precision, (values.get(precision) ?? 0) + count);
  }
  const [most] = [...values].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? 'f32';
}
