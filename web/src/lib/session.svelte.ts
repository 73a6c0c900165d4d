/** Who is signed in. The tokens are in cookies that no script can read; this knows the account alone. */

import { api, SottoError, unwrap, whenLoginEnds, type Schemas } from './api';
import { recall, remember } from './device.svelte';

export type User = Schemas['UserResponse'];

/** `ended`: the login ran out while the person was at work; what they wrote stays on the screen. */
type State = 'out' | 'in' | 'ended';

let state = $state<State>('out');
let user = $state<User | null>(null);
let online = $state(navigator.onLine);
/** The address of an account that was just made, as long as nobody is signed in with it. */
let made: string | null = null;

let back = 0;
addEventListener('online', () => {
  back = Date.now();
  online = true;
});
addEventListener('offline', () => (online = false));
whenLoginEnds(() => {
  if (state === 'in') state = 'ended';
});

export const session = {
  get state() {
    return state;
  },
  /** The account; only pages behind the sign-in ask for it. */
  get user(): User {
    if (!user) throw new Error('nobody is signed in');
    return user;
  },
  /** Whether the browser believes to have a network. */
  get online() {
    return online;
  },
  /** When the network came back last, in ms; 0 if it was never away. */
  get back() {
    return back;
  },

  /** Whether somebody was signed in here when the app was last used, and may still be. */
  get expected(): boolean {
    return recall('sotto.user') !== null;
  },

  /** Finds out who is signed in when the app starts. Without a network, whoever it was before. */
  async begin(): Promise<void> {
    if (!session.expected) return;
    try {
      accept(await unwrap(api.GET('/api/users/me')));
    } catch (error) {
      if (error instanceof SottoError && error.status > 0 && error.status < 500) {
        remember('sotto.user', null);
      } else {
        const known = lastUser();
        if (!known) return;
        user = known;
        state = 'in';
      }
    }
  },

  async signIn(email: string, password: string): Promise<void> {
    await unwrap(api.POST('/api/auth/login', { body: { email, password, cookie: true } }));
    accept(await unwrap(api.GET('/api/users/me')));
  },

  async signUp(account: { email: string; password: string; full_name: string | null }): Promise<void> {
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    try {
      await unwrap(api.POST('/api/auth/register', { body: { ...account, time_zone: timeZone } }));
      made = account.email;
    } catch (error) {
      // It may have been made by the try before this one, which got no further.
      if (made !== account.email || !(error instanceof SottoError && error.status === 409)) throw error;
    }
    await session.signIn(account.email, account.password);
    made = null;
  },

  /** Leaves the page as well, so that nothing of the journal stays in memory. */
  async signOut(): Promise<void> {
    for (const step of leaving) await step();
    // Out of reach or not: here, the person is signed out.
    await api.POST('/api/auth/logout').catch(() => {});
    remember('sotto.user', null);
    location.assign('/login');
  },

  /** The account is no more: forgets all of it and leaves the page. */
  async gone(): Promise<void> {
    state = 'out';
    for (const step of [...leaving, ...forgetting]) await step();
    remember('sotto.user', null);
    location.assign('/goodbye');
  },

  /** Takes over what the server answered to a change of the account. */
  changed: accept,
};

/** Who used this browser last, as this app heard of them; null if that is not known. */
export function lastUser(): User | null {
  try {
    const known = JSON.parse(recall('sotto.user') ?? 'null') as User | null;
    return typeof known?.id === 'string' ? known : null;
  } catch {
    return null;
  }
}

/** Whom the server will name; no account is written so. */
const EXPECTED = 'expected';

/** Makes the next start of the app ask who is signed in: for the way back from a sign-in provider. */
export function expectSignIn(): void {
  remember('sotto.user', EXPECTED);
}

const leaving: (() => Promise<void>)[] = [];
const forgetting: (() => Promise<void>)[] = [];

/** Something to be done before the person is signed out, such as forgetting keys. */
export function beforeSignOut(step: () => Promise<void>): void {
  leaving.push(step);
}

/** Something to be forgotten once the account is deleted, after the steps of {@link beforeSignOut}. */
export function whenGone(step: () => Promise<void>): void {
  forgetting.push(step);
}

function accept(account: User): void {
  // Another person signed in where one had been: nothing of the first may be left on the screen.
  if (state === 'ended' && user && user.id !== account.id) location.assign('/');
  user = account;
  state = 'in';
  remember('sotto.user', JSON.stringify(account));
}
