/** What {@link file://./verify.ts} found wrong. */
export interface Finding {
  /** A part, as its journal names it, or a file below the cache's other folders: `spaces/<id>.json`. */
  readonly file: string;
  readonly problem:
    | 'journal'
    | 'snapshot'
    | 'index'
    | 'tag'
    | 'statistics'
    | 'missing'
    | 'unlisted'
    | 'space'
    | 'size'
    | 'damaged'
    | 'digest'
    | 'row-crc'
    | 'row-non-finite'
    | 'recompute'
    | 'image';
  readonly detail: string;
  /** The file itself is as it was written: what it needs is not there. A repair leaves it. */
  readonly isSound?: true;
}
