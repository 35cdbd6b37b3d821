/** From the stored bytes of one row to what a batch holds. The one place where the loader meets codecs. */
import { openCodec } from '../cache/codecs/open-codec.ts';
import { normalisedShapeOf, targetShapeOf } from '../cache/codecs/stored-tensor.ts';
import type { CodecStatistics, TargetForm } from '../cache/codecs/target-codec.ts';
import type { SpaceDescriptor } from '../cache/space.ts';
import { encodeHalf } from '../core/half.ts';
import { rowValuesOf } from '../format/tensor-part.ts';

/** `f32`: float32. `f16`: binary16 as bits, in a Uint16Array; a space stored so is delivered without any conversion. */
export type DeliveredAs = 'f32' | 'f16';

export const BYTES_OF = { f32: 4, f16: 2 } as const;

/** Plain data, so that it can be sent to a thread. */
export interface RowCoding {
  readonly descriptor: SpaceDescriptor;
  readonly statistics: CodecStatistics | null;
  readonly as: DeliveredAs;
  readonly form: TargetForm;
}

export interface RowDecoder {
  /** Writes the row's values at byte `at` of the buffer. */
  decode(stored: Uint8Array, buffer: SharedArrayBuffer | ArrayBuffer, at: number): void;
}

/** Not needed where the stored bytes are what is delivered. */
export function openRowDecoder({ descriptor, statistics, as, form }: RowCoding): RowDecoder {
  const codec = openCodec(descriptor, statistics);
  const values = rowValuesOf(form === 'teacher' ? targetShapeOf(descriptor) : normalisedShapeOf(descriptor)!);
  if (as === 'f32')
    return {
      decode: (stored, buffer, at) => codec.decode(stored, new Float32Array(buffer, at, values), form),
    };
  const floats = new Float32Array(values);
  return {
    decode: (stored, buffer, at) => {
      codec.decode(stored, floats, form);
      encodeHalf(floats, new Uint16Array(buffer, at, values));
    },
  };
}
