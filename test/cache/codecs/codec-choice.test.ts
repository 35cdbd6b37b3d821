import { describe, expect, it } from 'vitest';
import { codecChoiceSchema, codecFor } from '../../../src/cache/codecs/codec-choice.ts';

describe('the codec of a pipeline file', () => {
  it.each([
    ['i8p', { summary: { id: 'i8p' }, spatial: { id: 'i8p' } }],
    ['i4p-pool2', { summary: { id: 'i4p' }, spatial: { id: 'i4p', pool: 2 } }],
    [
      { id: 'i8p', channels: 64 },
      { summary: { id: 'i8p', channels: 64 }, spatial: { id: 'i8p', channels: 64 } },
    ],
    [{ spatial: 'i8p' }, { spatial: { id: 'i8p' } }],
    [
      { summary: 'f32', spatial: { id: 'f16', pool: 2 } },
      { summary: { id: 'f32' }, spatial: { id: 'f16', pool: 2 } },
    ],
  ])('%j is understood by kind', (given, choice) => {
    expect(codecChoiceSchema.parse(given)).toEqual(choice);
  });

  it.each([['i9p'], [{ summary: 'i9p' }], [{ maps: 'i8p' }], ['i8p-c0']] as [unknown][])(
    '%j is refused',
    (given) => {
      expect(codecChoiceSchema.safeParse(given).success).toBe(false);
    },
  );

  it('of a teacher counts before that of the stage, kind by kind, and f16 is what is left', () => {
    const own = codecChoiceSchema.parse({ spatial: 'i4p' });
    const general = codecChoiceSchema.parse({ summary: 'f32', spatial: 'i8p' });
    expect(codecFor('spatial', [own, general])).toEqual({ id: 'i4p' });
    expect(codecFor('summary', [own, general])).toEqual({ id: 'f32' });
    expect(codecFor('summary', [own, undefined])).toEqual({ id: 'f16' });
  });
});
