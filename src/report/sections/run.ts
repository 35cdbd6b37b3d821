/** How to get this run again: command, seed, versions, digest. */
import { type HtmlValue, html } from '../html.ts';
import type { RunFacts } from '../input.ts';
import type { Section } from './section.ts';

export function runSection(run: RunFacts): Section {
  const facts: readonly (readonly [string, HtmlValue])[] = [
    ['command', html`<code>${run.command}</code>`],
    ['pipeline digest', html`<code>${run.pipelineDigest}</code>`],
    ['seed', html`<code>${run.seed}</code>`],
    ['device', run.device],
    ['started', run.started],
    ['stillhouse', run.stillhouseVersion],
    ['node', run.nodeVersion],
    ...Object.entries(run.engines),
  ];
  return {
    id: 'run',
    title: 'Reproduction',
    body: html`<dl class="facts-list">
      ${facts.map(([name, value]) => html`<div${name === 'command' || name === 'pipeline digest' ? html` class="wide"` : null}><dt>${name}</dt><dd>${value}</dd></div>\n`)}
    </dl>`,
  };
}
