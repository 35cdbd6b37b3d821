import { describe, expect, it } from 'vitest';
import type { EvidencePair } from '../../../src/audit/evidence.ts';
import { junitOf, sarifOf } from '../../../src/audit/gate/ci-reports.ts';
import { type GateInput, judgeAudit, openKey } from '../../../src/audit/gate/judge.ts';
import { policySchema } from '../../../src/audit/gate/policy.ts';
import { type Waiver, sortWaivers } from '../../../src/audit/gate/waivers.ts';
import { Rng } from '../../../src/core/rng.ts';
import { checkYaml } from '../../../src/format/checked-yaml.ts';
import { idOf } from '../sample-images.ts';

const policy = (text: string) =>
  checkYaml(`version: 1\n${text}`, { schema: policySchema, noun: 'policy', where: 'p.yaml' });
const item = (side: string, name: string, label: string | null = null) => ({
  imageId: idOf(name) as string,
  name,
  side,
  label,
  degenerate: false,
  uncompared: [] as string[],
});
const leak = (a: string, b: string): EvidencePair => ({
  type: 'train-eval',
  a: idOf(a),
  b: idOf(b),
  evidence: { level: 'verified', ncc: 0.99, ssim: 0.9, transform: 'identity' },
});
const waiver = (a: string, b: string): Waiver => ({
  type: 'train-eval',
  a: idOf(a),
  b: idOf(b),
  judgement: 'different',
  reviewer: 'me',
  date: '2026-01-01',
  reason: 'two drawings',
});

const items = [
  ...Array.from({ length: 20 }, (_, i) => item('train', `t${i}`)),
  ...Array.from({ length: 100 }, (_, i) => item('eval', `e${i}`, i < 40 ? 'a' : 'b')),
];
const run = (text: string, over: Partial<GateInput> = {}, waivers: readonly Waiver[] = []) =>
  judgeAudit({
    policy: policy(text),
    items,
    pairs: [leak('t0', 'e0'), leak('t1', 'e0'), leak('t1', 'e1')],
    levels: ['byte', 'pixel', 'verified'],
    thresholds: [{ level: 'verified', minNcc: 0.95, minSsim: 0.7 }],
    waivers: sortWaivers(waivers, {
      images: new Set(items.map(({ imageId }) => imageId)),
      today: '2026-06-01',
    }),
    canaries: { planted: 5, found: 5, missed: [] },
    calibration: null,
    distances: [],
    open: new Map(),
    rng: new Rng(1, 'gate'),
    ...over,
  });
const ruleOf = (result: ReturnType<typeof run>, name: string) =>
  result.rules.find(({ rule }) => rule === name)!;

