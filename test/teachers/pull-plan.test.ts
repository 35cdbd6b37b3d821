import { describe, expect, it } from 'vitest';
import { planPull } from '../../src/teachers/pull.ts';
import { answering } from '../support/file-server.ts';
import { listing } from '../support/temp-folder.ts';
import { COMMIT, MODEL, type Rig, URI, at, gets, rig } from './pull-rig.ts';

describe('a plan of a pull', () => {
  const options = (r: Rig) => ({
    hub: { endpoint: r.hub.origin, token: null },
    update: false,
    signal: new AbortController().signal,
  });

  it('tells addresses and sizes and writes nothing', async () => {
    const r = await rig({ uri: URI, sha256: null, files: [{ uri: 'file:beside.bin', sha256: null }] });
    const before = await listing(r.folder);
    expect(await planPull(await r.teacher(), options(r))).toEqual([
      {
        teacher: 'tiny',
        uri: URI,
        url: r.hub.url(at('main')),
        state: 'to download',
        sizeBytes: MODEL.length,
      },
      { teacher: 'tiny', uri: 'file:beside.bin', url: null, state: 'missing', sizeBytes: null },
    ]);
    expect(gets(r)).toEqual([]);
    expect(await listing(r.folder)).toEqual(before);
  });

  it('of what is here asks nobody', async () => {
    const r = await rig();
    await r.pull();
    r.hub.requests.length = 0;
    expect(await planPull(await r.teacher(), options(r))).toEqual([
      expect.objectContaining({ state: 'present', sizeBytes: MODEL.length, url: r.hub.url(at(COMMIT)) }),
    ]);
    expect(r.hub.requests).toEqual([]);
  });

  it('of a server that cannot be asked tells what it can', async () => {
    const r = await rig();
    r.hub.script.push(answering(500));
    expect(await planPull(await r.teacher(), options(r))).toEqual([
      expect.objectContaining({ state: 'to download', sizeBytes: null }),
    ]);
  });
});
