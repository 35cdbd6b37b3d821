/**
 * HTML as a value. The `html` tag escapes everything put into it, in text and in quoted attribute values; markup enters
 * only through the tag itself or through {@link rawHtml}. What HTML cannot carry or a reader cannot see (control characters,
 * lone surrogates, direction overrides) is shown as a visible `\u` escape, so a hostile file name is a readable one.
 */

export class SafeHtml {
  readonly #text: string;

  /** Use {@link html} or {@link rawHtml}. */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

export type HtmlValue = SafeHtml | string | number | null | undefined | false | readonly HtmlValue[];

export const NOTHING = new SafeHtml('');

/** Trusts the text as markup. Only for constants of this program: the style sheet, the script, path data of a chart. */
export function rawHtml(text: string): SafeHtml {
  return new SafeHtml(text);
}

/**
 * Template tag. Strings and numbers are escaped, lists are joined, null, undefined and false vanish. A line break of the
 * template and the white space around it come out as one line break.
 * @throws Error (a defect) on a value right after `=`: an attribute without quotes cannot be made safe.
 */
export function html(template: TemplateStringsArray, ...values: readonly HtmlValue[]): SafeHtml {
  const parts = unindented(template);
  let text = parts[0]!;
  for (let i = 0; i < values.length; i++) {
    if (parts[i]!.endsWith('=')) throw new Error('internal: an attribute value needs quotes');
    text += markupOf(values[i]) + parts[i + 1]!;
  }
  return new SafeHtml(text);
}

const unindentedTemplates = new WeakMap<TemplateStringsArray, readonly string[]>();

/** Once per template: a gallery runs the same one for every image. */
function unindented(template: TemplateStringsArray): readonly string[] {
  let parts = unindentedTemplates.get(template);
  if (parts === undefined) {
    parts = template.map((part) => part.replace(/\s*\n\s*/g, '\n'));
    unindentedTemplates.set(template, parts);
  }
  return parts;
}

function markupOf(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof SafeHtml) return value.toString();
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return value.map(markupOf).join('');
}

/** Text that means itself in element content and in a quoted attribute value, after {@link visibleText}. */
export function escapeHtml(text: string): string {
  return visibleText(text).replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/**
 * C0 and C1 controls, line separators, direction overrides, byte order marks, non-characters and lone surrogates become
 * `\uXXXX` text; everything else stays as it is. Idempotent.
 */
export function visibleText(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const IMAGE_DATA_URI = /^data:image\/(?:png|jpeg|webp|gif|avif);base64,[A-Za-z0-9+/]+={0,2}$/;

/** The data URI when it is one of an image, else null: nothing else may reach a `src`. */
export function imageSource(dataUri: string | null): string | null {
  return dataUri !== null && IMAGE_DATA_URI.test(dataUri) ? dataUri : null;
}

/** Values with markup between them. */
export function joined(values: readonly HtmlValue[], separator: string | SafeHtml): SafeHtml {
  return html`${values.map((value, i) => (i === 0 ? value : html`${separator}${value}`))}`;
}
