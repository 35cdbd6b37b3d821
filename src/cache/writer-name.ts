/** Names of journals: what is written for, the time and the process make one that no other writer has. */
import type { Clock } from '../core/clock.ts';
import { stagingHost } from '../store/staging.ts';

/** @param role what writes: `w` for a fill, `verify`, `upkeep`. */
export const writerNameOf = (role: string, clock: Clock): string =>
  `${role}-${clock.nowIso().replace(/[^0-9]/g, '')}-${stagingHost}-${process.pid}`;
