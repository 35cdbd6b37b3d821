import { describe, expect, it } from 'vitest';
import { Window } from '../../../src/cache/fill/window.ts';

/** Whether a promise has settled once everything that is due has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

describe('a window', () => {
  it('lets in what fits and makes the rest wait in line, small ones too', async () => {
    const window = new Window(10);
    await window.take(6);
    const [large, small] = [window.take(5), window.take(1)];
    expect([await settled(large), await settled(small)]).toEqual([false, false]);
    expect(window.hasRoom(1), 'nobody passes those who wait').toBe(false);
    window.give(6);
    expect([await settled(large), await settled(small)]).toEqual([true, true]);
  });

  it('lets what is larger than itself pass alone', async () => {
    const window = new Window(10);
    await window.take(1);
    const huge = window.take(1000);
    expect(await settled(huge)).toBe(false);
    window.give(1);
    await huge;
    expect(window.hasRoom(1)).toBe(false);
    window.give(1000);
    expect(window.hasRoom(10)).toBe(true);
  });

  it('refuses everyone with the reason once it is closed', async () => {
    const window = new Window(1);
    await window.take(1);
    const waiting = window.take(1);
    window.close(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    await expect(window.take(0)).rejects.toThrow('stop');
  });
});
