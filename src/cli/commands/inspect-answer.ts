/** What is this file or folder? Parts, Parquet tables, checkpoints, models, runs. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../../core/canonical-json.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { withFileSource } from '../../format/byte-source.ts';
import { type OnnxPort, outlineOnnx } from '../../format/onnx-outline.ts';
import { weightsPrecisionOf } from '../../format/onnx-precision.ts';
import { readParquet } from '../../format/parquet-table.ts';
import { readPartIndex, readPartLayout } from '../../format/tensor-part-layout.ts';
import { decodeCheckpoint } from '../../student/checkpoint.ts';

/** @throws StillhouseError bad-input when there is nothing, or nothing of a known kind. */
export async function describePath(path: string, rows: number): Promise<Json> {
  const stat = await fsp.stat(path).catch((error: unknown) => {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'there is nothing to inspect',
        where: path,
        got: code,
        next: 'check the path',
      },
      error,
    );
  });
  if (stat.isDirectory()) return describeFolder(path);
  if (path.endsWith('.onnx')) return describeOnnx(path);
  const bytes = await fsp.readFile(path);
  const kind = /\.(\w+)$/.exec(path)?.[1] ?? '';
  switch (kind) {
    case 'arrow': {
      const read = (offset: number, length: number): Promise<Uint8Array> =>
        Promise.resolve(Uint8Array.from(bytes.subarray(offset, offset + length)));
      const layout = await readPartLayout(read, bytes.length, path);
      const index = await readPartIndex(read, layout, path);
      return {
        kind: 'cache part',
        rows: layout.rows,
        usable: index.ok.reduce((sum, ok) => sum + ok, 0),
        shape: [...layout.shape],
        dtype: layout.dtype,
        rowBytes: layout.rowBytes,
        payloadAtByte: layout.at.payload,
        metadata: Object.fromEntries(layout.metadata),
      };
    }
    case 'parquet': {
      const table = (await readParquet(path)) as Json[];
      return { kind: 'Parquet table', rows: table.length, first: table.slice(0, rows) };
    }
    case 'safetensors': {
      const state = decodeCheckpoint(bytes, path);
      return {
        kind: 'student checkpoint',
        step: state.step,
        parameters: [...state.parameters.values()].reduce((sum, values) => sum + values.length, 0),
        vit: state.config.vit,
        targets: state.config.targets,
      };
    }
    case 'json':
      return { kind: 'JSON', content: jsonOf(bytes, path) };
    default:
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'this kind of file is not known',
        where: path,
        wanted: '.arrow, .parquet, .safetensors, .onnx, .json, or a run folder',
        got: kind === '' ? 'no ending' : `.${kind}`,
        next: 'name one of those',
      });
  }
}

/** Of any size: the values of its tensors are not read. */
function describeOnnx(path: string): Json {
  const outline = withFileSource(path, (source) => outlineOnnx(source, path));
  const portText = ({ name, dtype, shape }: OnnxPort): string =>
    `${name} ${dtype} [${shape?.map((side) => side ?? '?').join(', ') ?? '?'}]`;
  return {
    kind: 'ONNX model',
    nodes: outline.nodes.length,
    inputs: outline.inputs.map(portText),
    outputs: outline.outputs.map(portText),
    weights: weightsPrecisionOf(outline),
    externalFiles: [...outline.externalFiles],
    irVersion: outline.irVersion,
    opset: [...outline.opsets].map(([domain, version]) => `${domain} ${version}`.trim()),
  };
}

function jsonOf(bytes: Buffer, path: string): Json {
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a file is not JSON, whatever its name says',
        where: path,
        got: error.message,
        next: 'check that the file is whole',
      },
      error,
    );
  }
}

async function describeFolder(path: string): Promise<Json> {
  const stages: Json[] = [];
  for (const name of (await fsp.readdir(path)).sort()) {
    const text = await fsp.readFile(join(path, name, 'stage.json'), 'utf8').catch((error: unknown) => {
      if (systemCodeOf(error) !== undefined) return null;
      throw error;
    });
    if (text === null) continue;
    const { fingerprint, seconds, outcome } = JSON.parse(text) as {
      fingerprint: string;
      seconds: number;
      outcome: { seen: number; kept: number; rejected: Json };
    };
    stages.push({
      id: name,
      fingerprint,
      seconds,
      seen: outcome.seen,
      kept: outcome.kept,
      rejected: outcome.rejected,
    });
  }
  return { kind: stages.length > 0 ? 'run' : 'folder', stages };
}
