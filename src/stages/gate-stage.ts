/**
 * `gate`: holds a finished audit against a policy file. Leaves its verdict as JSON, JUnit and SARIF; the command's exit code follows
 * from it once the report is written (cli/session.ts).
 */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { sarifOf, junitOf } from '../audit/gate/ci-reports.ts';
import { type GateInput, judgeAudit, openKey } from '../audit/gate/judge.ts';
import type { CalibratedLevel } from '../audit/gate/rate-rule.ts';
import { type GatePolicy, policySchema } from '../audit/gate/policy.ts';
import { type Waiver, isExpired, sortWaivers, waiversSchema } from '../audit/gate/waivers.ts';
import { type EvidenceLevel } from '../audit/evidence.ts';
import type { Json } from '../core/canonical-json.ts';
import { Rng } from '../core/rng.ts';
import { STILLHOUSE_VERSION } from '../core/version.ts';
import { readCheckedYaml } from '../format/checked-yaml.ts';
import { readParquet } from '../format/parquet-table.ts';
import { type Stage, type StageContext, type UpstreamResult, asAnyStage } from '../run/stage.ts';
import { auditFactsSchema } from './audit-facts.ts';
import { thresholdsOf } from './audit-params.ts';
import { ITEM_COLUMNS, readPairs } from './audit-tables.ts';
import { upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';

const params = z.strictObject({
  /** Id of the audit, and of its calibration where there is one. */
  audit: z.string(),
  calibration: z.string().optional(),
  /** The policy (YAML) and the waivers (JSON), relative to the pipeline file. */
  policy: z.string().min(1),
  waivers: z.string().min(1).optional(),
});
type GateParams = z.infer<typeof params>;

interface GatePlan {
  readonly input: GateInput;
}

const stage: Stage<GateParams, GatePlan> = {
  name: 'gate',
  version: 2,
  params,
  inputs: ({ audit, calibration }) => [audit, ...(calibration === undefined ? [] : [calibration])],
  // the day counts only through the waivers that it lets expire
  sources: async (params, context) => {
    const { policy, waivers } = await filesOf(params, context);
    const day = today(context);
    return { policy, waivers, expired: waivers.map((waiver) => isExpired(waiver, day)) };
  },
  plan: async (params, inputs, context) => {
    const { policy, waivers } = await filesOf(params, context);
    const audit = upstreamOf(inputs, params.audit, ['audit']);
    const facts = auditFactsSchema.parse(audit.outcome.facts);
    const items = await readParquet(join(audit.folder, 'items.parquet'), { columns: ITEM_COLUMNS });
    const levels = [...new Set(facts.levels.map(({ level }) => level))];
    return {
      input: {
        policy,
        items: items.map((item) => ({ ...item, uncompared: item.uncompared.split(' ').filter(Boolean) })),
        pairs: await readPairs(join(audit.folder, 'pairs.parquet')),
        levels,
        thresholds: thresholdsOf(levels as EvidenceLevel[], facts.match),
        waivers: sortWaivers(waivers, {
          images: new Set(items.map(({ imageId }) => imageId)),
          today: today(context),
        }),
        canaries: facts.canaries,
        calibration:
          params.calibration === undefined
            ? null
            : calibrationOf(upstreamOf(inputs, params.calibration, ['calibrate'])),
        distances: facts.distances,
        open: new Map(facts.levels.map(({ level, type, open }) => [openKey(level, type), open])),
        rng: new Rng(context.seed, 'gate'),
      },
    };
  },
  describe: ({ input }) => ({
    pairs: input.pairs.length,
    waivers: input.waivers.holding.size,
    expired: input.waivers.expired.length,
    stale: input.waivers.stale.length,
  }),
  execute: async ({ input }, context) => {
    const result = judgeAudit(input);
    const { offending, ...verdict } = result;
    const names = new Map(input.items.map(({ imageId, side, name }) => [imageId, `${side}/${name}`]));
    const sarif = sarifOf({
      result,
      version: STILLHOUSE_VERSION,
      uriOf: (id) => (names.get(id) ?? id).split('/').map(encodeURIComponent).join('/'),
    });
    const file = (name: string, path: string, text: string) =>
      writeOutput(context.folder, { name, path, bytes: Buffer.from(text) });
    const facts = { ...verdict, offending: offending.length } as unknown as Json;
    return {
      seen: input.items.length,
      kept: input.items.length,
      rejected: {},
      outputs: [
        await file('verdict', 'gate.json', `${JSON.stringify(facts, null, 2)}\n`),
        await file('junit', 'junit.xml', junitOf(result)),
        await file('sarif', 'gate.sarif', sarif),
      ],
      facts,
    };
  },
};

async function filesOf(
  { policy, waivers }: GateParams,
  { baseFolder }: StageContext,
): Promise<{ policy: GatePolicy; waivers: readonly Waiver[] }> {
  return {
    policy: await readCheckedYaml(resolve(baseFolder, policy), { schema: policySchema, noun: 'gate policy' }),
    // JSON is YAML
    waivers:
      waivers === undefined
        ? []
        : (
            await readCheckedYaml(resolve(baseFolder, waivers), {
              schema: waiversSchema,
              noun: 'waiver file',
            })
          ).waivers,
  };
}

function calibrationOf({ outcome }: UpstreamResult): CalibratedLevel[] {
  return (outcome.facts as unknown as { levels: CalibratedLevel[] }).levels;
}

const today = ({ clock }: StageContext): string => clock.nowIso().slice(0, 10);

export const gateStage = asAnyStage(stage);
