import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOfUri, locate, uriOfBytes } from '../../src/images/locate.ts';

const places = { root: '/data', packagesFrom: [process.cwd()] };
const anyBytes = fc.uint8Array({ maxLength: 40 });

describe('a uri of a path', () => {
  it('decodes to the bytes it was made of, whatever they are', () => {
    fc.assert(fc.property(anyBytes, (bytes) => bytesOfUri(uriOfBytes(bytes)).equals(bytes)));
  });

  it('holds only characters that need no escaping anywhere', () => {
    fc.assert(fc.property(anyBytes, (bytes) => /^[A-Za-z0-9\-._~/%]*$/.test(uriOfBytes(bytes))));
  });

  it('leads to a file below the root or is refused', () => {
    const segment = fc.oneof(
      fc.constantFrom('..', '.', '', 'a', '%2E%2E', '%2e.', '%2F..', '%00'),
      fc.string(),
    );
    const uri = fc.oneof(
      fc.array(segment, { maxLength: 5 }).map((parts) => parts.join('/')),
      anyBytes.map(uriOfBytes),
    );
    fc.assert(
      fc.property(uri, (text) => {
        let path: Buffer;
        try {
          path = locate(text, places);
        } catch (error) {
          expect(error).toMatchObject({ failure: { kind: 'bad-input' } });
          return;
        }
        const steps = path.toString('latin1').split('/');
        expect(steps.slice(0, 2)).toEqual(['', 'data']);
        expect(steps).not.toContain('..');
        expect(path.includes(0)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
