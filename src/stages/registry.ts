/** Every stage that a pipeline file can name. */
import type { AnyStage } from '../run/stage.ts';
import { auditStage } from './audit-stage.ts';
import { calibrateStage } from './calibrate-stage.ts';
import { cacheStage } from './cache-stage.ts';
import { curateStage } from './curate-stage.ts';
import { evaluateStage } from './evaluate-stage.ts';
import { gateStage } from './gate-stage.ts';
import { impactStage } from './impact-stage.ts';
import { indexStage } from './index-stage.ts';
import { statisticsStage } from './statistics-stage.ts';
import { trainStage } from './train-stage.ts';

export const STAGES: readonly AnyStage[] = [
  indexStage,
  auditStage,
  calibrateStage,
  gateStage,
  impactStage,
  curateStage,
  cacheStage,
  statisticsStage,
  trainStage,
  evaluateStage,
];
