/** Tells an engine that ran out of memory from one that cannot do what it is asked. Engines say it only in words. */
import { StillhouseError, isStillhouseError } from '../core/failure.ts';

const WORDS = [
  // onnxruntime's arenas, on any device
  /failed to allocate memory for requested buffer/i,
  /available memory of \d+ is smaller than requested bytes/i,
  /bad_alloc|bad allocation/,
  // CUDA, cuBLAS, cuDNN, TensorRT
  /out of memory/i,
  /\b(CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED\b/,
  // WebGPU: the driver, and the largest buffer that it allows
  /VK_ERROR_OUT_OF_(DEVICE|HOST)_MEMORY/,
  /(exceeds|larger than) the max(imum)? (buffer|storage buffer binding|binding) size/i,
  // TensorFlow
  /OOM when allocating tensor/,
  // V8
  /array buffer allocation failed/i,
];

/** Whether the error, or what caused it, is a lack of memory that fewer rows might mend. */
export function isOutOfMemory(error: unknown): boolean {
  if (isStillhouseError(error)) return false;
  for (let e: unknown = error; e instanceof Error; e = e.cause)
    if (WORDS.some((words) => words.test(e.message))) return true;
  return false;
}

/** A teacher that does not fit in memory, also with the fewest images. */
export function outOfMemory(where: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'a teacher needs more memory than there is',
      where,
      wanted: 'memory for its weights and for one image',
      got: cause instanceof Error ? cause.message.slice(0, 300) : String(cause),
      next: 'choose a smaller input size or teacher, or a device with more memory',
    },
    cause,
  );
}

/**
 * What the teachers of an engine weigh together. Weights are held whole, by every session: what is larger than the limit is refused
 * before it is read and the machine starts to swap.
 */
export class HeldWeights {
  readonly #limitBytes: number;
  readonly #teachers: string[] = [];
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** @throws StillhouseError environment when these weights are too much beside those that are held. */
  checkRoomFor(teacher: string, sizeBytes: number): void {
    const sum = this.#sizeBytes + sizeBytes;
    if (sum <= this.#limitBytes) return;
    throw new StillhouseError({
      kind: 'environment',
      what: 'the weights are larger than the memory that they may use',
      where: [...new Set([...this.#teachers, teacher])].join(', '),
      wanted: `at most ${megabytes(this.#limitBytes)}: --memory-limit, or else the memory that was free at the start`,
      got: megabytes(sum),
      next: 'choose smaller teachers, fewer in one command, a higher --memory-limit, or a machine with more memory',
    });
  }

  add(teacher: string, sizeBytes: number): void {
    this.#teachers.push(teacher);
    this.#sizeBytes += sizeBytes;
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 3 : 0)} MB`;
