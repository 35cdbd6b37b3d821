/** Folders of real images: 64 px emoji with alpha, as two vendors draw them. */
import { copyFile, mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export const VENDORS = { twitter: 'emoji-datasource-twitter', google: 'emoji-datasource-google' } as const;
export type Vendor = keyof typeof VENDORS;

const imagesOf = (vendor: Vendor): string =>
  join(import.meta.dirname, '..', '..', 'node_modules', VENDORS[vendor], 'img', vendor, '64');

/** File names that both vendors have, in byte order: animals, plants and food, with few near-duplicates. */
export async function emojiNames(count: number): Promise<string[]> {
  const [ours, theirs] = await Promise.all([readdir(imagesOf('twitter')), readdir(imagesOf('google'))]);
  const both = new Set(theirs);
  return ours
    .filter((name) => name >= '1f330' && both.has(name))
    .sort()
    .slice(0, count);
}

/** Copies some of one vendor's emoji into a folder. `labels` puts them into that many subfolders in turn. */
export async function copyEmoji(
  folder: string,
  options: { readonly vendor: Vendor; readonly names: readonly string[]; readonly labels?: number },
): Promise<void> {
  const { vendor, names, labels } = options;
  for (const [i, name] of names.entries()) {
    const target = labels === undefined ? folder : join(folder, `class-${i % labels}`);
    await mkdir(target, { recursive: true });
    await copyFile(join(imagesOf(vendor), name), join(target, name));
  }
}

/** The same code points on two sides: `train` as Twitter draws them, `eval` as Google does. */
export async function copySides(folder: string, names: readonly string[]): Promise<void> {
  for (const [side, vendor] of [
    ['train', 'twitter'],
    ['eval', 'google'],
  ] as const)
    await copyEmoji(join(folder, side), { vendor, names });
}

/** The bytes of one vendor's first emoji, as {@link emojiNames} orders them. */
export async function readEmoji(vendor: Vendor, count: number): Promise<Buffer[]> {
  return Promise.all((await emojiNames(count)).map((name) => readFile(join(imagesOf(vendor), name))));
}