describe('the gate', () => {
  it('counts images, not pairs, against the point or the upper end', () => {
    const at = (limit: number, bound: string) =>
      run(`pairs: { train-eval: { maxRate: ${limit}, bound: ${bound} } }`).verdict;
    expect([at(0.02, 'point'), at(0.019, 'point'), at(0.02, 'upper95'), at(0.071, 'upper95')]).toEqual([
      'pass',
      'violated',
      'violated',
      'pass',
    ]);
  });

  it('is invalid, never a pass, for what was not measured', () => {
    const verdict = (text: string, over: Partial<GateInput> = {}) => run(text, over).verdict;
    const free = 'pairs: { train-eval: { maxRate: 1 } }';
    expect(verdict('pairs: { train-eval: { level: phash, maxRate: 1 } }')).toBe('invalid');
    expect(verdict('pairs: { train-val: { maxRate: 1 } }')).toBe('invalid');
    expect(verdict('pairs: { train-eval: { maxRate: 1, bound: corrected95 } }')).toBe('invalid');
    expect(verdict('calibration: { minRecall: 0.1 }')).toBe('invalid');
    expect(verdict('distances: [{ level: "teacher:x", metric: kid, maxRelative: 1 }]')).toBe('invalid');
    const unlabelled = items.map((one) => ({ ...one, label: null }));
    expect(verdict('classes: { maxRate: 1 }', { items: unlabelled })).toBe('invalid');
    expect(verdict('classes: { maxRate: 1, minImages: 1000 }')).toBe('invalid');
    const flat = items.map((one) => ({ ...one, degenerate: one.side === 'eval' }));
    expect(verdict(free, { items: flat })).toBe('invalid');
    expect(verdict('requireCanaries: false')).toBe('invalid');
    expect(verdict(free, { canaries: { planted: 0, found: 0, missed: [] } })).toBe('invalid');
  });

  it('is invalid while images of either side could not be compared at the level that it rules', () => {
    const rate = (limit: number) => `pairs: { train-eval: { maxRate: ${limit} } }`;
    const without = (side: string, level: string) => ({
      items: items.map((one) =>
        one.side === side && ['t7', 't8', 't9', 'e7', 'e8', 'e9'].includes(one.name)
          ? { ...one, uncompared: ['copy:x', level] }
          : one,
      ),
    });
    for (const side of ['train', 'eval']) {
      const some = without(side, 'verified');
      const result = run(rate(1), some);
      expect(result.verdict).toBe('invalid');
      expect(ruleOf(result, 'pairs/train-eval/maxRate').detail).toBe(
        `3 ${side} images could not be compared at level verified`,
      );
      expect(run('classes: { maxRate: 1 }', some).verdict).toBe('invalid');
      // what was found is enough to break it
      expect(run(rate(0), some).verdict).toBe('violated');
    }
    for (const none of [without('eval', 'phash'), without('val', 'verified')])
      expect(run(rate(1), none).verdict).toBe('pass');
    // the rate is of those that were compared
    expect(ruleOf(run(rate(0.02), without('eval', 'verified')), 'pairs/train-eval/maxRate')).toMatchObject({
      verdict: 'violated',
      measured: 2 / 97,
    });
  });

  it('passes with pairs that nobody looked at only where they could not break the rule', () => {
    const verdict = (text: string, more: number, type = 'train-eval') =>
      run(text, { open: new Map([[openKey('verified', type), more]]) }).verdict;
    const rate = (limit: number, bound = 'point') =>
      `pairs: { train-eval: { maxRate: ${limit}, bound: ${bound} } }`;
    // 2 of 100 were found: with 3 more, 0.05
    expect([verdict(rate(0.05), 3), verdict(rate(0.049), 3), verdict(rate(0.01), 3)]).toEqual([
      'pass',
      'invalid',
      'violated',
    ]);
    expect([verdict(rate(0.071, 'upper95'), 0), verdict(rate(0.071, 'upper95'), 1)]).toEqual([
      'pass',
      'invalid',
    ]);
    expect(verdict(rate(0.049), 3, 'train-val')).toBe('pass');
    // each class must stand all of them: class a has 2 of 40, class b none of 60
    expect([verdict('classes: { maxRate: 0.1 }', 2), verdict('classes: { maxRate: 0.1 }', 3)]).toEqual([
      'pass',
      'invalid',
    ]);
    const rule = ruleOf(
      run(rate(0.049), { open: new Map([[openKey('verified', 'train-eval'), 3]]) }),
      'pairs/train-eval/maxRate',
    );
    expect(rule.detail).toContain('3 more have pairs that were not compared at level verified');
  });

  it('is invalid when a planted copy was missed; a violation that was found stays one', () => {
    const missed = { canaries: { planted: 5, found: 4, missed: ['flip of x'] } };
    const free = 'pairs: { train-eval: { maxRate: 1 } }';
    expect(run(free, missed).verdict).toBe('invalid');
    expect(run('pairs: { train-eval: { maxRate: 0 } }', missed).verdict).toBe('violated');
    expect(run(`${free}\nrequireCanaries: false`, missed).verdict).toBe('pass');
  });

  it('lets waived pairs pass and counts them apart, while they hold', () => {
    const rule = 'pairs: { train-eval: { maxRate: 0 } }';
    const all = [waiver('t0', 'e0'), waiver('t1', 'e0'), waiver('t1', 'e1')];
    expect(run(rule, {}, all)).toMatchObject({ verdict: 'pass', waived: { 'train-eval': 3 } });
    expect(run(rule, {}, all.slice(1)).verdict).toBe('violated');
    const until = (expires: string) =>
      run(
        rule,
        {},
        all.map((one) => ({ ...one, expires })),
      );
    expect(until('2026-06-01').verdict).toBe('pass');
    expect(until('2026-05-31').verdict).toBe('violated');
    expect(ruleOf(until('2026-05-31'), 'waivers/expired').measured).toBe(3);
  });

  it('fails a waiver for content that is not there any more', () => {
    const stale = run('pairs: { train-eval: { maxRate: 1 } }', {}, [waiver('t0', 'gone')]);
    expect(stale.verdict).toBe('violated');
    expect(ruleOf(stale, 'waivers/stale').measured).toBe(1);
  });

  it('judges each large class and exact copies', () => {
    const classes = run('classes: { maxRate: 0.04, minImages: 20 }');
    expect(ruleOf(classes, 'classes/a').verdict).toBe('violated');
    expect(ruleOf(classes, 'classes/b').verdict).toBe('pass');
    const pairs: EvidencePair[] = [
      { type: 'train-eval', a: idOf('t3'), b: idOf('e9'), evidence: { level: 'pixel' } },
    ];
    expect(run('pairs: { train-eval: { maxExact: 0 } }', { pairs }).verdict).toBe('violated');
    expect(run('pairs: { train-eval: { maxExact: 1 } }', { pairs }).verdict).toBe('pass');
  });

  it('judges calibration at its lower ends, corrected rates, and relative distances', () => {
    const calibration = [
      {
        level: 'verified',
        chosen: 0.9,
        reason: null,
        validation: {
          planted: 100,
          found: 80,
          precision: 0.98,
          precisionLow: 0.9,
          recall: { value: 0.8, low: 0.75 },
        },
      },
    ];
    const over = { calibration };
    expect(run('calibration: { minRecall: 0.75, minPrecision: 0.9 }', over).verdict).toBe('pass');
    expect(run('calibration: { minRecall: 0.76 }', over).verdict).toBe('violated');
    const rule = 'pairs: { train-eval: { maxRate: 0.5, bound: corrected95 } }';
    // above the upper end without correction, .0704
    expect(ruleOf(run(rule, over), 'pairs/train-eval/maxRate').measured!).toBeGreaterThan(0.071);
    const distances = [{ level: 'teacher:x', summary: [{ metric: 'kid', relative: 0.4 }], leftOut: [] }];
    const distance = (limit: string) =>
      run(`distances: [{ level: "teacher:x", metric: kid, ${limit} }]`, { distances }).verdict;
    expect(['maxRelative: 0.5', 'maxRelative: 0.3', 'minRelative: 0.5'].map(distance)).toEqual([
      'pass',
      'violated',
      'violated',
    ]);
  });

  it('refuses a policy with an unknown key, naming the nearest, and a rule without a limit', () => {
    expect(() => policy('requireCanary: true')).toThrow(/requireCanary[\s\S]*requireCanaries/);
    expect(() => policy('pairs: { train-eval: { level: phash } }')).toThrow('maxRate or maxExact');
    expect(() => policy('pairs: { train-tset: { maxRate: 0 } }')).toThrow('train-tset');
  });

  it('speaks JUnit and SARIF, with hostile names escaped', () => {
    const result = run('pairs: { train-eval: { maxRate: 0 } }\nclasses: { maxRate: 0, minImages: 10 }', {
      items: items.map((one) => ({
        ...one,
        label: one.label === null ? null : `<${one.label} & "x">\u0001`,
      })),
    });
    const xml = junitOf(result);
    expect(xml).toContain('tests="4" failures="2" errors="0"');
    expect(xml).not.toMatch(/<a |\u0001/);
    const sarif = JSON.parse(sarifOf({ result, version: '1.2.3', uriOf: (id) => id })) as {
      version: string;
      runs: { results: { ruleId: string }[]; tool: { driver: { rules: { id: string }[] } } }[];
    };
    expect(sarif.version).toBe('2.1.0');
    const { results, tool } = sarif.runs[0]!;
    expect(results.filter(({ ruleId }) => ruleId === 'leaked-pair')).toHaveLength(3);
    const known = new Set(tool.driver.rules.map(({ id }) => id));
    expect(results.every(({ ruleId }) => known.has(ruleId))).toBe(true);
  });
});
