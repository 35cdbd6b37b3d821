/** What a source says about one image before anything is read: where it lies, and what it is called. */

export interface SourceRecord {
  /** Percent-encoded, relative to the dataset's root, or `npm:<package>/<path>`. Empty when the source left it out. */
  readonly uri: string;
  /** The record's own key within its source. */
  readonly name: string;
  readonly label: string | null;
  /** Null when the source says nothing: the header's split holds. */
  readonly split: string | null;
  readonly group: string | null;
}
