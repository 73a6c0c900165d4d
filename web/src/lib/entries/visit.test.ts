// @vitest-environment jsdom
import { beforeEach, expect, test } from 'vitest';

import type { EntryStore } from './entry';
import { EntryList } from './list.svelte';
import { forgetVisits, listBefore, visit } from './visit';

const store = { page: () => new Promise(() => {}) } as unknown as EntryStore;
const make = () => new EntryList(store);

beforeEach(() => {
  forgetVisits();
  history.replaceState({ _routerIndex: 1 }, '');
});

test('the way back in the history finds the list as it was left', () => {
  const first = visit('journal', make);
  first.leave(undefined, 300);
  history.replaceState({ _routerIndex: 2 }, '');
  expect(visit('journal', make).list).not.toBe(first.list);
  history.replaceState({ _routerIndex: 1 }, '');
  const again = visit('journal', make);
  expect([again.list, again.left?.scroll]).toEqual([first.list, 300]);
});

test('the list that led to a page is known by its name, until it is forgotten', () => {
  const at = (step: number) => history.replaceState({ _routerIndex: step }, '');
  const first = visit('journal', make);
  at(2);
  first.leave(undefined, 0);
  expect(listBefore()).toBe('journal');
  // Back to the list, and on from there: the router counts on.
  at(1);
  expect(listBefore()).toBeUndefined();
  const again = visit('journal', make);
  at(3);
  again.leave(undefined, 0);
  expect(listBefore()).toBe('journal');
  const tag = visit('tag', make);
  at(1);
  tag.leave(undefined, 0);
  expect(listBefore()).toBeUndefined();
  at(3);
  forgetVisits();
  expect(listBefore()).toBeUndefined();
});

test('what was forgotten while it was on the screen is not kept when it leaves', () => {
  const shown = visit('tag', make);
  forgetVisits();
  shown.leave(undefined, 300);
  expect(visit('tag', make).left).toBeUndefined();
});
