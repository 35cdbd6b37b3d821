/** `--store`, `--lock` and the environment: where pulled weights lie, and which hub they come from. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { StillhouseError } from '../core/failure.ts';
import { type Hub, PUBLIC_HUB } from '../teachers/hub.ts';
import { LOCK_NAME, type WeightsPlaces } from '../teachers/weights-places.ts';

export interface WeightsOptions {
  readonly store?: string;
  readonly lock?: string;
}

export function withWeightsOptions(command: Command): Command {
  return command
    .option(
      '--store <folder>',
      'where pulled weights lie (default: $STILLHOUSE_HOME/weights, else the user cache)',
    )
    .option(
      '--lock <file>',
      `which bytes the weights are (default: the nearest ${LOCK_NAME} upwards, else here)`,
    );
}

export function weightsPlaces(options: WeightsOptions): WeightsPlaces {
  return {
    store: options.store === undefined ? defaultStore() : resolve(options.store),
    lock: options.lock === undefined ? nearestLock(resolve('.')) : resolve(options.lock),
  };
}

/** HF_ENDPOINT and HF_TOKEN, as other tools of the hub read them. */
export function hubOfEnvironment(): Hub {
  const endpoint = process.env['HF_ENDPOINT'] || PUBLIC_HUB.endpoint;
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw badVariable('HF_ENDPOINT', 'https://<host>', endpoint);
  const token = process.env['HF_TOKEN']?.trim() || null;
  if (token !== null && !/^[!-~]+$/.test(token))
    throw badVariable('HF_TOKEN', 'letters, digits and signs', 'something else (not shown)');
  return { endpoint, token };
}

function badVariable(name: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'an environment variable has a value it cannot have',
    where: name,
    wanted,
    got,
    next: `correct ${name}, or unset it`,
  });
}

function defaultStore(): string {
  const { STILLHOUSE_HOME: home, XDG_CACHE_HOME: cache } = process.env;
  if (home) return resolve(home, 'weights');
  // the XDG specification asks to ignore relative paths
  const folder = cache && isAbsolute(cache) ? cache : join(homedir(), '.cache');
  return join(folder, 'stillhouse', 'weights');
}

/** As with other lock files: the project's, from wherever inside it one works. A repository ends the search. */
function nearestLock(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, LOCK_NAME);
    if (existsSync(path)) return path;
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return join(from, LOCK_NAME);
  }
}
