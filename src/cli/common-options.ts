/** Options every verb has (design.md §5), and what they become. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { StillhouseError } from '../core/failure.ts';
import { PROVIDERS, parseDevices } from '../teachers/devices.ts';
import { type PlaceOptions, withPlaceOptions } from './place-options.ts';
import { type WeightsOptions, withWeightsOptions } from './weights-options.ts';

export interface CommonOptions extends WeightsOptions, PlaceOptions {
  readonly out: string;
  readonly cache?: string;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly seed?: number;
  readonly device: string;
  readonly workers: number;
  /** Bytes; by default what is free when the work begins. */
  readonly memoryLimit?: number;
}

export function withCommonOptions(command: Command): Command {
  return withPlaceOptions(withWeightsOptions(command))
    .option('--out <folder>', 'where runs and, by default, the cache go', 'out')
    .option(
      '--cache <place>',
      'the target cache: a folder, s3://bucket/prefix or file:/folder (default: <out>/cache)',
    )
    .option('--json', 'one JSON document on stdout; progress stays on stderr', false)
    .option('--dry-run', 'print the plan and write nothing', false)
    .option('--seed <n>', 'seed of every random choice', wholeNumber('--seed', 0))
    .option('--device <name>', DEVICE_HELP, deviceOption, 'cpu')
    .option(
      '--workers <n>',
      'images decoded at once',
      wholeNumber('--workers', 1),
      Math.max(2, availableParallelism()),
    )
    .option(
      '--memory-limit <size>',
      'what teachers may make the process grow to, such as 8G or 500M (default: what is free)',
      memoryOption,
    );
}

export const DEVICE_HELP = `${PROVIDERS.join(' | ')} | auto; several GPUs as cuda:0,cuda:1`;

/** The text itself, once it names devices. */
export function deviceOption(text: string): string {
  parseDevices(text);
  return text;
}

const MEMORY_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes. */
function memoryOption(text: string): number {
  const [, number, unit = ''] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(number) * MEMORY_UNITS[unit.toUpperCase()]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw usage('--memory-limit', 'a size such as 8G, 500M or a number of bytes', text);
}

export function wholeNumber(option: string, least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least && text.trim() !== '') return value;
    throw usage(option, `a whole number from ${least}`, text);
  };
}

export function oneOf<T extends string>(option: string, values: readonly T[]): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    throw usage(option, values.join(', '), text);
  };
}

/** For an option that may be given several times; one with `...` would also take the arguments that follow it. */
export const collected = (value: string, all: readonly string[] = []): string[] => [...all, value];

export function usage(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'an option has a value it cannot take',
    where,
    wanted,
    got,
    next: 'see `stillhouse --help`',
  });
}

/** An option that the verb cannot do without. */
export function needed(verb: string, option: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'an option is missing',
    where: `stillhouse ${verb}`,
    wanted: option,
    got: 'nothing',
    next: `see \`stillhouse ${verb} --help\``,
  });
}

/** A name that becomes a folder below --out. */
export function runName(text: string): string {
  if (/^[a-z0-9][a-z0-9-]*$/.test(text)) return text;
  throw usage('--name', 'lower-case letters, digits and dashes', text);
}

/** What `--cache` names. */
export const cacheNameOf = (options: CommonOptions, fallback = 'cache'): string =>
  options.cache ?? resolve(options.out, fallback);
