/** The whole story of one image of a finished curation, as text or JSON. */
import type { Json } from '../../core/canonical-json.ts';
import { type ImageStory, type StoryStep, imageStory } from '../../stages/image-story.ts';
import { printJson } from '../print-json.ts';

export async function explainImage(
  image: string,
  { folder, json }: { readonly folder: string; readonly json: boolean },
): Promise<void> {
  const story = await imageStory(folder, image);
  if (json) printJson(story as unknown as Json);
  else process.stdout.write(`${textOf(story).join('\n')}\n`);
}

function textOf({ image, verdict, steps }: ImageStory): string[] {
  const { path, id, label, source, licence } = image;
  const facts = [
    ...(image.width === null ? [] : [`${image.width} x ${image.height} px`]),
    ...(label === null ? [] : [`class ${label}`]),
    ...(source === null ? [] : [`source ${source}`]),
    ...(licence === null ? [] : [`licence ${licence}`]),
  ];
  return [
    `${path}${id === null ? '' : `  ${id}`}`,
    ...(facts.length === 0 ? [] : [`  ${facts.join(', ')}`]),
    `  ${verdict}`,
    '',
    ...steps.map(lineOf),
  ];
}

function lineOf({ stage, step, outcome, detail }: StoryStep): string {
  return `  ${`${stage}: ${step}`.padEnd(24)}  ${outcome.padEnd(8)}  ${detail}`.trimEnd();
}
