import { describe, expect, test } from 'vitest';
import { type HtmlValue, html, imageSource, joined, rawHtml, visibleText } from '../../src/report/html.ts';

describe('the html tag', () => {
  test.each<readonly [string, HtmlValue, string]>([
    ['a string', '<b>', '&#60;b&#62;'],
    ['a number', 0, '0'],
    ['nothing', null, ''],
    ['false', false, ''],
    ['a list', ['a', html`<i>b</i>`, null, 3], 'a<i>b</i>3'],
    ['trusted markup', rawHtml('<hr>'), '<hr>'],
  ])('renders %s', (_, value, expected) => {
    expect(html`${value}`.toString()).toBe(expected);
  });

  test('refuses a value in an attribute without quotes', () => {
    expect(() => html`<p class=${'a b'}></p>`).toThrow('internal: an attribute value needs quotes');
  });

  test('drops the indentation of the template and keeps that of the values', () => {
    // Under another name, so that the formatter leaves the template alone.
    const tag = html;
    expect(
      tag`<p>
        ${rawHtml('a\n   b')}
      </p>`.toString(),
    ).toBe('<p>\na\n   b\n</p>');
  });

  test('joins with a separator only between values', () => {
    expect(joined(['a', '<', 'c'], ', ').toString()).toBe('a, &#60;, c');
    expect(joined([], ', ').toString()).toBe('');
  });
});

test('controls, lone surrogates and direction overrides are shown, whole emoji are kept', () => {
  expect(visibleText('a\nb\0\u202ec\ud83d \ude00 😀👩‍🚀')).toBe('a\\u000ab\\u0000\\u202ec\\ud83d \\ude00 😀👩‍🚀');
});

test.each([
  'https://example.org/x.png',
  'data:image/svg+xml;base64,PHN2Zy8+',
  'data:text/html;base64,QQ==',
  'javascript:alert(1)',
  'data:image/png;base64,AA" onerror="x',
  'data:image/png;base64,',
])('%s is no image source', (uri) => {
  expect(imageSource(uri)).toBeNull();
});

test('every single UTF-16 unit becomes well-formed text that UTF-8 can carry', () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const shown = visibleText(String.fromCharCode(unit));
    expect(Buffer.from(shown, 'utf8').toString('utf8')).toBe(shown);
  }
});
