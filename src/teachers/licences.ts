/** Which licences of weights ask for a look before one uses them. */

/** SPDX identifiers that allow any use, with no more than a notice: OSI-approved permissive ones, CC0 and CC-BY. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC-BY-4.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unlicense',
  'Zlib',
]);

/** False for anything not known to be permissive: non-commercial, copyleft, custom and unknown licences. */
export function isPermissive(spdx: string): boolean {
  return PERMISSIVE.has(spdx);
}
