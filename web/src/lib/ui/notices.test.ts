// @vitest-environment jsdom

import { cleanup, render, screen, within } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import { SottoError } from '../api';
import { startLanguage } from '../i18n/index.svelte';
import { session } from '../session.svelte';
import Notices from './Notices.svelte';
import { notices } from './notices.svelte';
import Problem from './Problem.svelte';

beforeAll(async () => {
  await startLanguage();
  await session.start();
});
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  cleanup();
  for (const { id } of [...notices.all]) notices.dismiss(id);
  vi.useRealTimers();
});

/** Lets time pass, in ms, and shows what has changed. */
function pass(ms: number) {
  vi.advanceTimersByTime(ms);
  flushSync();
}
function click(element: HTMLElement) {
  element.click();
  flushSync();
}
const shown = (element: Element) => [...element.querySelectorAll('span')].map((text) => text.textContent);

describe('notices', () => {
  const live = (container: Element) => container.querySelector('[aria-live="polite"]')!;

  test('are announced, and disappear after some seconds', () => {
    const { container } = render(Notices);
    notices.show('Saved.');
    flushSync();
    expect(shown(live(container))).toEqual(['Saved.']);
    pass(3_900);
    expect(shown(live(container))).toEqual(['Saved.']);
    pass(200);
    expect(shown(live(container))).toEqual([]);
  });

  test('that report an error stay until they are dismissed', () => {
    const { container } = render(Notices);
    notices.show('It could not be saved.', { kind: 'error' });
    notices.show('A new version is ready.', { stays: true });
    pass(600_000);
    expect(shown(container)).toEqual(['It could not be saved.', 'A new version is ready.']);
    click(within(container).getAllByRole('button', { name: 'Close' })[0]!);
    expect(shown(container)).toEqual(['A new version is ready.']);
  });

  test('can have an action, which stays longer and dismisses them', () => {
    const run = vi.fn();
    const { container } = render(Notices);
    notices.show('Deleted.', { action: { label: 'Undo', run } });
    pass(9_900);
    click(screen.getByRole('button', { name: 'Undo' }));
    expect(run).toHaveBeenCalledOnce();
    expect(shown(container)).toEqual([]);
  });

  test('are shown once: in the dialog that was opened last, as long as it is open', () => {
    const page = render(Notices);
    const dialog = render(Notices);
    notices.show('Saved.');
    flushSync();
    expect([shown(page.container), shown(dialog.container)]).toEqual([[], ['Saved.']]);
    dialog.unmount();
    flushSync();
    expect(shown(page.container)).toEqual(['Saved.']);
  });

  test('that could reveal something of the journal can be dismissed together', () => {
    const { container } = render(Notices);
    notices.show('“First frost” was deleted.', { stays: true });
    notices.show('A new version is ready.', { stays: true, aboutApp: true });
    notices.show('“Winter” was renamed.', { stays: true });
    notices.clearPrivate();
    flushSync();
    expect(shown(container)).toEqual(['A new version is ready.']);
  });
});

describe('a problem', () => {
  const unreachable = () => new SottoError(0, {});
  function loseNetwork() {
    dispatchEvent(new Event('offline'));
    flushSync();
  }
  function regainNetwork() {
    dispatchEvent(new Event('online'));
    flushSync();
  }

  test('is announced, with a button to retry if that is possible', async () => {
    const retry = vi.fn();
    const { rerender } = render(Problem, { error: new SottoError(500, {}), retry });
    expect(screen.getByRole('alert').textContent).toContain('Something went wrong on the server.');
    click(screen.getByRole('button', { name: 'Try again' }));
    expect(retry).toHaveBeenCalledOnce();
    await rerender({ error: 'No more than five.', retry: undefined });
    expect(screen.getByRole('alert').textContent.trim()).toBe('No more than five.');
    expect(screen.queryByRole('button')).toBeNull();
  });

  test('is retried three times when the network is back, with pauses', async () => {
    const retry = vi.fn();
    loseNetwork();
    const { rerender } = render(Problem, { error: unreachable(), retry });
    pass(60_000);
    expect(retry).not.toHaveBeenCalled();
    regainNetwork();
    pass(0);
    expect(retry).toHaveBeenCalledTimes(1);
    for (const times of [2, 3]) {
      await rerender({ error: unreachable() });
      pass(1_400);
      expect(retry).toHaveBeenCalledTimes(times - 1);
      pass(100);
      expect(retry).toHaveBeenCalledTimes(times);
    }
    await rerender({ error: unreachable() });
    pass(60_000);
    expect(retry).toHaveBeenCalledTimes(3);

    loseNetwork();
    regainNetwork();
    pass(0);
    expect(retry).toHaveBeenCalledTimes(4);
  });

  test('that the server has reported is not retried automatically', () => {
    const retry = vi.fn();
    render(Problem, { error: new SottoError(404, {}), retry });
    loseNetwork();
    regainNetwork();
    pass(60_000);
    expect(retry).not.toHaveBeenCalled();
  });

  test('that is no longer shown is not retried', () => {
    const retry = vi.fn();
    loseNetwork();
    const { unmount } = render(Problem, { error: unreachable(), retry });
    regainNetwork();
    unmount();
    pass(60_000);
    expect(retry).not.toHaveBeenCalled();
  });
});
