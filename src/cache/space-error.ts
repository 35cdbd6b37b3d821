/** What storing the targets of a space cost, over all of its parts. */
import type { CachedSpace } from './catalogue.ts';
import { CODEC_ERROR, type CodecError, codecErrorSchema, mergedCodecError } from './codecs/codec-error.ts';

/** Null where nothing was lost (f32), or no part says anything. */
export function spaceError({ parts }: Pick<CachedSpace, 'parts'>): CodecError | null {
  return mergedCodecError(
    parts.flatMap(({ layout }) => {
      const text = layout.metadata.get(CODEC_ERROR);
      return text === undefined ? [] : [codecErrorSchema.parse(JSON.parse(text))];
    }),
  );
}
