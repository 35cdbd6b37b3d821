/** What a loader's threads are told when they start, asked, and answer. */
import type { PixelJob, PixelResult, PixelSetup } from './pixel-job.ts';
import type { ChannelScale } from './pixel-options.ts';
import type { RowCoding } from './row-decoder.ts';
import type { RowJob, RowResult } from './row-job.ts';

export interface JobProtocol {
  readonly rows: { readonly arg: RowJob; readonly result: RowResult };
  readonly pixels: { readonly arg: PixelJob; readonly result: PixelResult };
}

/** What a thread is told when it starts. */
export interface JobSetup {
  /** Number of the thread; 0: the caller's. */
  readonly thread: number;
  readonly spaces: readonly SpaceCoding[];
  /** Null where no pixels are asked for. */
  readonly pixels: PixelSetup | null;
}

interface RowSizes {
  readonly storedBytes: number;
  readonly rowBytes: number;
}

/** What a thread is told of a space of targets. */
export interface TargetCoding extends RowCoding, RowSizes {}

/** What a thread is told of a space of pixels. */
export interface PixelCoding extends RowSizes {
  readonly sizePx: number;
  /** To floats; null: bytes as they are. */
  readonly normalise: ChannelScale | null;
}

export type SpaceCoding = TargetCoding | PixelCoding;
