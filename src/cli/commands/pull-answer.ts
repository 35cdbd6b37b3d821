/** What `teachers pull` does and prints. */
import type { Json } from '../../core/canonical-json.ts';
import { machineTimer } from '../../core/clock.ts';
import { printable } from '../../core/failure.ts';
import { isPermissive } from '../../teachers/licences.ts';
import { type PlannedFile, type PulledFile, planPull, pullTeacher } from '../../teachers/pull.ts';
import { type LoadedTeacher, teachersOf } from '../../teachers/registry.ts';
import { bytesText } from '../bytes-text.ts';
import { printJson } from '../print-json.ts';
import type { ProgramContext } from '../program-context.ts';
import { pullPrinter } from '../pull-progress.ts';
import { standardError } from '../status-line.ts';
import { textTable } from '../table.ts';
import { type WeightsOptions, hubOfEnvironment, weightsPlaces } from '../weights-options.ts';

export interface PullCommandOptions extends WeightsOptions {
  readonly update: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** @throws StillhouseError as {@link pullTeacher}; teachers before the one that fails are kept */
export async function pullTeachers(
  names: readonly string[],
  options: PullCommandOptions,
  { signal }: ProgramContext,
): Promise<void> {
  const places = weightsPlaces(options);
  const hub = hubOfEnvironment();
  const teachers = await teachersOf(names, { baseFolder: '.', weights: places });
  const { update } = options;
  if (options.dryRun) {
    const files: PlannedFile[] = [];
    for (const teacher of teachers) files.push(...(await planPull(teacher, { hub, update, signal })));
    printPlan(files, options.json);
    return;
  }
  const files: PulledFile[] = [];
  const { onEvent, end } = pullPrinter(standardError(), machineTimer);
  try {
    for (const teacher of teachers) {
      process.stderr.write(`${printable(teacher.manifest.name)}\n`);
      showLicence(teacher);
      files.push(...(await pullTeacher(teacher, { hub, update, timer: machineTimer, signal, onEvent })));
    }
  } finally {
    end();
  }
  if (options.json) {
    printJson({ ...places, files } as unknown as Json);
    return;
  }
  const rows = files.map((f) => [f.teacher, f.uri, bytesText(f.sizeBytes), f.sha256.slice(0, 16), f.state]);
  process.stdout.write(`${textTable(['teacher', 'file', 'size', 'sha256', 'state'], rows)}\n`);
  if (files.some(({ state }) => state !== 'installed')) process.stdout.write(`pinned in ${places.lock}\n`);
}

/** What one agrees to by using the weights, before they are downloaded. */
function showLicence({ manifest: { licence } }: LoadedTeacher): void {
  if (isPermissive(licence.spdx)) return;
  const where = licence.url === undefined ? '' : `, ${licence.url}`;
  process.stderr.write(`  licence: ${printable(licence.spdx)}, not a permissive one${printable(where)}\n`);
  if (licence.note !== undefined) process.stderr.write(`           ${printable(licence.note)}\n`);
}

function printPlan(files: readonly PlannedFile[], json: boolean): void {
  const bytes = files.reduce((sum, f) => sum + (f.state === 'to download' ? (f.sizeBytes ?? 0) : 0), 0);
  if (json) {
    printJson({ dryRun: true, files, bytesToDownload: bytes } as unknown as Json);
    return;
  }
  const rows = files.map((f) => [
    f.teacher,
    f.url ?? f.uri,
    f.sizeBytes === null ? '?' : bytesText(f.sizeBytes),
    f.state,
  ]);
  process.stdout.write(`${textTable(['teacher', 'file', 'size', 'state'], rows)}\n`);
  process.stdout.write(`${bytesText(bytes)} to download, as far as the servers tell\n`);
}
