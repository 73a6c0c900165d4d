// @vitest-environment jsdom

import { cleanup, render, screen } from '@testing-library/svelte';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { SottoError } from '../api';
import { Cancelled } from '../cancelled';
import { startLanguage } from '../i18n/index.svelte';
import Field from './Field.svelte';
import { deferred } from './testing/deferred';
import FormExample from './testing/FormExample.svelte';

beforeAll(startLanguage);
afterEach(cleanup);

const button = (name: string) => screen.getByRole<HTMLButtonElement>('button', { name });
const email = () => screen.getByRole<HTMLInputElement>('textbox', { name: 'Email' });
const password = () => screen.getByLabelText<HTMLInputElement>('Password');
/** The texts that a screen reader reads after the name of a control. */
const descriptions = (control: HTMLElement) =>
  (control.getAttribute('aria-describedby') ?? '')
    .split(' ')
    .filter(Boolean)
    .map((id) => document.getElementById(id)?.textContent);

describe('a field', () => {
  test('has a label, and nothing else to describe the input', () => {
    render(Field, { label: 'Email', type: 'email' });
    expect(email().type).toBe('email');
    expect(descriptions(email())).toEqual([]);
    expect(email().getAttribute('aria-invalid')).toBeNull();
  });

  test('connects hint and error to the input, and announces the error', async () => {
    const { rerender } = render(Field, { label: 'Email', hint: 'To sign in', error: undefined });
    expect(descriptions(email())).toEqual(['To sign in']);
    expect(screen.queryByRole('alert')).toBeNull();
    await rerender({ error: 'There is an account with this address.' });
    expect(descriptions(email())).toEqual(['To sign in', 'There is an account with this address.']);
    expect(email().getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByRole('alert').textContent).toBe('There is an account with this address.');
  });

  test('has different ids from other fields on the page', () => {
    render(Field, { label: 'Email', error: 'one' });
    render(Field, { label: 'Name', error: 'two' });
    expect(descriptions(email())).toEqual(['one']);
    expect(descriptions(screen.getByRole('textbox', { name: 'Name' }))).toEqual(['two']);
  });
});

describe('a form', () => {
  test('stays as it was when the user cancels the action', async () => {
    render(FormExample, { run: () => Promise.reject(new Cancelled()) });
    await userEvent.type(email(), 'ada@example.org');
    await userEvent.click(button('Save'));
    await vi.waitFor(() => expect(document.activeElement).toBe(button('Save')));
    expect(screen.queryByRole('alert')).toBeNull();
    expect(email().value).toBe('ada@example.org');
    expect(button('Save').disabled).toBe(false);
  });

  test('is submitted once, however often its button is clicked or Enter is pressed', async () => {
    const action = deferred();
    const run = vi.fn(() => action.promise);
    render(FormExample, { run });
    await userEvent.type(email(), 'ada@example.org{Enter}');
    await userEvent.type(email(), '{Enter}');
    await userEvent.click(button('Save'));
    expect(run).toHaveBeenCalledOnce();
    expect(button('Save').getAttribute('aria-busy')).toBe('true');

    action.resolve();
    await vi.waitFor(() => expect(button('Save').disabled).toBe(false));
    await userEvent.click(button('Save'));
    expect(run).toHaveBeenCalledTimes(2);
  });

  test('shows that a slow action is under way', async () => {
    const action = deferred();
    render(FormExample, { run: () => action.promise, slow: true });
    await userEvent.click(button('Save'));
    expect(button('One moment…').disabled).toBe(true);
    action.resolve();
    await vi.waitFor(() => expect(button('Save').disabled).toBe(false));
  });

  test('keeps the input after an error and shows the error until the next attempt', async () => {
    const run = vi.fn<() => Promise<string | void>>().mockResolvedValueOnce('The tag is locked.');
    render(FormExample, { run });
    await userEvent.type(email(), 'ada@example.org');
    await userEvent.click(button('Save'));
    expect(screen.getByRole('alert').textContent).toContain('The tag is locked.');
    expect(email().value).toBe('ada@example.org');
    await userEvent.click(button('Save'));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  test('can be submitted again after an exception', async () => {
    render(FormExample, { run: () => Promise.reject(new SottoError(0, {})) });
    await userEvent.click(button('Save'));
    expect(screen.getByRole('alert').textContent).toContain("The server isn't responding.");
    expect(button('Save').disabled).toBe(false);
  });

  test.each([
    ['that the action returns', async () => ({ email: 'Not an address.' }), 'Not an address.'],
    [
      'of the server',
      () => Promise.reject(new SottoError(409, { code: 'email_taken' })),
      "There's already an account with this address.",
    ],
  ])('shows an error %s beside its field, and only there', async (_, run, sentence) => {
    render(FormExample, { run });
    await userEvent.click(button('Save'));
    expect(descriptions(email())).toEqual([sentence]);
    expect(screen.getAllByRole('alert')).toHaveLength(1);
  });

  test.each([
    ['the only wrong field', ['password'], password],
    ['the first of several wrong fields', ['password', 'email'], email],
  ])('moves the focus to %s', async (_, wrong, field) => {
    const errors = Object.fromEntries(wrong.map((name) => [name, 'Not accepted.']));
    render(FormExample, { run: async () => errors });
    await userEvent.click(button('Save'));
    await vi.waitFor(() => expect(document.activeElement).toBe(field()));
  });

  test('moves the focus to no field if the error belongs to none', async () => {
    render(FormExample, { run: async () => 'The tag is locked.' });
    await userEvent.click(button('Save'));
    expect(screen.getByRole('alert').textContent).toContain('The tag is locked.');
    expect([email(), password()]).not.toContain(document.activeElement);
  });

  test('shows an error of a field that it does not have', async () => {
    const error = { loc: ['body', 'zone'], code: 'unknown_zone', msg: 'unknown', type: 'value_error' } as const;
    render(FormExample, { run: () => Promise.reject(new SottoError(422, { errors: [error as never] })) });
    await userEvent.click(button('Save'));
    expect(descriptions(email())).toEqual([]);
    expect(screen.getByRole('alert').textContent).not.toBe('');
  });

  test('can be cancelled, if it has a way back', async () => {
    const oncancel = vi.fn();
    const { rerender } = render(FormExample, { run: async () => {}, oncancel });
    await userEvent.click(button('Cancel'));
    expect(oncancel).toHaveBeenCalledOnce();
    await rerender({ oncancel: undefined });
    expect(screen.queryByRole('button', { name: 'Cancel' })).toBeNull();
  });
});
