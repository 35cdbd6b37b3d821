/** Who was asked: the teachers, their licences and digests, and which tensors were kept of them. */
import { type HtmlValue, type SafeHtml, html } from '../html.ts';
import type { TeacherFacts } from '../input.ts';
import type { Section } from './section.ts';

export function teachersSection(teachers: readonly TeacherFacts[]): Section {
  return {
    id: 'teachers',
    title: 'Teachers',
    body: teachers.length === 0 ? html`<p>No teacher was named.</p>` : teachers.map(teacherBlock),
  };
}

function teacherBlock(one: TeacherFacts): SafeHtml {
  const facts: readonly (readonly [string, HtmlValue])[] = [
    ['engine', one.engine],
    ['licence', one.licence],
    ['input sides', one.sizesPx.length === 0 ? 'none' : `${one.sizesPx.join(', ')} px`],
    ['summary tap', one.summaryTap === null ? 'none' : html`<code>${one.summaryTap}</code>`],
    ['spatial tap', one.spatialTap === null ? 'none' : html`<code>${one.spatialTap}</code>`],
  ];
  return html`<h3>${one.name}</h3>
    <dl class="facts-list">
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div> `,
      )}
      <div class="wide">
        <dt>source</dt>
        <dd><code>${one.source}</code></dd>
      </div>
      <div class="wide">
        <dt>sha256 of the weights</dt>
        <dd><code>${one.sha256}</code></dd>
      </div>
    </dl> `;
}
