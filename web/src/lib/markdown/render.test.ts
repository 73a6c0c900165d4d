// @vitest-environment jsdom
import { describe, expect, test } from 'vitest';

import { render } from './render';

function html(markdown: string, under: 1 | 2 = 1): string {
  const holder = document.createElement('div');
  holder.append(render(markdown, under));
  return holder.innerHTML.trim();
}

describe('entry text', () => {
  test('is rendered as Markdown, each block in its own direction', () => {
    expect(html('Hello *you*')).toBe('<p dir="auto">Hello <em>you</em></p>');
    expect(html('> quoted')).toMatch(/^<blockquote dir="auto">/);
    expect(html('- one\n- two')).toMatch(/^<ul dir="auto">/);
  });

  test('keeps its line breaks', () => {
    expect(html('one\ntwo')).toBe('<p dir="auto">one<br>two</p>');
  });

  test("has headings below the level of the page's heading", () => {
    expect(html('# Day')).toBe('<h2 dir="auto">Day</h2>');
    expect(html('# Day', 2)).toBe('<h3 dir="auto">Day</h3>');
    expect(html('###### Day', 2)).toBe('<h6 dir="auto">Day</h6>');
    expect(html('##### A *b*')).toBe('<h6 dir="auto">A <em>b</em></h6>');
  });

  test('shows task lists with disabled checkboxes', () => {
    const list = render('- [x] done\n- [ ] open');
    const boxes = [...list.querySelectorAll('input')];
    expect(boxes.map((box) => [box.type, box.checked, box.disabled])).toEqual([
      ['checkbox', true, true],
      ['checkbox', false, true],
    ]);
    expect(boxes.every((box) => box.hasAttribute('aria-label'))).toBe(true);
  });

  test('shows tables in a frame that the keyboard can scroll', () => {
    const frame = render('| a | b |\n|---|--:|\n| 1 | 2 |').querySelector<HTMLElement>('.scroll')!;
    expect(frame.tabIndex).toBe(0);
    expect(frame.querySelector('td[align=right]')!.textContent).toBe('2');
  });

  test('loses nothing that looks like HTML', () => {
    expect(render('I said <hello there> & left <3').textContent.trim()).toBe('I said <hello there> & left <3');
    expect(render('<div>\nin a box\n</div>').textContent).toContain('<div>\nin a box\n</div>');
    expect(html('press <kbd>n</kbd>')).toBe('<p dir="auto">press <kbd>n</kbd></p>');
  });
});

describe('links', () => {
  test('open in a new tab and send no referrer', () => {
    const link = render('[there](https://example.org/a?b=1)').querySelector('a')!;
    expect(link.href).toBe('https://example.org/a?b=1');
    expect(link.target).toBe('_blank');
    expect(link.rel).toBe('noopener noreferrer nofollow');
  });

  test.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java&#10;script:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    '/api/x',
    '//evil.example',
  ])('to %s become plain text', (address) => {
    const fragment = render(`[there](<${address}>)`);
    expect(fragment.querySelector('a')).toBeNull();
    expect(fragment.textContent).toContain('there');
  });

  test('replace pictures on other hosts', () => {
    const fragment = render('![a "cat"](https://example.org/cat.png)');
    expect(fragment.querySelector('img')).toBeNull();
    expect(fragment.querySelector('a')!.href).toBe('https://example.org/cat.png');
  });

  test('with a picture inside stay one link', () => {
    const links = render('[![cat](https://example.org/cat.png)](https://example.org/)').querySelectorAll('a');
    expect([...links].map((link) => [link.href, link.textContent])).toEqual([['https://example.org/', 'cat']]);
  });

  test('do not replace pictures with unsafe addresses', () => {
    expect(html('![x](data:image/svg+xml,abc)')).toBe('<p dir="auto">x</p>');
    expect(html('![x](javascript:alert(1))')).toBe('<p dir="auto">x</p>');
  });
});

