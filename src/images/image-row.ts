/**
 * One image of a dataset, as its manifest table holds it (design.md §2).
 *
 * `uri` says where the bytes lay when they were indexed and never identifies the image: `id` does. It is percent-encoded
 * (file names are bytes, not text) and relative to the header's root, or `npm:<package>/<path>`.
 */
import type { ImageId } from '../core/ids.ts';

export interface ImageRow {
  readonly id: ImageId;
  readonly uri: string;
  /** The record's own key within its source: a relative path, a CSV key, a code point sequence. Unique per dataset. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** As the decoder names it: `png`, `jpeg`, `webp`. */
  readonly format: string;
  readonly label: string | null;
  readonly split: string;
  /** Images that must never be told apart by a split: a patient, a video, the base code point of an emoji. */
  readonly group: string | null;
  readonly source: string;
  /** SPDX identifier, or the source's own words where none fits. */
  readonly licence: string;
}

/** A record that was seen and not kept, and why. `detail` is for people; `reason` is a closed vocabulary per stage. */
export interface LedgerRow {
  readonly imageId: ImageId | null;
  readonly uri: string;
  readonly stage: string;
  readonly reason: string;
  readonly detail: string;
}
