// The report in a real browser. Without Chromium every test here is skipped, and the reason is printed.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waiversSchema } from '../../src/audit/gate/waivers.ts';
import { visibleText } from '../../src/report/html.ts';
import { renderReport } from '../../src/report/render-report.ts';
import { HOSTILE_NAME, sampleInput } from '../report/sample-input.ts';
import { findChromium } from './chromium.ts';

const found = findChromium(process.env);
if ('missing' in found) console.warn(`skipped, not passed: report in a browser (${found.missing})`);

const screenshots = new URL('../../out/browser/', import.meta.url).pathname;

describe.skipIf('missing' in found)('the report in Chromium', () => {
  let browser: Browser;
  let folder: string;
  let address: string;

  beforeAll(async () => {
    if ('missing' in found) throw new Error('internal: skipped above');
    folder = await mkdtemp(join(tmpdir(), 'stillhouse-report-'));
    await mkdir(screenshots, { recursive: true });
    await writeFile(join(folder, 'report.html'), renderReport(sampleInput()));
    address = pathToFileURL(join(folder, 'report.html')).href;
    browser = await chromium.launch({ executablePath: found.path, args: ['--no-sandbox'] });
  });

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens the report, runs the check, and fails on any console line, page error or request but the file itself. */
  async function inPage(options: BrowserContextOptions, check: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const trouble: string[] = [];
    page.on('console', (line) => trouble.push(`console ${line.type()}: ${line.text()}`));
    page.on('pageerror', (error) => trouble.push(`page error: ${error.message}`));
    page.on('dialog', (dialog) => {
      trouble.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(pathToFileURL(folder).href) && !request.url().startsWith('data:image/'))
        trouble.push(`request: ${request.url().slice(0, 120)}`);
    });
    try {
      await page.goto(address);
      await check(page);
      expect(trouble).toEqual([]);
    } finally {
      await context.close();
    }
  }

  const overflowPx = (page: Page): Promise<number> =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

  for (const scheme of ['light', 'dark'] as const)
    test(`it opens at 1280 px in the ${scheme} scheme without a console line, a request or overflow`, async () => {
      await inPage({ viewport: { width: 1280, height: 800 }, colorScheme: scheme }, async (page) => {
        expect(await page.locator('main section').count()).toBe(10);
        expect(await overflowPx(page)).toBe(0);
        await page.screenshot({ path: join(screenshots, `report-${scheme}-first-screen.png`) });
        await page.screenshot({ path: join(screenshots, `report-${scheme}.png`), fullPage: true });
      });
    });

  test('at 400 px it does not overflow sideways, and no chart text shrinks below 9 px', async () => {
    await inPage({ viewport: { width: 400, height: 800 } }, async (page) => {
      await page.locator('details').evaluateAll((all) => all.forEach((one) => one.setAttribute('open', '')));
      expect(await overflowPx(page)).toBe(0);
      const heights = await page
        .locator('.fig > svg')
        .evaluateAll((all) => all.map((svg) => (svg.getBoundingClientRect().width / 460) * 11));
      expect(Math.min(...heights)).toBeGreaterThan(8.5);
      await page.locator('details').evaluateAll((all) => all.forEach((one) => one.removeAttribute('open')));
      await page.screenshot({ path: join(screenshots, 'report-400.png'), fullPage: true });
    });
  });

  test('every image is decoded', async () => {
    await inPage({}, async (page) => {
      const widths = await page
        .locator('img')
        .evaluateAll((all) => all.map((one) => (one as HTMLImageElement).naturalWidth));
      expect(widths.length).toBeGreaterThan(100);
      expect(widths.every((width) => width > 0)).toBe(true);
    });
  });

  test('the gallery shows one level at a time, by keyboard too', async () => {
    await inPage({}, async (page) => {
      const all = await page.locator('#pairs > li').count();
      const level = page.locator('[data-filter=pairs] button', { hasText: 'perceptual hash' });
      await level.focus();
      await page.keyboard.press('Enter');
      const shown = await page
        .locator('#pairs > li:visible')
        .evaluateAll((items) => items.map((item) => (item as HTMLElement).dataset['level']));
      expect(shown.length).toBeGreaterThan(0);
      expect(shown.length).toBeLessThan(all);
      expect(new Set(shown)).toEqual(new Set(['perceptual hash']));
      expect(await level.getAttribute('aria-pressed')).toBe('true');
      expect(await page.locator('[data-filter=pairs] [role=status]').textContent()).toBe(
        `showing ${shown.length} of ${all}`,
      );
      await page.locator('[data-filter=pairs] button').first().click();
      expect(await page.locator('#pairs > li:visible').count()).toBe(all);
    });
  });

  test('pairs are reviewed by keyboard into a waiver file: step, leak, waive with a reason, undo', async () => {
    await inPage({ acceptDownloads: true, viewport: { width: 1280, height: 900 } }, async (page) => {
      const review = page.locator('#review');
      const place = () => review.locator('[data-part=place]').textContent();
      await review.focus();
      expect(await place()).toBe('1 of 48, train-eval: not reviewed');
      await page.keyboard.press('j');
      await page.keyboard.press('j');
      await page.keyboard.press('k');
      expect(await place()).toBe('2 of 48, train-eval: not reviewed');
      await page.keyboard.press('a');
      expect(await place()).toBe('3 of 48, train-eval: not reviewed');
      // without a name nothing is waived, and the field that lacks it is where typing goes
      await page.keyboard.press('w');
      await page.keyboard.type('waj');
      expect(await review.locator('[name=reviewer]').inputValue()).toBe('waj');
      await review.locator('[name=reason]').fill('another flag');
      await page.keyboard.press('Escape');
      await page.keyboard.press('w');
      await page.keyboard.press('w');
      await page.keyboard.press('u');
      expect(await review.locator('[data-part=counts]').textContent()).toBe(
        '1 waived, 1 leaks, 46 to review',
      );
      expect(await page.locator('#pairs .decision:not(:empty)').allTextContents()).toEqual([
        'a leak',
        'waived: different, another flag',
      ]);
      await page.screenshot({ path: join(screenshots, 'review.png') });
      const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('d')]);
      expect(download.suggestedFilename()).toBe('waivers.json');
      const text = await readFile(await download.path(), 'utf8');
      const { waivers } = waiversSchema.parse(JSON.parse(text));
      const { waiver } = sampleInput(3).audit.pairs[2]!;
      expect(waivers).toMatchObject([{ ...waiver, reviewer: 'waj', judgement: 'different' }]);
      await review.locator('[data-action=undo]').click();
      await review.locator('[name=earlier]').setInputFiles(await download.path());
      expect(await review.locator('[data-part=status]').textContent()).toBe(
        '1 waivers read, 1 of them for pairs on this page',
      );
      const wrong = { name: 'w.json', mimeType: 'application/json', buffer: Buffer.from('{"waivers":[{}]}') };
      await review.locator('[name=earlier]').setInputFiles(wrong);
      await expect
        .poll(() => review.locator('[data-part=status]').textContent())
        .toBe('this is no waiver file of version 1');
    });
  });

  test('a page whose pairs no waiver can name says so, and takes a file and every key without an error', async () => {
    const input = sampleInput(3);
    const pairs = input.audit.pairs.map((pair) => ({ ...pair, waiver: null }));
    const file = join(folder, 'none.html');
    await writeFile(file, renderReport({ ...input, audit: { ...input.audit, pairs } }));
    await inPage({}, async (page) => {
      await page.goto(pathToFileURL(file).href);
      const review = page.locator('#review');
      const status = () => review.locator('[data-part=status]').textContent();
      expect(await status()).toBe('no pair on this page can be waived');
      await review.focus();
      for (const key of ['j', 'k', 'a', 'w', 'u']) await page.keyboard.press(key);
      expect(await status()).toBe('nothing to undo');
      const empty = {
        name: 'w.json',
        mimeType: 'application/json',
        buffer: Buffer.from('{"version":1,"waivers":[]}'),
      };
      await review.locator('[name=earlier]').setInputFiles(empty);
      await expect.poll(status).toBe('0 waivers read, 0 of them for pairs on this page');
    });
  });

  test('a table sorts by the value of a column, not by its text, in both directions', async () => {
    await inPage({}, async (page) => {
      const table = page.locator('#summary table');
      const seen = (): Promise<string[]> => table.locator('tbody tr td:nth-child(2)').allTextContents();
      const button = table.getByRole('button', { name: 'seen' });
      await button.click();
      expect(await seen()).toEqual(['21,936', '5,685', '3,782', '1,906', '1,906', '1,906', '1,371']);
      expect(await table.locator('th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
      await button.focus();
      await page.keyboard.press('Space');
      expect(await seen()).toEqual(['1,371', '1,906', '1,906', '1,906', '3,782', '5,685', '21,936']);
      expect(await table.locator('tfoot tr').textContent()).toContain('total');
    });
  });

  test('with JavaScript off everything is there and no dead control is shown', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    try {
      const page = await context.newPage();
      await page.goto(address);
      expect(await page.locator('button:visible').count()).toBe(0);
      expect(await page.locator('#pairs > li:visible').count()).toBe(48);
      expect(await page.locator('main svg[role=img]').count()).toBeGreaterThan(8);
    } finally {
      await context.close();
    }
  });

  test('a hostile file name is shown as text', async () => {
    await inPage({}, async (page) => {
      const texts = await page.locator('bdi').allTextContents();
      expect(texts).toContain(visibleText(HOSTILE_NAME));
      expect(await page.locator('script').count()).toBe(1);
    });
  });

  test('text keeps a contrast of 4.5 to 1 in both schemes', async () => {
    for (const colorScheme of ['light', 'dark'] as const)
      await inPage({ colorScheme }, async (page) => {
        const faint = await page.evaluate(faintText);
        expect(faint, colorScheme).toEqual([]);
      });
  });

  test('it prints dark on white from the dark scheme too, with nothing wider than the sheet', async () => {
    const a4WidthPx = 690; // 210 mm less the margins, at 96 dots per inch
    await inPage({ colorScheme: 'dark', viewport: { width: a4WidthPx, height: 980 } }, async (page) => {
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      expect(await overflowPx(page)).toBe(0);
      expect(await page.evaluate(faintText)).toEqual([]);
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
        'rgb(255, 255, 255)',
      );
      expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe('light');
      const pdf = await page.pdf({ path: join(screenshots, 'report.pdf'), format: 'A4' });
      expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    });
  });
});

/** Runs in the page: texts on the page's own ground whose WCAG contrast is below 4.5. Chart cells have their own ground. */
function faintText(): string[] {
  const channels = (colour: string): number[] =>
    (/rgba?\(([^)]*)\)/.exec(colour)?.[1] ?? '0,0,0').split(/[ ,/]+/).map(Number);
  const luminance = (colour: string): number => {
    const [r, g, b] = channels(colour).map((c) =>
      c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const ratio = (a: string, b: string): number => {
    const [high, low] = [luminance(a), luminance(b)].sort((m, n) => n - m);
    return (high! + 0.05) / (low! + 0.05);
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  const found = new Set<string>();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim() !== '',
    );
    if (!own || element.tagName === 'SCRIPT') continue;
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const colour = isDrawn ? style.fill : style.color;
    const cell = element.previousElementSibling;
    const ground =
      element.classList.contains('cell-text') && cell !== null ? getComputedStyle(cell).fill : paper;
    const value = ratio(colour, ground === 'none' ? paper : ground);
    if (value < 4.5)
      found.add(`${element.tagName}.${element.getAttribute('class') ?? ''} ${value.toFixed(2)}`);
  }
  return [...found];
}
