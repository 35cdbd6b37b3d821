import { describe, expect, it } from 'vitest';
import { codecChoices } from '../../src/cli/codec-option.ts';
import { failing } from '../support/failing.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const TEACHERS = ['nanodet', './sam.vit.yaml', 'nano', 'nanospatial', 'vit.summary'];

describe('--codec', () => {
  it.each([
    [['i8p'], { summary: { id: 'i8p' }, spatial: { id: 'i8p' } }, {}],
    [['i4p-pool2'], { summary: { id: 'i4p' }, spatial: { id: 'i4p', pool: 2 } }, {}],
    [['spatial=i8p'], { spatial: { id: 'i8p' } }, {}],
    [['i8p', 'summary=f32'], { summary: { id: 'f32' }, spatial: { id: 'i8p' } }, {}],
    [['nanodet=i8c'], null, { nanodet: { summary: { id: 'i8c' }, spatial: { id: 'i8c' } } }],
    [['./sam.vit.yaml.spatial=i4p-c8'], null, { './sam.vit.yaml': { spatial: { id: 'i4p', channels: 8 } } }],
    [['nanospatial=f16'], null, { nanospatial: { summary: { id: 'f16' }, spatial: { id: 'f16' } } }],
    [['nanospatial.spatial=f16'], null, { nanospatial: { spatial: { id: 'f16' } } }],
    [['vit.summary=f16'], null, { 'vit.summary': { summary: { id: 'f16' }, spatial: { id: 'f16' } } }],
    [['vit.summary.summary=f16'], null, { 'vit.summary': { summary: { id: 'f16' } } }],
  ])('%j says for which targets it is', (texts, all, byTeacher) => {
    const choices = codecChoices(texts, TEACHERS);
    expect(choices.all).toEqual(all);
    expect(Object.fromEntries(choices.byTeacher)).toEqual(byTeacher);
  });

  it.each([
    ['i9p'],
    ['nanodet=q'],
    ['vit=i8p'],
    ['vit.spatial=i8p'],
    ['nanodetspatial=i8p'],
    ['.spatial=i8p'],
    ['=i8p'],
    ['=i8p-pool1'],
    [''],
  ])('%j is a usage error', (text) => {
    expect(() => codecChoices([text], TEACHERS)).toThrow(failing(2, { where: '--codec' }));
  });
});

describe('--codec takes one value, so that what follows is an argument:', () => {
  it.each([
    ['derive', 'before', ['derive', '--codec', 'i8c', 'tiny@16.spatial'], 'there is no cache here'],
    ['derive', 'after', ['derive', 'tiny@16.spatial', '--codec', 'i8c'], 'there is no cache here'],
    ['import', 'before', ['import', '--codec', 'f32', 'exported'], 'exported'],
    ['import', 'after', ['import', 'exported', '--codec', 'f32'], 'exported'],
  ])('cache %s with the option %s its argument', async (_, __, args, said) => {
    expect(expectOneMessage(await cli(['cache', ...args], { cwd: await tempFolder() }), 3)).toContain(said);
  });
});
