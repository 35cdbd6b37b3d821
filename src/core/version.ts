/** The version of this package; test/package.test.ts keeps it equal to package.json. */
export const STILLHOUSE_VERSION = '0.1.0';
