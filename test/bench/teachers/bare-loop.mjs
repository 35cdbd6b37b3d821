// The engine and nothing else: session.run on the same batch again and again. Prints the seconds of the loop, without node's start,
// without loading the model and without the first call: what no pipeline can do without costs the pipeline alone.
// Usage: node bare-loop.mjs <model.onnx> <batch> <images>
import * as ort from 'onnxruntime-node';

const [model, batch, images] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const session = await ort.InferenceSession.create(model, {
  executionProviders: ['cpu'],
  intraOpNumThreads: 0,
  graphOptimizationLevel: 'all',
});
const pixels = Float32Array.from({ length: batch * 3 * 224 * 224 }, (_, i) => (i % 251) / 250);
const feeds = { pixels: new ort.Tensor('float32', pixels, [batch, 3, 224, 224]) };
await session.run(feeds);
const started = performance.now();
for (let done = 0; done < images; done += batch) await session.run(feeds);
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000 }));
