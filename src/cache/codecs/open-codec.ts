/** From a codec's description to what encodes and decodes. */
import { channelCodec } from './channel-codec.ts';
import { byteCodec, floatCodec, halfCodec } from './plain-codecs.ts';
import { rotatedCodec } from './rotated-codec.ts';
import type { CodedShape } from './stored-tensor.ts';
import type { CodecStatistics, TargetCodec } from './target-codec.ts';

/** @throws Error (a defect) when the codec needs statistics and has none, or when they are of another width. */
export function openCodec(coded: CodedShape, statistics: CodecStatistics | null): TargetCodec {
  switch (coded.codec.id) {
    case 'f32':
      return floatCodec(coded);
    case 'f16':
      return halfCodec(coded);
    case 'u8':
      return byteCodec(coded);
    case 'i8c':
      return channelCodec(coded, needed(statistics));
    case 'i8p':
    case 'i4p':
      return rotatedCodec(coded, needed(statistics));
  }
}

function needed(statistics: CodecStatistics | null): CodecStatistics {
  if (statistics === null)
    throw new Error('internal: a codec that is built from statistics was opened without any');
  return statistics;
}
