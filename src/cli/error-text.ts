/** The error of a codec as cells of a table: cosine mean and worst, squared error mean and worst. */
import type { CodecError } from '../cache/codecs/codec-error.ts';
import type { Cell } from './table.ts';

/** Dashes where nothing was lost. Cosines near 1 with as many digits as tell them from it. */
export function errorText(error: CodecError | null): readonly [Cell, Cell, Cell, Cell] {
  if (error === null) return [null, null, null, null];
  const { cosine, mse } = error;
  return [
    cosineText(cosine.mean),
    cosineText(cosine.worst),
    mse.mean.toExponential(1),
    mse.worst.toExponential(1),
  ];
}

/** `0.9999731`, `0.994`: two digits of the distance to 1. */
function cosineText(cosine: number): string {
  const away = Math.max(1 - cosine, 1e-9);
  return cosine.toFixed(Math.max(3, 1 - Math.floor(Math.log10(away))));
}
