import { describe, expect, it } from '@jest/globals';

import fc from '../../../test/kit/fast-check.ts';
import { html, renderLines } from './html.ts';

describe('html', () => {
  it('escapes every text, in content and in attributes', () => {
    const text = `"><script>alert('x')</script>&`;
    const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;';
    expect(html`<p title="${text}">${text}</p>`.markup).toBe(
      `<p title="${escaped}">${escaped}</p>`,
    );
  });

  it.each([
    ['a bidirectional override', 'a\u202eb', 'a\\u{202e}b'],
    ['a control character', 'a\u001b[2Jb', 'a\\u{1b}[2Jb'],
    ['a line break', 'a\r\nb', 'a\\u{d}\\u{a}b'],
    ['a zero-width space', 'a\u200bb', 'a\\u{200b}b'],
    ['a filler', 'a\u3164b', 'a\\u{3164}b'],
    ['a blank Braille pattern', 'a\u2800b', 'a\\u{2800}b'],
    ['a tag character', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['half of a surrogate pair', 'a\ud800b', 'a\\u{d800}b'],
  ])('shows %s', (_, text, shown) => {
    expect(html`${text}`.markup).toBe(shown);
  });

  it('inserts other templates, lists and numbers, and nothing for what is absent', () => {
    const items = ['<', 2].map((each) => html`<i>${each}</i>`);
    expect(html`[${items}${undefined}${false}]`.markup).toBe('[<i>&lt;</i><i>2</i>]');
  });

  it('never lets a text add markup or an invisible character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { markup } = html`${text}`;
        expect(markup).not.toMatch(/[<>"'\p{Cc}\p{Cf}\p{Cs}\p{DI}]/u);
        expect(markup.replaceAll(/&(amp|lt|gt|quot|#39);/g, '')).not.toContain('&');
      }),
    );
  });
});

describe('renderLines', () => {
  it('keeps line breaks and escapes the rest', () => {
    expect(renderLines('permit (\n\u202e<b>);\r\n').markup).toBe(
      'permit (\n\\u{202e}&lt;b&gt;);\n',
    );
  });
});
