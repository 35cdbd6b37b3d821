// Finds a Chromium to test with: CHROMIUM_PATH, else `chromium` or its other names on PATH.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Found = { readonly path: string } | { readonly missing: string };

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

export function findChromium(env: Readonly<Record<string, string | undefined>>): Found {
  const given = env['CHROMIUM_PATH'];
  if (given !== undefined && given !== '')
    return isExecutable(given)
      ? { path: given }
      : { missing: `CHROMIUM_PATH is no executable file: ${given}` };
  for (const folder of (env['PATH'] ?? '').split(delimiter).filter((one) => one !== ''))
    for (const name of NAMES) if (isExecutable(join(folder, name))) return { path: join(folder, name) };
  return { missing: `no ${NAMES.join(', ')} on PATH, and CHROMIUM_PATH is not set` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
