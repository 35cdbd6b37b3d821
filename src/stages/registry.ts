/** Every stage that a pipeline file can name. Loaded when one names it: training alone brings megabytes of code. */
import type { StageLoaders } from '../run/stage.ts';

export const STAGES: StageLoaders = {
  index: async () => (await import('./index-stage.ts')).indexStage,
  audit: async () => (await import('./audit-stage.ts')).auditStage,
  calibrate: async () => (await import('./calibrate-stage.ts')).calibrateStage,
  gate: async () => (await import('./gate-stage.ts')).gateStage,
  impact: async () => (await import('./impact-stage.ts')).impactStage,
  curate: async () => (await import('./curate-stage.ts')).curateStage,
  part: async () => (await import('./part-stage.ts')).partStage,
  cache: async () => (await import('./cache-stage.ts')).cacheStage,
  statistics: async () => (await import('./statistics-stage.ts')).statisticsStage,
  train: async () => (await import('./train-stage.ts')).trainStage,
  evaluate: async () => (await import('./evaluate-stage.ts')).evaluateStage,
};
