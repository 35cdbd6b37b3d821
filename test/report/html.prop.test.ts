import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapeHtml, html, imageSource, visibleText } from '../../src/report/html.ts';
import { parseHtml } from './parsed-html.ts';

// Text that likes to break out: markup, quotes, references, controls, direction overrides, lone surrogates.
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '"',
        "'",
        '`',
        '&',
        '&lt;',
        '</script>',
        '<script>',
        '<!--',
        ']]>',
        '\n',
        '\r',
        '\0',
        '\u202e',
        '\u2028',
        '=',
        ' onload=',
        '\\',
      ),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.string({ unit: 'binary' }),
    ),
  )
  .map((pieces) => pieces.join(''));

describe('whatever string goes in', () => {
  test('the parsed text is its visible form and no element appears', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const parsed = parseHtml(html`<p>${text}</p>`.toString());
        expect(parsed.elements.map((one) => one.tag)).toEqual(['p']);
        expect(parsed.text).toBe(visibleText(text));
      }),
    );
  });

  test('as an attribute value it stays one value of one attribute', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const [image, ...others] = parseHtml(html`<img alt="${text}" src="data:," />`.toString()).elements;
        expect(others).toEqual([]);
        expect([...image!.attributes]).toEqual([
          ['alt', visibleText(text)],
          ['src', 'data:,'],
        ]);
      }),
    );
  });

  test('the output holds none of the characters that markup is made of, and is well-formed Unicode without controls', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const out = escapeHtml(text);
        expect(out).not.toMatch(/[<>"'`\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        expect(Buffer.from(out, 'utf8').toString('utf8')).toBe(out);
      }),
    );
  });

  test('the visible form is idempotent, and text without special characters is its own', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(visibleText(visibleText(text))).toBe(visibleText(text));
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~À-ÿ一-龥😀-😏]*$/u), (text) => {
        expect(visibleText(text)).toBe(text);
      }),
    );
  });

  test('it is an image source only when it is a base64 data URI of a raster image', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(imageSource(text)).toBeNull();
        expect(imageSource(`data:image/png;base64,QUJD${text}`) === null).toBe(
          !/^[A-Za-z0-9+/]*={0,2}$/.test(text),
        );
      }),
    );
  });
});
