/**
 * Kernels in WebAssembly SIMD over a memory of their own: synchronous, usable in any thread, and with the same bits on every machine,
 * because WebAssembly fixes the rounding of every operation and the kernels the order of every sum. Plain loops of JavaScript reach a
 * tenth of the speed.
 */
import { type Code, END, unsigned } from './instructions.ts';

/** Takes integers (addresses in bytes, counts) and returns nothing. */
export interface KernelSource {
  readonly name: string;
  readonly parameters: number;
  /** Locals behind the parameters: integers first, then vectors. */
  readonly integers: number;
  readonly vectors: number;
  readonly code: Code;
}

export interface Kernels<Name extends string> {
  readonly buffer: ArrayBuffer;
  readonly run: Readonly<Record<Name, (...args: number[]) => void>>;
}

/** The part of the standard global that is used: its types come with those of the DOM, which a Node program does without. */
declare const WebAssembly: {
  readonly Memory: {
    new (size: { initial: number }): { readonly buffer: ArrayBuffer };
    new (size: { initial: number; maximum: number; shared: true }): SharedMemory;
  };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, object>>,
  ) => { readonly exports: Readonly<Record<string, (...args: number[]) => void>> };
};

/** Memory of several threads, which each open kernels over. Can be sent to a thread. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

const PAGE_BYTES = 65_536;
/** 4 GiB. */
const MOST_PAGES = 65_536;

/** Zeroed, page aligned, at least as large as asked for; null where the system has no address space for it. */
export function sharedMemory(sizeBytes: number): SharedMemory | null {
  const pages = Math.ceil(sizeBytes / PAGE_BYTES);
  if (pages > MOST_PAGES) return null;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Opens kernels over a memory of their own, zeroed. Compiled once per thread. */
export function kernelModule<Name extends string>(
  sources: () => readonly (KernelSource & { readonly name: Name })[],
): (sizeBytes: number) => Kernels<Name> {
  let module: object | undefined;
  return (sizeBytes) => {
    module ??= new WebAssembly.Module(assembled(sources(), 'own'));
    const memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / PAGE_BYTES) });
    const { exports } = new WebAssembly.Instance(module, { host: { memory } });
    return { buffer: memory.buffer, run: exports };
  };
}

/** Kernels over memory that was made before. Compiled once per thread. */
export function sharedKernels<Name extends string>(
  sources: () => readonly (KernelSource & { readonly name: Name })[],
): (memory: SharedMemory) => Kernels<Name>['run'] {
  let module: object | undefined;
  return (memory) => {
    module ??= new WebAssembly.Module(assembled(sources(), 'shared'));
    return new WebAssembly.Instance(module, { host: { memory } }).exports;
  };
}

const I32 = 0x7f;
const V128 = 0x7b;

function assembled(kernels: readonly KernelSource[], memory: 'own' | 'shared'): Uint8Array {
  const count = kernels.length;
  const code = kernels.flatMap(({ integers, vectors, code }) => {
    const body = [2, integers, I32, vectors, V128, ...code, END];
    return [...unsigned(body.length), ...body];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [
      count,
      ...kernels.flatMap(({ parameters }) => [0x60, parameters, ...Array<number>(parameters).fill(I32), 0]),
    ]),
    // import host.memory, at least 0 pages; shared memory has a limit
    ...section(2, [
      1,
      ...text('host'),
      ...text('memory'),
      2,
      ...(memory === 'own' ? [0, 0] : [3, 0, ...unsigned(MOST_PAGES)]),
    ]),
    ...section(3, [count, ...kernels.keys()]),
    ...section(7, [count, ...kernels.flatMap(({ name }, i) => [...text(name), 0, i])]),
    ...section(10, [count, ...code]),
  ]);
}

const text = (name: string): Code => [name.length, ...Buffer.from(name)];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
