// @vitest-environment jsdom

import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { startLanguage } from '../i18n/index.svelte';
import { notices } from './notices.svelte';
import ConfirmExample from './testing/ConfirmExample.svelte';
import { deferred } from './testing/deferred';
import DialogExample from './testing/DialogExample.svelte';
import { addModalDialogs } from './testing/dialogs';

beforeAll(async () => {
  addModalDialogs();
  await startLanguage();
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const button = (name: string) => screen.getByRole('button', { name });
const dialog = (name: string) => screen.getByRole<HTMLDialogElement>('dialog', { name });
const noDialog = () => screen.queryByRole('dialog') === null;

/** What a browser does at Escape: it asks with `cancel`, and closes the dialog unless that is prevented. */
async function pressEscape(target: HTMLDialogElement) {
  if (await fireEvent(target, new Event('cancel', { cancelable: true }))) await forceClosed(target);
}

/** What a browser does when Escape is pressed twice: it closes the dialog without asking. */
async function forceClosed(target: HTMLDialogElement) {
  target.close();
  await fireEvent(target, new Event('close'));
}

describe('a dialog', () => {
  test('is modal, labelled by its title, and takes the focus', async () => {
    const modal = vi.spyOn(HTMLDialogElement.prototype, 'showModal');
    render(DialogExample);
    await userEvent.click(button('Rename'));
    expect(modal).toHaveBeenCalledOnce();
    const opened = dialog('Rename the tag');
    expect(opened.open).toBe(true);
    expect(opened.contains(document.activeElement)).toBe(true);
  });

  test.each([
    ['Escape', () => pressEscape(dialog('Rename the tag'))],
    ['a second press of Escape', () => forceClosed(dialog('Rename the tag'))],
    ['its close button', () => userEvent.click(button('Close'))],
  ])('is closed by %s, which returns the focus', async (_, close) => {
    render(DialogExample);
    await userEvent.click(button('Rename'));
    expect(document.activeElement).not.toBe(button('Rename'));
    await close();
    expect(noDialog()).toBe(true);
    expect(document.activeElement).toBe(button('Rename'));
  });

  test('moves the focus to the content if the element that had it is gone', async () => {
    const { rerender } = render(DialogExample);
    await userEvent.click(button('Rename'));
    await rerender({ opener: false });
    await pressEscape(dialog('Rename the tag'));
    expect(document.activeElement).toBe(screen.getByRole('main'));
  });

  test('that cannot be dismissed has no close button and stays open', async () => {
    render(DialogExample, { closable: false });
    await userEvent.click(button('Rename'));
    expect(screen.queryByRole('button', { name: 'Close' })).toBeNull();
    const close = vi.spyOn(HTMLDialogElement.prototype, 'close');
    await pressEscape(dialog('Rename the tag'));
    expect(close).not.toHaveBeenCalled();
    expect(dialog('Rename the tag').open).toBe(true);
    await forceClosed(dialog('Rename the tag'));
    expect(dialog('Rename the tag').open).toBe(true);
  });
});

describe('a confirmation', () => {
  test('runs the action and closes', async () => {
    const run = vi.fn(async () => {});
    render(ConfirmExample, { run });
    await userEvent.click(button('Delete'));
    expect(run).toHaveBeenCalledOnce();
    expect(noDialog()).toBe(true);
  });

  test('does nothing when it is cancelled', async () => {
    const run = vi.fn(async () => {});
    render(ConfirmExample, { run });
    await userEvent.click(button('Cancel'));
    expect(run).not.toHaveBeenCalled();
    expect(noDialog()).toBe(true);
  });

  test('stays open after an error, and shows it', async () => {
    render(ConfirmExample, { run: () => Promise.reject(new Error('out of paper')) });
    await userEvent.click(button('Delete'));
    expect(dialog('Delete the entry?').contains(screen.getByRole('alert'))).toBe(true);
    expect(screen.getByRole('alert').textContent).toContain('Something went wrong');
  });

  test('that was dismissed while the action ran reports its error as a notice, and leaves another dialog open', async () => {
    const action = deferred();
    render(ConfirmExample, { run: () => action.promise });
    await userEvent.click(button('Delete'));
    await userEvent.click(button('Cancel'));
    await userEvent.click(button('Ask again'));
    action.reject(new Error('out of paper'));
    await vi.waitFor(() => expect(notices.all).toHaveLength(1));
    expect(notices.all[0]).toMatchObject({ kind: 'error', text: 'Something went wrong' });
    expect(dialog('Delete the entry?').open).toBe(true);
    notices.dismiss(notices.all[0]!.id);
  });
});
