/** What the cache now holds: one line per space, and whether it was computed or already there. */
import { html } from '../html.ts';
import type { CacheFacts, SpaceFacts } from '../input.ts';
import { formatBytes, formatCount, formatShare, plural } from '../number-format.ts';
import { codeColumn, dataTable, numberColumn, textColumn } from '../table.ts';
import type { Section } from './section.ts';

export function cacheSection(cache: CacheFacts): Section {
  const sum = (of: (space: SpaceFacts) => number): number =>
    cache.spaces.reduce((total, space) => total + of(space), 0);
  const written = sum((space) => space.written);
  const reused = sum((space) => space.reused);
  return {
    id: 'cache',
    title: 'Target cache',
    body: html`<p class="prose">
        ${plural(written, 'target')} computed and ${formatCount(reused)}
        reused${
          written + reused > 0 ? ` (${formatShare(reused / (written + reused))} of those asked for)` : null
        },
        ${formatBytes(sum((space) => space.sizeBytes))} on disk.
      </p>
      ${dataTable<SpaceFacts>({
        caption: 'Spaces: one teacher at one resolution, one kind of target.',
        rowsIn: cache.rowsIn,
        rows: cache.spaces,
        columns: [
          textColumn('teacher', (space) => space.teacher),
          numberColumn('side, px', (space) => space.resolutionPx, formatCount),
          textColumn('kind', (space) => space.kind),
          textColumn('row shape', (space) => space.shape.join('\u00a0×\u00a0')),
          textColumn('type', (space) => space.dtype),
          numberColumn('written', (space) => space.written, formatCount),
          numberColumn('reused', (space) => space.reused, formatCount),
          numberColumn('failed', (space) => space.failed, formatCount),
          numberColumn('size', (space) => space.sizeBytes, formatBytes),
          codeColumn('space', (space) => space.spaceId),
        ],
        foot: [
          'total',
          '',
          '',
          '',
          '',
          formatCount(written),
          formatCount(reused),
          formatCount(sum((space) => space.failed)),
          formatBytes(sum((space) => space.sizeBytes)),
          '',
        ],
      })}`,
  };
}
