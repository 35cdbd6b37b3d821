/** Does what the plan of a cache says: what richer spaces have is derived, the rest is computed by the teachers. */
import { deriveTargets } from '../cache/derive.ts';
import type { FillResult } from '../cache/fill.ts';
import { CacheWriter } from '../cache/write.ts';
import type { StageContext } from '../run/stage.ts';
import { writerNameOf } from '../cache/writer-name.ts';
import { checkRoom } from './check-room.ts';
import { type FillPlan, fillTargets } from './fill-targets.ts';

/** Null when no teacher had anything to do. @throws StillhouseError environment, before anything is written, when there is no room. */
export async function fulfil(plan: FillPlan, context: StageContext): Promise<FillResult | null> {
  await checkRoom(plan.cache, context);
  await deriveAll(plan, context);
  return plan.cache.units.length > 0 ? fillTargets(plan, context) : null;
}

async function deriveAll({ cache: { derivations } }: FillPlan, context: StageContext): Promise<void> {
  if (derivations.length === 0) return;
  const total = derivations.reduce((sum, { rows }) => sum + rows, 0);
  const { writer } = await CacheWriter.open({
    root: context.cacheRoot,
    writer: writerNameOf('derive', context.clock),
    fs: context.cacheFs,
    clock: context.clock,
    onWarning: (text) => context.events.note(text),
    tellsRates: false,
  });
  try {
    let done = 0;
    for (const derivation of derivations) {
      const { written } = await deriveTargets({
        root: context.cacheRoot,
        derivation,
        writer,
        fs: context.cacheFs,
        signal: context.signal,
        onProgress: (here) => context.events.progress(done + here, total, 'targets derived'),
      });
      done += written;
    }
    await writer.close();
  } finally {
    await writer.abandon();
  }
}
