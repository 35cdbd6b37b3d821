// A reader of the HTML we write, independent of the writer: tags, attributes and decoded text. It knows exactly what the
// report uses (quoted attributes, numeric references, &nbsp;) and refuses the rest, so a stray `<` cannot pass unnoticed.

export interface Element {
  readonly tag: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface ParsedHtml {
  readonly elements: readonly Element[];
  /** All text outside style and script, decoded. */
  readonly text: string;
}

const VOID = new Set(['meta', 'link', 'img', 'br', 'input', 'line', 'rect', 'path', 'circle']);

/** @throws Error on an unbalanced tag, an unquoted attribute, a bare `<` or `&`. */
export function parseHtml(html: string): ParsedHtml {
  const elements: Element[] = [];
  const open: string[] = [];
  let text = '';
  let at = 0;
  while (at < html.length) {
    if (html[at] !== '<') {
      const end = html.indexOf('<', at);
      text += decoded(html.slice(at, end === -1 ? html.length : end));
      at = end === -1 ? html.length : end;
      continue;
    }
    const tag =
      /^<(?:!doctype html|\/([a-z0-9]+)\s*|([a-z0-9]+)((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:="[^"]*")?)*)\s*\/?)>/.exec(
        html.slice(at),
      );
    if (tag === null) throw new Error(`not a tag we write: ${html.slice(at, at + 60)}`);
    at += tag[0].length;
    if (tag[1] !== undefined && open.pop() !== tag[1]) throw new Error(`unbalanced </${tag[1]}>`);
    if (tag[2] === undefined) continue;
    elements.push({ tag: tag[2], attributes: attributesOf(tag[3]!) });
    if (tag[2] === 'style' || tag[2] === 'script') at = html.indexOf(`</${tag[2]}>`, at);
    if (!VOID.has(tag[2])) open.push(tag[2]);
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(' ')}`);
  return { elements, text };
}

function attributesOf(source: string): Map<string, string> {
  return new Map(
    [...source.matchAll(/([a-zA-Z][a-zA-Z0-9-]*)(?:="([^"]*)")?/g)].map((m) => [m[1]!, decoded(m[2] ?? '')]),
  );
}

function decoded(text: string): string {
  return text.replace(/&([^;]{0,8};?)/g, (_, name: string) => {
    if (name === 'nbsp;') return '\u00a0';
    const code = /^#(\d+);$/.exec(name)?.[1];
    if (code === undefined) throw new Error(`bare ampersand or unknown reference: &${name}`);
    return String.fromCodePoint(Number(code));
  });
}
