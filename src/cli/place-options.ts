/** Options of every verb that works on a cache, for caches that lie elsewhere: {@link file://./cache-place.ts} reads them. */
import type { Command } from 'commander';
import { StillhouseError } from '../core/failure.ts';

export interface PlaceOptions {
  readonly s3Endpoint?: string;
  readonly replica?: string;
  readonly replicaMax: number;
}

export function withPlaceOptions(command: Command): Command {
  return command
    .option('--s3-endpoint <url>', 'S3-compatible server (default: $AWS_ENDPOINT_URL_S3, else Amazon)')
    .option(
      '--replica <folder>',
      'local copies of a remote cache (default: $STILLHOUSE_HOME/replica, else the user cache)',
    )
    .option(
      '--replica-max <bytes>',
      'most bytes of local copies, such as 50G',
      byteCount('--replica-max'),
      50 * 1000 ** 3,
    );
}

/** `1500`, `500M`, `50G`: powers of 1000, as sizes are printed. */
export function byteCount(option: string): (text: string) => number {
  return (text) => {
    const match = /^(\d+)([kMGT]?)B?$/.exec(text);
    if (match !== null) return Number(match[1]) * 1000 ** ['', 'k', 'M', 'G', 'T'].indexOf(match[2]!);
    throw new StillhouseError({
      kind: 'usage',
      what: 'an option has a value it cannot take',
      where: option,
      wanted: 'a number of bytes, such as 500M or 50G',
      got: text,
      next: 'see `stillhouse --help`',
    });
  };
}
