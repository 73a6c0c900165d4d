/**
 * Sensitive requests need a sign-in or a confirmation of the last 15 minutes. If the server demands one,
 * app/ConfirmSignIn.svelte asks the user.
 */

import { api, SottoError, unwrap } from '../api';
import { Cancelled } from '../cancelled';

type Question = { answered: Promise<void>; confirm: () => void; cancel: () => void };

let question = $state.raw<Question | null>(null);

/** An identity that does not exist. */
const NOBODY = '00000000-0000-4000-8000-000000000000';

export const confirmation = {
  /** Whether the dialog is open. */
  get asked(): boolean {
    return question !== null;
  },
  /** @throws SottoError if the password is wrong, among other reasons. */
  async confirm(password: string): Promise<void> {
    await unwrap(api.POST('/api/auth/confirm', { body: { password } }));
    question?.confirm();
  },
  cancel: (): void => question?.cancel(),

  /**
   * Asks for a confirmation if the server would demand one. Has to be awaited before the browser itself makes a
   * sensitive request, as the app does not see its response: a download, or the visit to a provider.
   *
   * @throws Cancelled, SottoError
   */
  async ensure(): Promise<void> {
    // This request is as sensitive as any, and changes nothing.
    const params = { path: { identity_id: NOBODY } };
    await confirmed(() => unwrap(api.DELETE('/api/users/me/identities/{identity_id}', { params }))).catch(
      (error: unknown) => {
        if (!(error instanceof SottoError && error.status === 404)) throw error;
      },
    );
  },
};

/**
 * Makes a sensitive request. If the server demands a confirmation, asks the user, and repeats the request once.
 *
 * @throws Cancelled if the user does not confirm, and what `request` throws.
 */
export async function confirmed<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof SottoError && error.code === 'confirm_sign_in')) throw error;
  }
  await ask();
  return request();
}

/** One question at a time, for all requests that wait. */
function ask(): Promise<void> {
  if (question) return question.answered;
  let [confirm, cancel] = [() => {}, () => {}];
  const answered = new Promise<void>((resolve, reject) => {
    confirm = resolve;
    cancel = () => reject(new Cancelled());
  }).finally(() => (question = null));
  question = { answered, confirm, cancel };
  return answered;
}
