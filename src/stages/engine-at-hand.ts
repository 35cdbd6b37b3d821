/** Engines with one teacher at one size: the last that was asked for. Those of a whole cache together may not fit in memory. */
import type { EnginePool } from '../teachers/engine-pool.ts';
import { type EnginesOptions, openEngines } from '../teachers/open-engines.ts';
import type { LoadedTeacher } from '../teachers/registry.ts';
import type { TeacherSession } from '../teachers/teacher.ts';

export class EngineAtHand {
  readonly #options: EnginesOptions;
  #engines: EnginePool | null = null;
  #opened: { readonly name: string; readonly session: TeacherSession } | null = null;

  constructor(options: EnginesOptions) {
    this.#options = options;
  }

  /** A session for single images; it ends when another is asked for. Errors as `openTeacher`. */
  async open(teacher: LoadedTeacher, sizePx: number): Promise<TeacherSession> {
    const { name } = teacher.manifest;
    if (this.#opened?.name === name && this.#opened.session.sizePx === sizePx) return this.#opened.session;
    await this.close();
    this.#engines = openEngines(this.#options);
    const session = await this.#engines.open({ teacher, sizePx, batch: 1 });
    this.#opened = { name, session };
    return session;
  }

  /** A second call does nothing. */
  async close(): Promise<void> {
    const engines = this.#engines;
    this.#engines = this.#opened = null;
    await engines?.close();
  }
}
