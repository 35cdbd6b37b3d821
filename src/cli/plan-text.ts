/** What a dry run would do, for people: figures of a stage in one line, and a table where it counts several things for each name. */
import type { Json } from '../core/canonical-json.ts';
import { bytesText } from './bytes-text.ts';
import { durationText } from './duration-text.ts';
import { textTable } from './table.ts';

export interface PlannedStage {
  readonly id: string;
  readonly state: string;
  /** Null when it cannot be told yet, or there is nothing to do. */
  readonly plan: Json;
}

export function planText(stages: readonly PlannedStage[]): string {
  const overview = textTable(
    ['stage', 'state', 'plan'],
    stages.map(({ id, state, plan }) => [id, state, figures(plan)]),
  );
  return [overview, ...stages.flatMap(({ id, plan }) => countsTable(id, plan) ?? [])].join('\n\n');
}

function figures(plan: Json): string {
  return membersOf(plan)
    .flatMap(([name, value]) => (isCounts(value) ? [] : [figure(name, value)]))
    .join(', ');
}

function figure(name: string, value: Json): string {
  if (name === 'bytesToWrite' && typeof value === 'number') return `${bytesText(value)} to write`;
  if (name === 'estimatedSeconds')
    return typeof value === 'number' ? `about ${durationText(value)}` : 'time not known yet';
  return `${name} ${typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value)}`;
}

/** One row for each name that something is counted for; null when nothing is. */
function countsTable(id: string, plan: Json): string | null {
  const counts = membersOf(plan).flatMap(([what, value]) => (isCounts(value) ? [{ what, value }] : []));
  if (counts.length === 0) return null;
  const names = [...new Set(counts.flatMap(({ value }) => Object.keys(value)))];
  return textTable(
    [id, ...counts.map(({ what }) => what)],
    names.map((name) => [name, ...counts.map(({ value }) => value[name] ?? null)]),
  );
}

const membersOf = (plan: Json): [string, Json][] =>
  typeof plan === 'object' && plan !== null && !Array.isArray(plan)
    ? Object.entries(plan).flatMap(([name, value]): [string, Json][] =>
        value === undefined ? [] : [[name, value]],
      )
    : [];

const isCounts = (value: Json): value is Record<string, number> => {
  const members = membersOf(value);
  return members.length > 0 && members.every(([, count]) => typeof count === 'number');
};
