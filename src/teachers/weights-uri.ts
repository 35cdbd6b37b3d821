/** What the URIs of weights say: which kind they are, and under which name a file must lie beside its model. */
import { posix } from 'node:path';
import { hubFileOf } from './hub.ts';

/** Whether the file has to be pulled before it can be used. */
export function isRemote(uri: string): boolean {
  return uri.startsWith('hf:') || uri.startsWith('https:');
}

/**
 * Name of a file relative to the folder of its model: `model.onnx_data` beside `onnx/model.onnx`. A file from another place goes
 * by its last name.
 */
export function nameBeside(modelUri: string, uri: string): string {
  const [model, file] = [remotePath(modelUri), remotePath(uri)];
  const folder = posix.dirname(model.path);
  const relative = posix.relative(folder, file.path);
  const isBelow = model.origin === file.origin && !relative.startsWith('..') && relative !== '';
  return isBelow ? relative : posix.basename(file.path);
}

/** URI of a file that a model names by a path relative to itself. */
export function uriBeside(modelUri: string, name: string): string {
  if (modelUri.startsWith('https:')) return new URL(encodeURI(name), modelUri).href;
  return `${modelUri.slice(0, modelUri.lastIndexOf('/') + 1)}${name}`;
}

function remotePath(uri: string): { readonly origin: string; readonly path: string } {
  const file = hubFileOf(uri);
  if (file !== null) return { origin: `${file.repo}@${file.revision}`, path: `/${file.path}` };
  const { origin, pathname } = new URL(uri);
  return { origin, path: decodeURIComponent(pathname) };
}
