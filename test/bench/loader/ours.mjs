// One epoch of the loader, in a process of its own: seconds to the first batch and for the rest, bytes, memory. Prints one JSON line.
// node ours.mjs <cache> <batch> <workers> [epochs]
import { openCatalogue } from '../../../dist/cache/catalogue.js';
import { openLoader } from '../../../dist/loader/open-loader.js';
import { LABELS } from './dataset.mjs';

const [root, batchSize, workers, epochs = 1] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const started = performance.now();
const snapshot = await openCatalogue(root);
const keys = [...[...snapshot.spaces.values()][0].rows.keys()];
const openedMs = performance.now() - started;
const loader = await openLoader({
  snapshot,
  dataset: { name: 'bench', keys },
  spaces: LABELS,
  batchSize,
  seed: 1,
  workers,
  as: 'f16',
  last: 'keep',
});
let firstMs = null;
let firstBytes = 0;
const rates = [];
const steady = [];
for (let epoch = 0; epoch < epochs; epoch++) {
  const epochStarted = performance.now();
  let bytes = 0;
  // as the peers are measured: from the moment that the epoch's first batch is there
  let [beganMs, beganBytes] = [epochStarted, null];
  for await (const { teachers } of loader) {
    for (const { summary, spatial } of Object.values(teachers))
      bytes += summary.data.byteLength + spatial.data.byteLength;
    if (beganBytes === null) [beganMs, beganBytes] = [performance.now(), bytes];
    if (firstMs === null) [firstMs, firstBytes] = [performance.now() - started, bytes];
  }
  const endedMs = performance.now();
  rates.push(bytes / 1e6 / (endedMs - epochStarted));
  steady.push((bytes - beganBytes) / 1e6 / (endedMs - beganMs));
}
const { bytesRead, bytesDelivered, bytesDecoded, reads } = loader.counts;
await loader.close();
console.log(
  JSON.stringify({
    first_batch_ms: firstMs,
    first_batch_bytes: firstBytes,
    catalogue_ms: openedMs,
    gb_per_s: rates,
    steady_gb_per_s: steady,
    // every delivered byte is copied once by the kernel, and once more where a codec is undone
    copies_per_byte: (bytesRead + bytesDecoded) / bytesDelivered,
    reads,
    peak_mb: process.resourceUsage().maxRSS / 1000,
  }),
);
