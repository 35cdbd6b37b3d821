/** The page: head with its security policy, the first screen, the contents list, the sections. */
import { sha256 } from '../core/digest.ts';
import { type SafeHtml, html, rawHtml } from './html.ts';
import type { ReportInput } from './input.ts';
import { formatSeconds, isMeasured } from './number-format.ts';
import { SCRIPT } from './script.ts';
import { answers } from './sections/answers.ts';
import { auditSection } from './sections/audit.ts';
import { cacheSection } from './sections/cache.ts';
import { curateSection } from './sections/curate.ts';
import { datasetsSection } from './sections/datasets.ts';
import { evaluationSection } from './sections/evaluation.ts';
import { ledgerSection } from './sections/ledger.ts';
import { runSection } from './sections/run.ts';
import { type Section, sectionHtml } from './sections/section.ts';
import { stageTable } from './sections/stages.ts';
import { teachersSection } from './sections/teachers.ts';
import { trainingSection } from './sections/training.ts';
import { STYLE } from './style.ts';

/** Parts of a run in the order of the flow, each with the word for it when it is absent. */
const PARTS: readonly (readonly [key: keyof ReportInput, word: string])[] = [
  ['datasets', 'datasets'],
  ['audit', 'audit'],
  ['curate', 'curation'],
  ['teachers', 'teachers'],
  ['cache', 'target cache'],
  ['training', 'training'],
  ['evaluation', 'evaluation'],
  ['ledger', 'ledger'],
];

export function page(input: ReportInput): SafeHtml {
  const sections = sectionsOf(input);
  const policy = `default-src 'none'; img-src data:; style-src ${sourceHash(STYLE)}; script-src ${sourceHash(SCRIPT)}; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${rawHtml(policy)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="generator" content="stillhouse ${input.run.stillhouseVersion}" />
        <title>${input.run.name}: stillhouse report</title>
        <link rel="icon" href="data:," />
        ${rawHtml(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the report</a>
        <header>
          <p class="kind">stillhouse report</p>
          <h1><bdi>${input.run.name}</bdi></h1>
          <p class="quiet">${headLine(input)}</p>
        </header>
        <nav aria-label="Contents">
          <ol>
            <li><a href="#summary">Summary</a></li>
            ${sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li> `)}
          </ol>
        </nav>
        <main id="main">
          <section id="summary" aria-label="Summary">
            ${answers(input)} ${stageTable(input.stages)} ${absent(input)}
          </section>
          ${sections.map(sectionHtml)}
        </main>
        <footer>
          <p class="quiet">
            One file, no network: figures, images and script are inside. Paths of row files are relative to
            the run folder.
          </p>
        </footer>
        ${rawHtml(`<script>${SCRIPT}</script>`)}
      </body>
    </html> `;
}

function sectionsOf(input: ReportInput): Section[] {
  const sections: Section[] = [];
  if (input.audit !== undefined) sections.push(auditSection(input.audit));
  if (input.curate !== undefined) sections.push(curateSection(input.curate));
  if (input.evaluation !== undefined) sections.push(evaluationSection(input.evaluation));
  if (input.training !== undefined) sections.push(trainingSection(input.training));
  if (input.cache !== undefined) sections.push(cacheSection(input.cache));
  if (input.teachers !== undefined) sections.push(teachersSection(input.teachers));
  if (input.datasets !== undefined) sections.push(datasetsSection(input.datasets));
  if (input.ledger !== undefined) sections.push(ledgerSection(input.ledger));
  sections.push(runSection(input.run));
  return sections;
}

function absent(input: ReportInput): SafeHtml | null {
  const words = PARTS.filter(([key]) => input[key] === undefined).map(([, word]) => word);
  return words.length === 0 ? null : html`<p class="quiet">Not part of this run: ${words.join(', ')}.</p>`;
}

function headLine(input: ReportInput): string {
  const seconds = input.stages.reduce(
    (sum, stage) => sum + (isMeasured(stage.seconds) ? stage.seconds : 0),
    0,
  );
  return [
    `started ${startedText(input.run.started)}`,
    `${formatSeconds(seconds)} in all`,
    `seed ${input.run.seed}`,
    `on ${input.run.device}`,
  ].join(' · ');
}

/** `2026-11-24 03:12 UTC` for a UTC time in ISO 8601, anything else as it is. */
export function startedText(iso: string): string {
  return iso.replace(/^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):\d{2}(?:\.\d+)?Z$/, '$1 $2 UTC');
}

/** A CSP hash source: base64 of the sha256 of the element's exact text. */
function sourceHash(text: string): string {
  return `'sha256-${Buffer.from(sha256(text), 'hex').toString('base64')}'`;
}
