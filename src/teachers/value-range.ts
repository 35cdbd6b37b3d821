/** Figures of a tensor's values, those that are no numbers counted apart. */

export interface ValueRange {
  readonly values: number;
  /** Over the finite values, in float64, to five digits; null where there are none. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of the population. */
  readonly std: number | null;
  readonly nan: number;
  readonly infinite: number;
}

export function valueRange(values: Float32Array): ValueRange {
  let [min, max, sum, nan, infinite] = [Infinity, -Infinity, 0, 0, 0];
  for (const value of values) {
    if (Number.isNaN(value)) nan += 1;
    else if (!Number.isFinite(value)) infinite += 1;
    else {
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
    }
  }
  const finite = values.length - nan - infinite;
  const counts = { values: values.length, nan, infinite };
  if (finite === 0) return { ...counts, min: null, max: null, mean: null, std: null };
  const mean = sum / finite;
  let squares = 0;
  for (const value of values) if (Number.isFinite(value)) squares += (value - mean) ** 2;
  return {
    ...counts,
    min: rounded(min),
    max: rounded(max),
    mean: rounded(mean),
    std: rounded(Math.sqrt(squares / finite)),
  };
}

const rounded = (x: number): number => Number(x.toPrecision(5));
