/** The first screen: three questions, each answered in sentences with the numbers that matter. */
import { type HtmlValue, type SafeHtml, html, joined } from '../html.ts';
import type {
  AuditFacts,
  CurateFacts,
  EvaluationFacts,
  LevelFacts,
  MeasureFacts,
  ReportInput,
  ScoreFacts,
} from '../input.ts';
import { formatCount, formatNumber, formatShare, isMeasured, plural } from '../number-format.ts';

export function answers(input: ReportInput): SafeHtml {
  return html`<div class="answers">
    ${answer('How far do the sets overlap?', input.audit === undefined ? 'No audit was part of this run.' : overlapAnswer(input.audit))}
    ${answer('What was kept?', input.curate === undefined ? 'No curation was part of this run.' : keptAnswer(input.curate))}
    ${answer('What did the student learn?', input.evaluation === undefined ? 'No evaluation was part of this run.' : learnedAnswer(input.evaluation))}
  </div>`;
}

function answer(question: string, text: HtmlValue): SafeHtml {
  return html`<div>
    <h2>${question}</h2>
    <p>${text}</p>
  </div>`;
}

function overlapAnswer(audit: AuditFacts): SafeHtml {
  const levels = audit.levels.filter((level) => level.pairType === 'eval-train');
  const headline = levels.find((level) => level.level === audit.headlineLevel) ?? levels[0];
  if (headline === undefined)
    return html`Evaluation and training images were not compared. ${degenerateSentence(audit)}`;
  const others = levels.filter((level) => level !== headline);
  return html`<strong>${formatCount(headline.uniqueEval)} of ${formatCount(headline.evalTotal)}</strong>
    evaluation images (${rateWords(headline)}) have a match in the training set by ${headline.level}.
    ${
      others.length === 0
        ? null
        : html`By other evidence:
          ${joined(
            others.map((level) => `${formatCount(level.uniqueEval)} by ${level.level}`),
            ', ',
          )}. `
    }${degenerateSentence(audit)}`;
}

function rateWords(level: LevelFacts): string {
  const interval =
    isMeasured(level.low) && isMeasured(level.high)
      ? `; 95\u00a0% interval ${formatShare(level.low)} to ${formatShare(level.high)}`
      : '';
  return `${formatShare(level.rate)}${interval}`;
}

function degenerateSentence(audit: AuditFacts): string | null {
  if (audit.degenerate === 0) return null;
  return `${plural(audit.degenerate, 'near-uniform image is', 'near-uniform images are')} counted apart.`;
}

function keptAnswer(curate: CurateFacts): SafeHtml {
  const reasons = Object.entries(curate.rejected)
    .filter(([, count]) => count > 0)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const rejected = reasons.reduce((sum, [, count]) => sum + count, 0);
  return html`<strong>${formatCount(curate.kept)} of ${formatCount(curate.seen)}</strong> images
    (${formatShare(curate.kept / curate.seen)}).
    ${
      rejected === 0
        ? 'None was rejected.'
        : html`Rejected, each with its reason in the ledger:
          ${joined(
            reasons.map(([reason, count]) => html`${formatCount(count)} ${reason}`),
            ', ',
          )}.`
    }`;
}

function learnedAnswer(evaluation: EvaluationFacts): SafeHtml {
  const measures = evaluation.measures.flatMap((measure) => measureSentence(measure) ?? []);
  return html`${joined(measures, ' ')} ${fidelitySentence(evaluation)}`;
}

function measureSentence(measure: MeasureFacts): SafeHtml | null {
  const of = (subject: ScoreFacts['subject']): ScoreFacts | undefined =>
    measure.scores
      .filter((score) => score.subject === subject && isMeasured(score.value))
      .sort((a, b) => (b.value ?? 0) - (a.value ?? 0))[0];
  const student = of('student');
  if (student === undefined) return html`${measure.title}: the student was not measured.`;
  const untrained = of('untrained');
  const pixels = of('pixels');
  const teacher = of('teacher');
  const against = [
    untrained && `untrained ${formatShare(untrained.value)}`,
    pixels && `raw pixels ${formatShare(pixels.value)}`,
    teacher && `best teacher, ${teacher.name}, ${formatShare(teacher.value)}`,
  ].filter((words) => words !== undefined);
  return html`${measure.title}:
    <strong>${formatShare(student.value)}</strong
    >${against.length === 0 ? null : ` (${against.join('; ')})`}.`;
}

function fidelitySentence(evaluation: EvaluationFacts): string | null {
  const values = evaluation.fidelity.map((one) => one.value).filter(isMeasured);
  if (values.length === 0) return null;
  const above = values.filter((value) => value > 1).length;
  return `${formatCount(above)} of ${plural(values.length, 'head')} ${above === 1 ? 'predicts its teacher' : 'predict their teachers'} better than the mean would (fidelity ${formatNumber(Math.min(...values))} to ${formatNumber(Math.max(...values))}; the mean has 1).`;
}
