// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from 'vitest';

const place = vi.hoisted(() => ({ step: 1 }));
vi.mock('../history-steps', () => ({ historyStep: () => place.step }));

import type { EntryStore } from './entry';
import { EntryList } from './entry-list.svelte';
import { forgetLists, previousList, visitList } from './list-history';

const store = { page: () => new Promise(() => {}) } as unknown as EntryStore;
const createList = () => new EntryList(store);

beforeEach(() => {
  forgetLists();
  place.step = 1;
});

test('going back in the history restores the list as it was left', () => {
  const first = visitList('journal', createList);
  first.leave(undefined, 300);
  place.step = 2;
  expect(visitList('journal', createList).list).not.toBe(first.list);
  place.step = 1;
  const again = visitList('journal', createList);
  expect([again.list, again.left?.scroll]).toEqual([first.list, 300]);
});

test('the name of the list that led to a page is known until the lists are forgotten', () => {
  const setStep = (step: number) => void (place.step = step);
  const first = visitList('journal', createList);
  setStep(2);
  first.leave(undefined, 0);
  expect(previousList()).toBe('journal');
  // Go back to the list and open another page. The step numbers keep rising.
  setStep(1);
  expect(previousList()).toBeUndefined();
  const again = visitList('journal', createList);
  setStep(3);
  again.leave(undefined, 0);
  expect(previousList()).toBe('journal');
  const tag = visitList('tag', createList);
  setStep(1);
  tag.leave(undefined, 0);
  expect(previousList()).toBeUndefined();
  setStep(3);
  forgetLists();
  expect(previousList()).toBeUndefined();
});

test('a list that is forgotten while on the screen is not stored when it is left', () => {
  const shown = visitList('tag', createList);
  forgetLists();
  shown.leave(undefined, 300);
  expect(visitList('tag', createList).left).toBeUndefined();
});