/** Attack strings from the collections of OWASP and Cure53, as HTML and as Markdown. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<svg><style><img src=x onerror=alert(1)></style></svg>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<iframe src=javascript:alert(1)>',
  '<object data="data:text/html,<script>alert(1)</script>">',
  '<embed src="javascript:alert(1)">',
  '<base href="https://evil.example/">',
  '<meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<link rel=stylesheet href=https://evil.example/x.css>',
  '<style>@import "https://evil.example/x.css";</style>',
  '<div style="background:url(https://evil.example/)">x</div>',
  '<b style="position:fixed;inset:0">x</b>',
  '<b onmouseover=alert(1)>x</b>',
  '<b\nonmouseover=alert(1)>x</b>',
  '<a href="javascript:alert(1)">x</a>',
  '<a href="jav&#x09;ascript:alert(1)">x</a>',
  '<form action="https://evil.example/"><input name=password><button>go</button></form>',
  '<input autofocus onfocus=alert(1)>',
  '<details open ontoggle=alert(1)>',
  '<video><source onerror=alert(1)></video>',
  '<template><script>alert(1)</script></template>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<textarea><img title="</textarea><img src=x onerror=alert(1)>"></textarea>',
  '<!--><img src=x onerror=alert(1)>-->',
  '<![CDATA[><script>alert(1)</script>]]>',
  '<?xml ?><script>alert(1)</script>',
  '<img id=getElementById><form id=body><input name=attributes>',
  '[x](javascript:alert(1))',
  '[x](javascript://%0aalert(1))',
  '[x]( javascript:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '<javascript:alert(1)>',
  '![x](https://evil.example/" onerror="alert(1))',
  '![" onerror=alert(1) x="](https://evil.example/x.png)',
  '![x](x"><script>alert(1)</script>)',
  '[x](https://evil.example/ "\\" onclick=alert(1) y=\\"")',
  '```"><script>alert(1)</script>\ncode\n```',
  '`<script>alert(1)</script>`',
  '| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |',
  '- [x"onclick=alert(1)] <img src=x onerror=alert(1)>',
  '# <svg/onload=alert(1)>',
  '> <svg/onload=alert(1)>',
  '[a]: javascript:alert(1)\n\n[a]',
  '<https://example.org/"onclick=alert(1)>',
  'https://example.org/"onmouseover="alert(1)',
  '<a href="https://example.org/" ping="https://evil.example/">x</a>',
  '<xmp><p title="</xmp><img src=x onerror=alert(1)>">',
  '<span data-picture="javascript:alert(1)">x</span>',
];

describe('hostile text', () => {
  const elements =
    /^(P|H[2-6]|UL|OL|LI|BLOCKQUOTE|PRE|CODE|EM|STRONG|DEL|A|BR|HR|TABLE|THEAD|TBODY|TR|TH|TD|B|I|DIV|INPUT)$/;
  const attributes = [
    'align',
    'aria-label',
    'checked',
    'class',
    'dir',
    'disabled',
    'href',
    'rel',
    'role',
    'start',
    'tabindex',
    'target',
    'title',
    'type',
  ];

  test.each(HOSTILE)('%s is harmless', (text) => {
    for (const markdown of [text, `before ${text} after`, `- ${text}`, `**${text}**`]) {
      for (const element of render(markdown).querySelectorAll('*')) {
        expect(element.tagName).toMatch(elements);
        for (const { name } of element.attributes) expect(attributes).toContain(name);
        if (element.hasAttribute('href')) expect(element.getAttribute('href')).toMatch(/^(https?:\/\/|mailto:|tel:)/);
      }
    }
  });

  test.each([
    ['quotes', '>'.repeat(20_000)],
    ['brackets', '['.repeat(20_000)],
    ['emphasis', '*a_'.repeat(1_000)],
    ['lists', Array.from({ length: 100 }, (_, depth) => `${' '.repeat(depth * 2)}- x`).join('\n')],
    ['entities', '&#x'.repeat(50_000)],
  ])('endless %s are rendered', (_, text) => {
    expect(render(text).textContent).not.toBe('');
  });

  test('a megabyte of text is rendered completely', () => {
    const text = ('words of a long day '.repeat(500) + '\n\n').repeat(100);
    expect(render(text).querySelectorAll('p').length).toBe(100);
  });
});
