// The package as others see it: exact pins, one version, the agreed root, and the names it exports.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { STILLHOUSE_VERSION } from '../src/core/version.ts';
import * as barrel from '../src/index.ts';

const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));

describe('package.json', () => {
  it('pins every dependency exactly', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)),
    );
    expect(ranges).toEqual([]);
  });

  it('has the version that the program prints, a bin that the build makes, and the Node it needs', () => {
    expect(manifest.version).toBe(STILLHOUSE_VERSION);
    expect(manifest.bin).toEqual({ stillhouse: 'dist/cli/main.js' });
    expect(fs.existsSync('dist/cli/main.js')).toBe(true);
    expect(manifest.engines).toEqual({ node: '>=20.20' });
  });
});

describe('the repository', () => {
  const tracked = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).trim().split('\n');

  it('holds only the agreed root entries', () => {
    const allowed =
      /^(package\.json|package-lock\.json|tsconfig\.json|Makefile|README\.md|LICENSE|src|pipelines|manifests|test|\.[^/]+)$/;
    expect(
      [...new Set(tracked.map((path) => path.split('/')[0]!))].filter((name) => !allowed.test(name)),
    ).toEqual([]);
  });

  it('names no registry in its lock file', () => {
    expect(fs.readFileSync('package-lock.json', 'utf8')).not.toMatch(/"resolved": "https?:/);
  });
});

describe('the exported names', () => {
  it('are these', () => {
    expect(Object.keys(barrel).sort()).toEqual([
      'STAGES',
      'StillhouseError',
      'TargetReader',
      'arrowBatches',
      'bindPipeline',
      'encodePart',
      'isStillhouseError',
      'loadTeacher',
      'machineClock',
      'openCatalogue',
      'openLoader',
      'openPlace',
      'openTeacher',
      'payloadRow',
      'pictureDataset',
      'planPipeline',
      'readDataset',
      'readPartIndex',
      'readPartLayout',
      'readPipelineFile',
      'renderReport',
      'runPipeline',
      'shuffleQuality',
      'spaceIdOf',
      'spaceLabel',
      'tfDataset',
      'verifyCache',
      'viewIdOf',
      'viewsOf',
    ]);
  });
});
