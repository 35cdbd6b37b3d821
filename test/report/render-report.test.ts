import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { visibleText } from '../../src/report/html.ts';
import type { ReportInput } from '../../src/report/input.ts';
import { startedText } from '../../src/report/page.ts';
import { renderReport } from '../../src/report/render-report.ts';
import { parseHtml } from './parsed-html.ts';
import { HOSTILE_NAME, goldenInput, sampleInput } from './sample-input.ts';

const OPTIONAL = [
  'datasets',
  'audit',
  'curate',
  'teachers',
  'cache',
  'training',
  'evaluation',
  'ledger',
] as const;

/** The least a run has: its own facts and its stages. */
function bare(): ReportInput {
  const { run, stages } = goldenInput();
  return { run, stages };
}

const sectionIds = (input: ReportInput): string[] =>
  parseHtml(renderReport(input))
    .elements.filter((one) => one.tag === 'section')
    .map((one) => one.attributes.get('id')!);

describe('the report', () => {
  test('of the golden input is the golden page (UPDATE_GOLDEN=1 rewrites it, never in CI)', () => {
    const file = new URL('../golden/report/expected.html', import.meta.url);
    const rendered = renderReport(goldenInput());
    if (process.env['UPDATE_GOLDEN'] === '1') {
      if (process.env['CI'] !== undefined) throw new Error('UPDATE_GOLDEN must not be set in CI');
      writeFileSync(file, rendered);
    }
    expect(rendered).toBe(readFileSync(file, 'utf8'));
  });

  test('is the same for the same input and does not depend on how it was loaded', () => {
    expect(renderReport(sampleInput())).toBe(renderReport(structuredClone(sampleInput())));
  });

  test('has every section once, each named in the contents list', () => {
    const parsed = parseHtml(renderReport(sampleInput()));
    const ids = parsed.elements.flatMap((one) => one.attributes.get('id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = parsed.elements.flatMap((one) => (one.tag === 'a' ? one.attributes.get('href')! : []));
    expect(targets.filter((href) => !ids.includes(href.slice(1)))).toEqual([]);
    for (const id of sectionIds(sampleInput())) expect(targets).toContain(`#${id}`);
  });

  test.each(OPTIONAL)('without %s has no such section and says so', (key) => {
    const input = Object.fromEntries(Object.entries(sampleInput(4)).filter(([name]) => name !== key));
    const html = renderReport(input as unknown as ReportInput);
    expect(
      parseHtml(html).elements.filter((one) => one.tag === 'section' && one.attributes.get('id') === key),
    ).toEqual([]);
    expect(sectionIds(sampleInput(4))).toContain(key);
    expect(parseHtml(html).text).toMatch(/Not part of this run: [a-z ]+\./);
  });

  test('of a run with nothing but stages still answers all three questions', () => {
    expect(sectionIds(bare())).toEqual(['summary', 'run']);
    const { text } = parseHtml(renderReport(bare()));
    for (const word of ['No audit', 'No curation', 'No evaluation'])
      expect(text).toContain(`${word} was part of this run.`);
    expect(text).toContain(
      'Not part of this run: datasets, audit, curation, teachers, target cache, training, evaluation, ledger.',
    );
  });

  test('of empty sections has no broken number in it', () => {
    const input: ReportInput = {
      ...bare(),
      stages: [],
      datasets: [],
      audit: {
        levels: [],
        digest: '',
        listNotes: [],
        degenerate: 0,
        detection: [],
        curves: [],
        histograms: [],
        scores: [],
        agreement: null,
        classes: [],
        classesIn: 'a',
        transfer: [],
        transferIn: 'a',
        distances: [],
        distancesIn: 'a',
        pairs: [],
        pairsTotal: 0,
        rowsIn: 'a',
      },
      curate: { seen: 0, kept: 0, rejected: {}, classes: [], examples: [], rowsIn: 'c' },
      teachers: [],
      cache: { spaces: [] },
      training: { curves: [], loss: [], config: {}, secondsPerStep: null, rowsIn: 't' },
      evaluation: { measures: [], fidelity: [], rowsIn: 'e' },
      ledger: { rows: [], total: 0, rowsIn: 'l' },
    };
    const { text } = parseHtml(renderReport(input));
    expect(text).not.toMatch(/NaN|Infinity|undefined|null|\[object/);
    expect(text).toContain('not measured');
  });

  test('gives the numbers of the run in its opening sentences', () => {
    const text = parseHtml(renderReport(goldenInput())).text.replace(/\s+/g, ' ');
    expect(text).toContain(
      '41 of 1,894 evaluation images (2.2 %; 95 % interval 1.6 % to 2.9 %) have a match in the training set by perceptual hash.',
    );
    expect(text).toContain(
      '1,371 of 1,906 images (71.9 %). Rejected, each with its reason in the ledger: 331 near-duplicate-in-train, 163 over-class-cap, 41 match-in-evaluation.',
    );
    expect(text).toContain(
      'Cross-vendor twin at rank 1: 43.8 % (untrained 8.3 %; raw pixels 40.1 %; best teacher, nanodet, 55.0 %).',
    );
    expect(text).toContain(
      '2 of 3 heads predict their teachers better than the mean would (fidelity 0.960 to 1.84; the mean has 1).',
    );
  });

  test('draws the largest classes only when there are many', () => {
    const input = sampleInput(0);
    const classes = Array.from({ length: 1000 }, (_, i) => ({
      label: `class ${i}`,
      before: i + 1,
      after: 1,
    }));
    const { text } = parseHtml(renderReport({ ...input, curate: { ...input.curate, classes } }));
    expect(text).toContain('The 30 largest of 1,000 classes.');
    expect(text).toContain('class 970');
    expect(text).not.toContain('class 969');
  });

  test('marks a stage whose numbers do not balance', () => {
    const input = bare();
    const [first, ...rest] = input.stages;
    expect(renderReport(input)).not.toContain('does not balance');
    expect(renderReport({ ...input, stages: [{ ...first!, kept: first!.kept - 1 }, ...rest] })).toContain(
      'does not balance',
    );
  });

  test('names the file with its rows under every figure', () => {
    const html = renderReport(sampleInput(4));
    const captions = html.match(/<figcaption>.*?<\/figcaption>/gs)!;
    expect(captions.length).toBeGreaterThan(8);
    expect(captions.filter((caption) => !/Rows: <code>[\w/-]+\.parquet<\/code>/.test(caption))).toEqual([]);
  });
});

describe('the page', () => {
  const html = renderReport(sampleInput());
  const { elements, text } = parseHtml(html);

  test('loads nothing: every source is an image data URI, every link a fragment', () => {
    for (const { tag, attributes } of elements) {
      for (const name of ['src', 'href', 'srcset', 'action', 'data', 'poster', 'xlink:href']) {
        const value = attributes.get(name);
        if (value !== undefined)
          expect(value, `${tag} ${name}`).toMatch(
            /^(#[a-z]+|data:,|data:image\/png;base64,[A-Za-z0-9+/=]+)$/,
          );
      }
      for (const name of attributes.keys()) expect(name).not.toMatch(/^(on|style$)/);
    }
    expect(html).not.toMatch(/@import|url\(/);
  });

  test('has a policy that allows exactly its own style and script', () => {
    const policy = elements
      .find((one) => one.attributes.get('http-equiv') === 'Content-Security-Policy')!
      .attributes.get('content')!;
    const hashOf = (tag: string): string =>
      createHash('sha256')
        .update(new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(html)![1]!)
        .digest('base64');
    expect(policy).toBe(
      `default-src 'none'; img-src data:; style-src 'sha256-${hashOf('style')}'; script-src 'sha256-${hashOf('script')}'; base-uri 'none'; form-action 'none'`,
    );
    expect(elements.filter((one) => one.tag === 'script' || one.tag === 'style')).toHaveLength(2);
  });

  test('shows a hostile name as text, in captions, alternative texts and the ledger', () => {
    const shown = visibleText(HOSTILE_NAME);
    expect(text.split(shown)).toHaveLength(3);
    expect(elements.filter((one) => one.attributes.get('alt')?.includes(shown))).toHaveLength(1);
  });

  test('has landmarks, one first heading, scoped table headers and alternative texts', () => {
    const count = (tag: string): number => elements.filter((one) => one.tag === tag).length;
    for (const landmark of ['header', 'nav', 'main', 'footer', 'h1'])
      expect(count(landmark), landmark).toBe(1);
    expect(
      elements.filter(
        (one) => one.tag === 'th' && !['row', 'col'].includes(one.attributes.get('scope') ?? ''),
      ),
    ).toEqual([]);
    expect(elements.filter((one) => one.tag === 'img' && !one.attributes.get('alt'))).toEqual([]);
    expect(count('caption')).toBe(count('table'));
    expect(elements[0]!.attributes.get('lang')).toBe('en');
  });

  test('costs under 400 bytes for each of 200 thumbnails beyond the image itself', () => {
    const imageBytes = (page: string): number =>
      (page.match(/data:image\/png;base64,[^"]+/g) ?? []).join('').length;
    const [small, large] = [renderReport(sampleInput(0)), renderReport(sampleInput(100))];
    const markup = large.length - imageBytes(large) - (small.length - imageBytes(small));
    expect(markup / 200).toBeLessThan(400);
    expect(small.length - imageBytes(small)).toBeLessThan(150_000);
    expect(large.length).toBeLessThan(1_500_000);
  });
});

test('a start time is shown to the minute, and whatever is no UTC time as it is', () => {
  expect(startedText('2026-11-24T03:12:45.123Z')).toBe('2026-11-24 03:12 UTC');
  expect(startedText('yesterday')).toBe('yesterday');
});
