/** The union of image sources, told apart by `kind`. */
import { z } from 'zod';
import type { Places } from '../locate.ts';
import type { SourceRecord } from '../source-record.ts';
import { emojiRecords, emojiSourceSchema } from './emoji-datasource.ts';
import { folderRecords, folderSourceSchema } from './folder.ts';
import { listRecords, listSourceSchema } from './list.ts';

export const sourceSchema = z.discriminatedUnion('kind', [
  folderSourceSchema,
  listSourceSchema,
  emojiSourceSchema,
]);

export type Source = z.infer<typeof sourceSchema>;

/**
 * The records of a source in its own fixed order, without reading any image. Errors as the source states them.
 * @param onLeftOut told the ending of each file of a folder that is no record.
 */
export function recordsOf(
  source: Source,
  places: Places,
  onLeftOut?: (ending: string) => void,
): AsyncIterable<SourceRecord> {
  switch (source.kind) {
    case 'folder':
      return folderRecords(source, places.root, onLeftOut);
    case 'list':
      return listRecords(source, places.root);
    case 'emoji-datasource':
      return emojiRecords(source, places.packagesFrom);
  }
}
