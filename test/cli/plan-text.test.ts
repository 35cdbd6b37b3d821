import { expect, it } from 'vitest';
import { planText } from '../../src/cli/plan-text.ts';

it('a plan is one line of figures per stage, and a table of what is counted per name', () => {
  const text = planText([
    { id: 'images', state: 'reused', plan: null },
    {
      id: 'cache',
      state: 'planned',
      plan: {
        compute: { 'a@64.summary': 0, 'a@128.spatial': 24 },
        reuse: { 'a@64.summary': 24 },
        bytesToWrite: 98_304,
        estimatedSeconds: 2.5,
      },
    },
    { id: 'curate', state: 'planned', plan: { images: 5, levels: ['byte', 'pixel'], evaluations: {} } },
    { id: 'other', state: 'planned', plan: { estimatedSeconds: 'unknown' } },
  ]);
  expect(text).toBe(
    [
      'stage   state    plan',
      '------  -------  -------------------------------------------------',
      'images  reused',
      'cache   planned  98.3 kB to write, about 3 s',
      'curate  planned  images 5, levels ["byte","pixel"], evaluations {}',
      'other   planned  time not known yet',
      '',
      'cache          compute  reuse',
      '-------------  -------  -----',
      'a@64.summary         0     24',
      'a@128.spatial       24      -',
    ].join('\n'),
  );
});
