/** Renders Markdown as safe elements. */

import DOMPurify, { type Config } from 'dompurify';
import { Marked } from 'marked';

import { t } from '../i18n/index.svelte';

/**
 * Renders a text. The result contains no script and no style, and loads nothing from anywhere. The top level of
 * headings is one below `under`, the level of the heading above the text.
 */
export function render(markdown: string, under: 1 | 2 | 3 | 4 | 5 = 1): DocumentFragment {
  let html: string;
  try {
    html = marked.parse(markdown, { async: false });
  } catch {
    // Thousands of nested lists or quotes exhaust the stack: such a text is shown as it was written.
    return asWritten(markdown);
  }
  const fragment = DOMPurify.sanitize(html, POLICY);
  for (const element of fragment.querySelectorAll('h1, h2, h3, h4, h5')) shift(element, under);
  for (const element of fragment.querySelectorAll('span')) pictureToLink(element);
  for (const link of fragment.querySelectorAll('a')) openOutside(link);
  for (const box of fragment.querySelectorAll('input')) nameTask(box);
  for (const table of fragment.querySelectorAll('table')) letScroll(table);
  // Each block gets the direction of its first letters.
  for (const block of [...fragment.children]) block.setAttribute('dir', 'auto');
  return fragment;
}

/** The HTML elements that are rendered. All others are shown as they were written. */
const INLINE = ['b', 'br', 'del', 'em', 'hr', 'i', 'ins', 'kbd', 'mark', 's', 'small', 'strong', 'sub', 'sup', 'u'];
const INLINE_TAG = new RegExp(`(</?(?:${INLINE.join('|')})\\s*/?>)`, 'i');

const marked = new Marked({
  gfm: true,
  // A line break in the text is a line break on the page.
  breaks: true,
  renderer: {
    html: ({ text }) =>
      text
        .split(INLINE_TAG)
        .map((part, index) => (index % 2 === 1 ? part : escape(part)))
        .join(''),
    image: ({ href, text }) => `<span data-picture="${escape(href)}">${escape(text)}</span>`,
  },
});

const POLICY = {
  ALLOWED_TAGS: [
    ...INLINE,
    ...['a', 'blockquote', 'code', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'input', 'li', 'ol', 'p', 'pre', 'span'],
    ...['table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
  ],
  ALLOWED_ATTR: ['align', 'checked', 'data-picture', 'disabled', 'href', 'start', 'title', 'type'],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:|tel:)/i,
  // The address in `data-picture` is checked when it becomes a link.
  ADD_URI_SAFE_ATTR: ['align', 'checked', 'data-picture', 'disabled', 'start', 'type'],
  RETURN_DOM_FRAGMENT: true,
} as const satisfies Config;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

function asWritten(text: string): DocumentFragment {
  const paragraph = document.createElement('p');
  paragraph.className = 'as-written';
  paragraph.dir = 'auto';
  paragraph.textContent = text;
  const fragment = document.createDocumentFragment();
  fragment.append(paragraph);
  return fragment;
}

function shift(heading: Element, under: number): void {
  const level = Math.min(6, Number(heading.tagName[1]) + under);
  const shifted = heading.ownerDocument.createElement(`h${level}`);
  shifted.append(...heading.childNodes);
  heading.replaceWith(shifted);
}

/** Replaces a picture by a link, because loading it would tell another host that the entry is read. */
function pictureToLink(picture: HTMLSpanElement): void {
  const address = webAddress(picture.dataset.picture ?? '');
  const alternative = picture.textContent || t('read:picture');
  const document = picture.ownerDocument;
  if (!address || picture.closest('a')) return picture.replaceWith(document.createTextNode(alternative));
  const link = document.createElement('a');
  link.href = address.href;
  link.textContent = t('read:pictureElsewhere', { name: alternative, host: address.host });
  picture.replaceWith(link);
}

function webAddress(text: string): URL | null {
  const url = URL.parse(text);
  return url && /^https?:$/.test(url.protocol) ? url : null;
}

function openOutside(link: HTMLAnchorElement): void {
  if (!link.hasAttribute('href')) return link.replaceWith(...link.childNodes);
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
}

function nameTask(box: HTMLInputElement): void {
  // Only task lists contain inputs.
  box.type = 'checkbox';
  box.disabled = true;
  box.setAttribute('aria-label', t(box.hasAttribute('checked') ? 'read:taskDone' : 'read:taskOpen'));
  box.closest('li')?.classList.add('task');
}

/** Wraps a table in a region that scrolls, also by keyboard. */
function letScroll(table: HTMLTableElement): void {
  const frame = table.ownerDocument.createElement('div');
  frame.className = 'scroll';
  frame.tabIndex = 0;
  frame.setAttribute('role', 'region');
  frame.setAttribute('aria-label', t('read:table'));
  table.replaceWith(frame);
  frame.append(table);
}
