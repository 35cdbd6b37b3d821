/** `--cache` and its neighbours, with what the environment says of S3 and of where local copies go. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type CachePlace, openPlace } from '../cache/place.ts';
import { machineClock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import type { PlaceOptions } from './place-options.ts';

/** @throws StillhouseError usage for a URL that names no store, or an endpoint that is none. */
export function openCachePlace(cache: string, options: PlaceOptions): Promise<CachePlace> {
  const env = process.env;
  // the pinned client works on Node 20; that later ones will not is nothing a user of this program can act on
  env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const endpoint = options.s3Endpoint || env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined;
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:\/\//.test(endpoint)))
    throw badEndpoint(endpoint);
  // other servers than Amazon's have no regions, but signatures name one
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || (endpoint && 'us-east-1') || undefined;
  return openPlace(cache, {
    endpoint,
    region,
    replica: options.replica ?? defaultReplica(),
    replicaMaxBytes: options.replicaMax,
    clock: machineClock,
  });
}

function defaultReplica(): string {
  const { STILLHOUSE_HOME: home, XDG_CACHE_HOME: cache } = process.env;
  if (home) return resolve(home, 'replica');
  const folder = cache && isAbsolute(cache) ? cache : join(homedir(), '.cache');
  return join(folder, 'stillhouse', 'replica');
}

function badEndpoint(got: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'the address of the S3 server is no URL',
    where: '--s3-endpoint',
    wanted: 'https://<host>',
    got,
    next: 'correct it, or AWS_ENDPOINT_URL_S3',
  });
}
