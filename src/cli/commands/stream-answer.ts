/** Batches as an Arrow IPC stream, to stdout or to the first that connects. */
import * as fsp from 'node:fs/promises';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { openCatalogue } from '../../cache/catalogue.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { arrowBatches } from '../../loader/arrow-batches.ts';
import type { BadRowAction } from '../../loader/bad-rows.ts';
import { openLoader } from '../../loader/open-loader.ts';
import { PIXEL_SOURCES } from '../../loader/pixel-options.ts';
import type { LoaderState } from '../../loader/state.ts';
import { writeAtomic } from '../../store/atomic.ts';
import { usage } from '../common-options.ts';
import { openCache } from './cache-answers.ts';
import { loaderDataset } from './loader-dataset.ts';
import type { LoaderCommandOptions } from './loader-options.ts';

export interface StreamOptions extends LoaderCommandOptions {
  readonly epochs: number;
  readonly from?: number;
  readonly state?: string;
  readonly rank: number;
  readonly as: string;
  readonly pixels?: number;
  readonly pixelsFrom: string;
  readonly policy?: string;
  readonly last: string;
  readonly workers: number;
  readonly listen?: string;
}

/** @throws StillhouseError as {@link openLoader}; usage for values that an option cannot take. */
export async function streamBatches(
  spaces: readonly string[],
  options: StreamOptions,
  signal: AbortSignal,
): Promise<void> {
  const { pixels } = options;
  const { root, fs } = await openCache({ ...options, json: false });
  const snapshot = await openCatalogue(root, { fs });
  const state = options.state === undefined ? null : await readState(options.state);
  const policy = options.policy === undefined ? null : oneOf('--policy', POLICIES, options.policy);
  const loader = await openLoader<string, 'f16' | 'f32', 'u8'>({
    snapshot,
    dataset: await loaderDataset(snapshot.spaces.values(), options),
    spaces,
    batchSize: options.batch,
    seed: options.seed,
    rank: options.rank,
    worldSize: options.world,
    as: oneOf('--as', ['f16', 'f32'], options.as),
    last: oneOf('--last', ['drop', 'keep'], options.last),
    workers: options.workers,
    ...(policy === null ? {} : { policy }),
    ...(state === null ? {} : { state }),
    ...(pixels === undefined
      ? {}
      : {
          pixels: { as: 'u8', size: pixels, from: oneOf('--pixels-from', PIXEL_SOURCES, options.pixelsFrom) },
        }),
  });
  const sink = options.listen === undefined ? stdoutSink(signal) : await listen(options.listen, signal);
  const from = options.from ?? loader.state().step;
  // a batch that was not written whole is due again
  let standing: LoaderState = { ...loader.state(), step: from };
  try {
    const batches = loader.batches(from, options.epochs * loader.batchesPerEpoch);
    for await (const { step, pieces } of arrowBatches(batches)) {
      await sink.write(pieces);
      standing = { ...standing, step: step + 1 };
      signal.throwIfAborted();
    }
    standing = loader.state();
  } finally {
    if (options.state !== undefined) await writeAtomic(resolve(options.state), JSON.stringify(standing));
    await sink.end();
    await loader.close();
  }
}

const POLICIES: readonly BadRowAction[] = ['error', 'skip', 'mask-teacher'];

/** Null when the file is not there yet. */
async function readState(path: string): Promise<LoaderState | null> {
  let text: string;
  try {
    text = await fsp.readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as LoaderState;
  } catch (error) {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'the loader state is not readable',
        where: path,
        wanted: 'the JSON that `stillhouse stream --state` wrote',
        got: text.slice(0, 100),
        next: 'remove the file to start at the beginning',
      },
      error,
    );
  }
}

function oneOf<T extends string>(option: string, values: readonly T[], given: string): T {
  const found = values.find((value) => value === given);
  if (found === undefined) throw usage(`stream ${option}`, values.join(' or '), given);
  return found;
}

interface Sink {
  /** Resolves when the pieces may be overwritten. */
  write(pieces: readonly Uint8Array[]): Promise<void>;
  end(): Promise<void>;
}

function stdoutSink(signal: AbortSignal): Sink {
  if (process.stdout.isTTY)
    throw usage('stream', 'stdout that is a pipe or a file, or --listen', 'a terminal');
  return { write: (pieces) => writeAll(process.stdout, pieces, signal), end: () => Promise.resolve() };
}

/** @throws the signal's reason, also while a reader takes nothing. */
async function writeAll(out: Writable, pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  for (const piece of pieces)
    await new Promise<void>((done, failed) => {
      const stop = (): void => failed(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      out.write(piece, (error) => {
        signal.removeEventListener('abort', stop);
        if (error == null) done();
        else failed(error);
      });
    });
}

/** Waits for one reader. */
async function listen(place: string, signal: AbortSignal): Promise<Sink> {
  const server = createServer();
  const isPort = /^\d+$/.test(place);
  if (!isPort) {
    await fsp.mkdir(dirname(resolve(place)), { recursive: true });
    await removeStale(resolve(place));
  }
  const socket = await new Promise<Socket>((connected, failed) => {
    signal.addEventListener('abort', () => failed(signal.reason as Error), { once: true });
    server.once('error', failed);
    server.once('connection', connected);
    if (isPort) server.listen(Number(place), '127.0.0.1');
    else server.listen(resolve(place));
  }).catch(async (error: unknown) => {
    await closed(server);
    throw error;
  });
  // a reader that goes away is told of where its next bytes are due
  socket.on('error', () => undefined);
  return {
    write: (pieces) => writeAll(socket, pieces, signal),
    end: async () => {
      // a reader that takes nothing would never see the end
      if (signal.aborted) socket.destroy();
      await new Promise<void>((done) => (socket.destroyed ? done() : socket.end(done)));
      await closed(server);
    },
  };
}

/** A process that was killed leaves its socket behind, and nobody answers there. */
async function removeStale(path: string): Promise<void> {
  const code = await new Promise<string | undefined>((answer) => {
    const probe = connect(path, () => {
      probe.destroy();
      answer(undefined);
    });
    probe.on('error', (error) => answer(systemCodeOf(error)));
  });
  if (code === 'ECONNREFUSED') await fsp.rm(path);
}

const closed = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done());
  });
