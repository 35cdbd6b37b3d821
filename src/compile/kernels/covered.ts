/** All kernels that src/compile turns into ONNX. */
import { convKernels } from './conv.ts';
import { elementwiseKernels } from './elementwise.ts';
import { gatherKernels } from './gather.ts';
import type { LoweringTable } from './kernel-call.ts';
import { matmulKernels } from './matmul.ts';
import { poolKernels } from './pool.ts';
import { reduceKernels } from './reduce.ts';
import { shapeKernels } from './shape.ts';

export const loweringTable: LoweringTable = {
  ...elementwiseKernels,
  ...reduceKernels,
  ...shapeKernels,
  ...gatherKernels,
  ...matmulKernels,
  ...convKernels,
  ...poolKernels,
};

/** Names of the tensorflow.js kernels a step may use on values that depend on its inputs or state, sorted. */
export const COVERED_KERNELS: readonly string[] = Object.keys(loweringTable).sort();

/** Kernels of COVERED_KERNELS that broadcast, one element at a time. */
export const ELEMENTWISE_KERNELS: ReadonlySet<string> = new Set(Object.keys(elementwiseKernels));
