/** Targets that cannot be served: what the policy may be, and the failure when it is `error`. */
import { StillhouseError } from '../core/failure.ts';
import type { BadReason } from './row-job.ts';

/** `error`: stop. `skip`: leave the sample out. `mask-teacher`: deliver zeros and a mask of 0 for that teacher. */
export type BadRowAction = 'error' | 'skip' | 'mask-teacher';

export interface BadRowPolicy {
  /** The cache holds no usable target: never computed, or recorded as failed. Default `mask-teacher`. */
  readonly absent: BadRowAction;
  /** The target is there and cannot be read as it was written. Default `error`. */
  readonly damaged: BadRowAction;
  /** An image is gone, changed or cannot be decoded. There is no mask for pixels. Default `error`. */
  readonly pictures: 'error' | 'skip';
}

export function policyOf(given: BadRowAction | Partial<BadRowPolicy> = {}): BadRowPolicy {
  return typeof given === 'string'
    ? { absent: given, damaged: given, pictures: given === 'skip' ? 'skip' : 'error' }
    : { absent: 'mask-teacher', damaged: 'error', pictures: 'error', ...given };
}

const WHAT: Readonly<Record<BadReason | 'gone', string>> = {
  damaged: 'a cached target is damaged: its checksum does not match',
  short: 'a cache part ended early',
  unreadable: 'a cache part cannot be read',
  gone: 'a cache part was removed while it was in use',
};

export interface BadRow {
  readonly reason: BadReason | 'gone';
  readonly path: string;
  readonly row: number;
  readonly detail: string;
}

export function badRowFailure({ reason, path, row, detail }: BadRow): StillhouseError {
  return new StillhouseError({
    kind: reason === 'unreadable' ? 'environment' : 'integrity',
    what: WHAT[reason],
    where: `${path}, row ${row}`,
    got: detail,
    next: "run `stillhouse cache verify --repair`, then the run that fills the cache; or load with policy 'skip' or 'mask-teacher'",
  });
}

export function absentFailure(where: string, missing: number, samples: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'targets are missing',
    where,
    wanted: `a usable target for each of ${samples} samples`,
    got: `${missing} without`,
    next: "fill the cache for this dataset, or load with policy 'skip' or 'mask-teacher'",
  });
}

export function noneUsable(where: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'no sample has a usable target of a space that was asked for',
    where,
    wanted: 'at least one',
    got: '0',
    next: 'fill the cache for this dataset, or leave the space out',
  });
}

export function noPictures(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'pixels are asked for, and where the images lie is not said',
    where,
    wanted: '`pictures` with an image and a view for each key',
    got,
    next: 'say which images they are (`pictureDataset`, or --dataset of a command), or keep their pixels in the cache first: `stillhouse cache --pixels`',
  });
}
