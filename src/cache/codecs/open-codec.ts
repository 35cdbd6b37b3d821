/** From a codec's description to what encodes and decodes. */
import { floatCodec, halfCodec } from './plain-codecs.ts';
import type { CodedShape } from './stored-tensor.ts';
import type { CodecStatistics, TargetCodec } from './target-codec.ts';

/** @throws Error (a defect) when the codec needs statistics and has none, or when they are of another width. */
export function openCodec(coded: CodedShape, statistics: CodecStatistics | null): TargetCodec {
  switch (coded.codec.id) {
    case 'f32':
      return floatCodec(coded);
    case 'f16':
      return halfCodec(coded, statistics);
    case 'i8c':
    case 'i8p':
    case 'i4p':
      throw new Error(`internal: codec ${coded.codec.id} is not there yet`);
  }
}
