/** What a program can import. The command line is `stillhouse`; everything else inside is free to change. */
export { type Catalogue, type CachedSpace, openCatalogue } from './cache/catalogue.ts';
export { type CachePlace, type PlaceOptions, openPlace } from './cache/place.ts';
export { TargetReader, type TargetReaderOptions } from './cache/read.ts';
export { type SpaceDescriptor, spaceIdOf, spaceLabel } from './cache/space.ts';
export { type VerifyOptions, type VerifyResult, verifyCache } from './cache/verify.ts';
export { machineClock } from './core/clock.ts';
export { type Failure, StillhouseError, isStillhouseError } from './core/failure.ts';
export {
  type PartIndex,
  type ReadRange,
  type TensorPartLayout,
  readPartIndex,
  readPartLayout,
} from './format/tensor-part-layout.ts';
export { type TensorDtype, type TensorPart, encodePart, payloadRow } from './format/tensor-part.ts';
export { type Dataset, readDataset } from './images/dataset-manifest.ts';
export type { ImageRow, LedgerRow } from './images/image-row.ts';
export { type View, viewIdOf, viewsOf } from './images/view.ts';
export { arrowBatches } from './loader/arrow-batches.ts';
export type { Batch, Tensor } from './loader/batch.ts';
export { type LoaderOptions, openLoader } from './loader/open-loader.ts';
export type { PixelOptions, PixelTransform, TransformInfo } from './loader/pixel-options.ts';
export { type LoaderDataset, type Sample, pictureDataset } from './loader/samples.ts';
export type { LoaderState } from './loader/state.ts';
export { tfDataset } from './loader/tf-dataset.ts';
export type { TargetLoader } from './loader/target-loader.ts';
export { type ShuffleQuality, shuffleQuality } from './loader/shuffle-quality.ts';
export { type ReportInput } from './report/input.ts';
export { renderReport } from './report/render-report.ts';
export { type RunOptions, type RunResult, planPipeline, runPipeline } from './run/execute.ts';
export { bindPipeline, readPipelineFile } from './run/pipeline.ts';
export { STAGES } from './stages/registry.ts';
export { openTeacher } from './teachers/open-teacher.ts';
export { loadTeacher } from './teachers/registry.ts';
