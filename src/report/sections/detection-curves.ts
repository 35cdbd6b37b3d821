/** Precision against recall over all thresholds: one figure per task, one line per level. */
import { evenly, lineChart } from '../charts/lines.ts';
import type { SafeHtml } from '../html.ts';
import type { AuditFacts, DetectionCurve } from '../input.ts';
import { formatNumber, formatShare } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';

const MOST_THRESHOLDS_LISTED = 20;

export function detectionCurves(audit: AuditFacts): SafeHtml[] {
  const tasks = [...new Set(audit.curves.map((curve) => curve.task))];
  return tasks.map((task) => {
    const curves = audit.curves.filter((curve) => curve.task === task);
    const title = `Finding ${task}`;
    return lineChart({
      title,
      note: 'Each line runs over all thresholds; the dot is the one in use.',
      rowsIn: audit.rowsIn,
      xTitle: 'recall',
      yTitle: 'precision',
      xDomain: { low: 0, high: 1 },
      yDomain: { low: 0, high: 1 },
      series: curves.map((curve) => {
        const inUse = audit.detection.find((one) => one.task === task && one.level === curve.level);
        return {
          name: curve.level,
          points: curve.recall.map((x, i) => ({ x, y: curve.precision[i] ?? null })),
          mark: inUse === undefined ? undefined : { x: inUse.recall, y: inUse.precision },
        };
      }),
      table: thresholdTable(title, curves),
    });
  });
}

interface ThresholdRow {
  readonly level: string;
  readonly threshold: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
}

function thresholdTable(title: string, curves: readonly DetectionCurve[]): SafeHtml {
  const rows = curves.flatMap((curve) =>
    evenly(
      curve.thresholds.map((threshold, i): ThresholdRow => ({
        level: curve.level,
        threshold,
        precision: curve.precision[i] ?? null,
        recall: curve.recall[i] ?? null,
      })),
      MOST_THRESHOLDS_LISTED,
    ),
  );
  const isCut = curves.some((curve) => curve.thresholds.length > MOST_THRESHOLDS_LISTED);
  return dataTable<ThresholdRow>({
    caption: isCut ? `${title}: ${MOST_THRESHOLDS_LISTED} thresholds of each level, evenly chosen.` : title,
    captionHidden: !isCut,
    rows,
    columns: [
      textColumn('evidence', (row) => row.level),
      numberColumn('threshold', (row) => row.threshold, formatNumber),
      numberColumn('precision', (row) => row.precision, formatShare),
      numberColumn('recall', (row) => row.recall, formatShare),
    ],
  });
}
