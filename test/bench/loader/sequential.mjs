// A plain sequential read of the same files into one reused buffer, 1 MiB at a time. Prints GB/s. node sequential.mjs <cache>
import { closeSync, openSync, readSync } from 'node:fs';
import { partPaths } from './dataset.mjs';

const paths = await partPaths(process.argv[2]);
const buffer = Buffer.alloc(1 << 20);
const started = performance.now();
let bytes = 0;
for (const path of paths) {
  const fd = openSync(path, 'r');
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) bytes += read;
  closeSync(fd);
}
console.log(JSON.stringify({ gb_per_s: bytes / 1e6 / (performance.now() - started) }));
