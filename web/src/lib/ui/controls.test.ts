// @vitest-environment jsdom

import { cleanup, render, screen, within } from '@testing-library/svelte';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

vi.hoisted(() => {
  // The router reads the address once, when it is imported.
  history.replaceState(null, '', '/settings/appearance');
  // The router loads pages before they are visited if their links are visible, which jsdom does not know.
  vi.stubGlobal('IntersectionObserver', class {});
});

import { startLanguage } from '../i18n/index.svelte';
import RadioChoice from './RadioChoice.svelte';
import Switch from './Switch.svelte';
import { deferred } from './testing/deferred';
import ItemListExample from './testing/ItemListExample.svelte';
import SectionedPageExample from './testing/SectionedPageExample.svelte';
import ZoneFieldExample from './testing/ZoneFieldExample.svelte';

beforeAll(startLanguage);
afterEach(cleanup);

/** The action that a control waits for. */
let saving: ReturnType<typeof deferred>;
beforeEach(() => void (saving = deferred()));

/** The error that `act` leaves to the app's listener for unhandled rejections. */
async function unhandledRejection(act: () => Promise<void>): Promise<unknown> {
  // Those of Vitest would fail the run.
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  try {
    const rejection = new Promise((resolve) => process.once('unhandledRejection', resolve));
    await act();
    return await rejection;
  } finally {
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
}

describe('a switch', () => {
  const control = () => screen.getByRole<HTMLInputElement>('switch', { name: 'Week starts on Sunday' });

  test('shows the new state while it is being saved, and the saved state afterwards', async () => {
    const onchange = vi.fn(() => saving.promise);
    render(Switch, { label: 'Week starts on Sunday', checked: false, onchange });
    await userEvent.click(control());
    expect(onchange).toHaveBeenCalledExactlyOnceWith(true);
    expect(control().checked).toBe(true);
    saving.resolve();
    await vi.waitFor(() => expect(control().checked).toBe(false));
  });

  test('shows the saved state again if the change fails, and can be used again', async () => {
    const failure = new Error('not saved');
    const onchange = vi.fn(() => saving.promise);
    render(Switch, { label: 'Week starts on Sunday', checked: false, onchange });
    await userEvent.click(control());
    expect(await unhandledRejection(async () => saving.reject(failure))).toBe(failure);
    expect(control().checked).toBe(false);
    saving = deferred();
    await userEvent.click(control());
    expect(onchange).toHaveBeenLastCalledWith(true);
    saving.resolve();
  });

  test('follows the saved state', async () => {
    const props = { label: 'Week starts on Sunday', checked: false, onchange: () => saving.promise };
    const { rerender } = render(Switch, props);
    await userEvent.click(control());
    await rerender({ checked: true });
    saving.resolve();
    await saving.promise;
    expect(control().checked).toBe(true);
    await rerender({ checked: false });
    expect(control().checked).toBe(false);
  });

  test('has a name even if its label is hidden', () => {
    render(Switch, { label: 'Week starts on Sunday', hidden: true, checked: true, onchange: () => saving.promise });
    expect(control().checked).toBe(true);
  });
});

describe('a choice', () => {
  const options = [
    { value: 'light', name: 'Light' },
    { value: 'dark', name: 'Dark' },
  ];
  const radio = (name: string) => screen.getByRole<HTMLInputElement>('radio', { name });

  test('shows the choice while it is being saved, and the value afterwards', async () => {
    const onchoose = vi.fn(() => saving.promise);
    render(RadioChoice, { label: 'Colours', options, value: 'light', onchoose });
    await userEvent.click(radio('Dark'));
    expect(onchoose).toHaveBeenCalledExactlyOnceWith('dark');
    expect([radio('Light').checked, radio('Dark').checked]).toEqual([false, true]);
    saving.resolve();
    await vi.waitFor(() => expect([radio('Light').checked, radio('Dark').checked]).toEqual([true, false]));
  });

  test('shows the value again if the change fails', async () => {
    const failure = new Error('not saved');
    render(RadioChoice, { label: 'Colours', options, value: 'light', onchoose: () => saving.promise });
    await userEvent.click(radio('Dark'));
    expect(await unhandledRejection(async () => saving.reject(failure))).toBe(failure);
    expect([radio('Light').checked, radio('Dark').checked]).toEqual([true, false]);
  });

  test('is a group with a name and a hint', () => {
    render(RadioChoice, { label: 'Colours', hint: 'On this device', options, value: 'dark', onchoose: () => {} });
    const group = screen.getByRole('group', { name: 'Colours' });
    expect(within(group).getAllByRole('radio')).toHaveLength(2);
    expect(document.getElementById(group.getAttribute('aria-describedby')!)!.textContent).toBe('On this device');
  });

  test('does not change another choice on the page', async () => {
    render(RadioChoice, { label: 'Colours', options, value: 'light', onchoose: () => {} });
    render(RadioChoice, { label: 'Size', options: [{ value: 'large', name: 'Large' }], value: '', onchoose: () => {} });
    await userEvent.click(radio('Large'));
    expect(radio('Light').checked).toBe(true);
  });
});

test('the items of a list keep their elements, and each has its own controls', async () => {
  const [one, two] = [
    { id: '1', name: 'Walks' },
    { id: '2', name: 'Winter' },
  ];
  const ondelete = vi.fn();
  const { rerender } = render(ItemListExample, { all: [one, two], ondelete });
  expect(screen.getAllByRole('listitem').map((row) => row.firstElementChild!.textContent)).toEqual(['Walks', 'Winter']);
  await userEvent.click(screen.getByRole('button', { name: 'Delete Winter' }));
  expect(ondelete).toHaveBeenCalledExactlyOnceWith(two);
  const row = screen.getAllByRole('listitem')[1];
  await rerender({ all: [two] });
  expect(screen.getAllByRole('listitem')).toHaveLength(1);
  expect(screen.getByRole('listitem')).toBe(row);
});

describe('a field for a time zone', () => {
  const input = () => screen.getByRole<HTMLInputElement>('combobox', { name: 'Time zone' });
  async function type(zone: string) {
    await userEvent.clear(input());
    await userEvent.type(input(), zone);
  }

  test('suggests zones and accepts those that the browser knows', async () => {
    render(ZoneFieldExample, { zone: 'Europe/Berlin' });
    const suggested = [...document.getElementById(input().getAttribute('list')!)!.children];
    expect(suggested.map((option) => option.getAttribute('value'))).toContain('Asia/Tokyo');
    await type('Mars/Olympus');
    expect(input().validationMessage).not.toBe('');
    await type('US/Eastern');
    expect(input().validationMessage).toBe('');
    await userEvent.clear(input());
    expect(input().validity.valueMissing).toBe(true);
  });

  test('accepts the stored zone even if the browser does not know it, and says so', async () => {
    render(ZoneFieldExample, { zone: 'localtime' });
    expect(input().checkValidity()).toBe(true);
    expect(screen.getByRole('note').textContent).toContain('localtime');
    await type('Europe/Berlin');
    expect(screen.queryByRole('note')).toBeNull();
  });
});

test('a page of a group marks its own link, and is titled after itself', () => {
  render(SectionedPageExample);
  const links = within(screen.getByRole('navigation', { name: 'Settings' })).getAllByRole('link');
  expect(links.map((link) => link.getAttribute('href'))).toEqual(['/settings', '/settings/appearance']);
  expect(links.map((link) => link.getAttribute('aria-current'))).toEqual([null, 'page']);
  expect(screen.getByRole('heading', { level: 1, name: 'Appearance' })).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Reset' })).toBeTruthy();
  expect(document.title).toBe('Appearance · Sotto');
});
