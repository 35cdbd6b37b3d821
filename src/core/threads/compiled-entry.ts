/**
 * Where a worker's code lies. Node 20 cannot load TypeScript, so a worker is always a compiled file: beside its caller in `dist/`,
 * or, when the caller runs from `src/` (tests), at the same place in `dist/`.
 */

/**
 * @param name of the worker's source file, relative to the caller: `./engine-thread.ts`
 * @param from the caller's `import.meta.url`
 */
export function compiledEntry(name: string, from: string): URL {
  const entry = new URL(name.replace(/\.ts$/, '.js'), from);
  if (runsFromSource(from)) entry.pathname = entry.pathname.replace(/\/src\/(?!.*\/src\/)/, '/dist/');
  return entry;
}

/** Whether a module runs from `src/`. Then work stays in its own thread: a worker would be of another build than its caller. */
export const runsFromSource = (from: string): boolean => from.endsWith('.ts');
