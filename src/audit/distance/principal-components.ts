/** Principal components by the smaller of the two covariance problems, and rows projected on them. */
import { symmetricEigen } from '../../core/linear-algebra/symmetric-eigen.ts';
import type { MatrixEngine } from './matrix-products.ts';
import type { Sample } from './pooled-products.ts';

export interface PrincipalComponents {
  readonly dim: number;
  readonly count: number;
  /** [dim] */
  readonly mean: Float32Array;
  /** Unit rows, most variance first, [count * dim]. */
  readonly components: Float32Array;
  /** Share of the variance that they carry. */
  readonly explained: number;
}

/** At most `most` components, fewer where the sample has no more variance. Time O(min(count, dim)^3). */
export async function principalComponents(
  engine: MatrixEngine,
  { sample, dim, most }: { readonly sample: Sample; readonly dim: number; readonly most: number },
): Promise<PrincipalComponents> {
  const { count } = sample;
  const sums = new Float64Array(dim);
  for (let i = 0, at = 0; i < count; i++) for (let c = 0; c < dim; c++, at++) sums[c]! += sample.rows[at]!;
  const mean = Float32Array.from(sums, (sum) => sum / count);
  const centred = new Float32Array(count * dim);
  for (let i = 0, at = 0; i < count; i++)
    for (let c = 0; c < dim; c++, at++) centred[at] = sample.rows[at]! - mean[c]!;
  const dual = count < dim;
  const rows = { rows: count, columns: dim, data: centred };
  const columns = { rows: dim, columns: count, data: transposed(centred, count, dim) };
  const side = dual ? rows : columns;
  const gram = Float64Array.from(await engine.timesTransposed(side, side));
  const { values, vectors } = symmetricEigen(gram, side.rows);
  const total = values.reduce((sum, value) => sum + Math.max(0, value), 0);
  // float32 products: below this share of the largest, a value is rounding
  const floor = (values[0] ?? 0) * 1e-6;
  let kept = 0;
  while (kept < Math.min(most, values.length) && values[kept]! > floor) kept++;
  const basis = Float32Array.from(vectors.subarray(0, kept * side.rows));
  const components = dual
    ? await engine.timesTransposed({ rows: kept, columns: count, data: basis }, columns)
    : basis;
  if (dual) for (let k = 0; k < kept; k++) normalise(components.subarray(k * dim, (k + 1) * dim));
  let carried = 0;
  for (let k = 0; k < kept; k++) carried += values[k]!;
  return { dim, count: kept, mean, components, explained: total > 0 ? carried / total : 0 };
}

/** Rows in the coordinates of the components, [count * components.count]. */
export async function projected(
  engine: MatrixEngine,
  { count, rows }: Sample,
  { dim, count: kept, mean, components }: PrincipalComponents,
): Promise<Sample> {
  const centred = new Float32Array(count * dim);
  for (let i = 0, at = 0; i < count; i++)
    for (let c = 0; c < dim; c++, at++) centred[at] = rows[at]! - mean[c]!;
  return {
    count,
    rows: await engine.timesTransposed(
      { rows: count, columns: dim, data: centred },
      { rows: kept, columns: dim, data: components },
    ),
  };
}

function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let c = 0; c < columns; c++) out[c * rows + i] = data[i * columns + c]!;
  return out;
}

function normalise(row: Float32Array): void {
  let squares = 0;
  for (const value of row) squares += value * value;
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < row.length; i++) row[i]! *= scale;
}
