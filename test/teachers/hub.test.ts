import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { hubFileOf, hubUrl } from '../../src/teachers/hub.ts';
import { readPins } from '../../src/teachers/weights-lock.ts';
import { failing } from '../support/failing.ts';
import { after, answering, fileServer, redirecting } from '../support/file-server.ts';
import { COMMIT, MODEL, URI, at, hubFile, rig } from './pull-rig.ts';

describe('the address of a file on a hub', () => {
  it.each([
    ['hf:o/r@main/a/b.onnx', null, 'https://hub.org/o/r/resolve/main/a/b.onnx'],
    ['hf:o/r@main/a b#c?.onnx', null, 'https://hub.org/o/r/resolve/main/a%20b%23c%3F.onnx'],
    ['hf:o/r@refs%2Fpr%2F1/m.onnx', null, 'https://hub.org/o/r/resolve/refs%2Fpr%2F1/m.onnx'],
    ['hf:o/r@main/100%.onnx', null, 'https://hub.org/o/r/resolve/main/100%25.onnx'],
    ['hf:o/r@main/m.onnx', COMMIT, `https://hub.org/o/r/resolve/${COMMIT}/m.onnx`],
  ])('%s at commit %s is %s', (uri, commit, url) => {
    for (const endpoint of ['https://hub.org', 'https://hub.org/'])
      expect(hubUrl(hubFileOf(uri)!, { endpoint, token: null }, commit)).toBe(url);
  });

  it('of a mirror below a path keeps the path', () => {
    expect(hubUrl(hubFileOf(URI)!, { endpoint: 'https://m.org/hf/', token: null }, null)).toBe(
      'https://m.org/hf/owner/repo/resolve/main/onnx/model.onnx',
    );
  });

  it('is none for weights from elsewhere', () => {
    expect(hubFileOf('https://example.org/m.onnx')).toBeNull();
  });
});

describe('the token of the hub', () => {
  const token = 'hf_secret';

  it('goes to the hub and not to the host that the hub sends on to', async () => {
    const r = await rig();
    const cdn = await fileServer({ '/blob': { bytes: MODEL } });
    const { headers } = hubFile(MODEL);
    // the first request asks what there is, the second fetches it
    r.hub.script.push(
      redirecting(cdn.url('/blob?signature=x'), headers),
      redirecting(cdn.url('/blob?signature=x'), headers),
    );
    const [file] = await r.pull({ hub: { endpoint: `${r.hub.origin}/`, token } });
    expect(file).toMatchObject({ sha256: sha256(MODEL) });
    expect(r.hub.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${token}`,
      `Bearer ${token}`,
    ]);
    expect(cdn.requests.length).toBeGreaterThan(0);
    expect(JSON.stringify(cdn.requests)).not.toContain(token);
    expect((await readPins(join(r.folder, 'teachers.lock'))).get(URI)!.commit).toBe(COMMIT);
    expect(JSON.stringify(r.events)).not.toContain(token);
  });

  it('stays with a repository that was renamed, whose commit is pinned all the same', async () => {
    const r = await rig();
    r.hub.files.set('/new/name/model.onnx', hubFile(MODEL));
    r.hub.script.push(redirecting('/new/name/model.onnx'));
    r.hub.files.delete(at('main'));
    r.hub.script.push(
      after(() => undefined),
      redirecting('/new/name/model.onnx'),
    );
    await r.pull({ hub: { endpoint: r.hub.origin, token } });
    expect(new Set(r.hub.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set([`Bearer ${token}`]),
    );
    expect((await readPins(join(r.folder, 'teachers.lock'))).get(URI)!.commit).toBe(COMMIT);
  });

  it('is not sent in clear to another machine', async () => {
    const r = await rig();
    await expect(r.pull({ hub: { endpoint: 'http://hub.example.org', token } })).rejects.toThrow(
      failing(5, { where: 'http://hub.example.org', wanted: 'an https endpoint' }),
    );
  });

  it.each([401, 403])('is asked for when the hub answers %i without one', async (status) => {
    const r = await rig();
    const refuse = answering(status, { 'x-error-message': 'Access to model owner/repo is restricted.' });
    r.hub.script.push(refuse, refuse);
    await expect(r.pull()).rejects.toThrow(
      failing(5, {
        got: `status ${status}: Access to model owner/repo is restricted.`,
        next: expect.stringMatching(/owner\/repo .*HF_TOKEN/),
      }),
    );
  });
});
