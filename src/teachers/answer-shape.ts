/** Whether an engine's answer has a row per image and the shape that it had at first: read as it is, another would be zeros or noise. */
import type { Tensor } from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';

/** A teacher at one input size, as messages name it. */
export interface AskedTeacher {
  readonly teacher: string;
  readonly sizePx: number;
}

/** What a graph declares is not proven: its answers must keep to it. @throws StillhouseError bad-input */
export function checkShape(
  asked: AskedTeacher,
  name: string,
  { got, told }: { readonly got: Tensor; readonly told: Tensor },
): void {
  if (got.dims.length === told.dims.length && got.dims.every((size, i) => i === 0 || size === told.dims[i]))
    return;
  throw misfit(
    asked,
    `tensor ${name} of shape [rows,${told.dims.slice(1).join(',')}], as at first`,
    `[${got.dims.join(',')}]`,
  );
}

/** @throws StillhouseError bad-input */
export function checkRows(asked: AskedTeacher, name: string, tensor: Tensor, batch: number): void {
  if (tensor.dims[0] === batch) return;
  throw misfit(
    asked,
    `tensor ${name} with ${batch} rows, one per image`,
    `${tensor.type} [${tensor.dims.join(',')}]`,
  );
}

export function misfit(
  { teacher, sizePx }: AskedTeacher,
  wanted: string,
  got: string,
  cause?: unknown,
): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a teacher does not fit its manifest',
      where: `${teacher} at ${sizePx} px`,
      wanted,
      got: got.slice(0, 500),
      next: 'compare the input and the taps of the manifest with the model; `stillhouse inspect <model.onnx>` lists its inputs and outputs',
    },
    cause,
  );
}
