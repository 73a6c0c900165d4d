/** The signed-in user. The tokens are in cookies that scripts cannot read; this module knows only the account. */

import { api, SottoError, unwrap, whenLoginEnds, type Schemas } from './api';
import { retrySignOut, signOutMark } from './api/sign-out.svelte';
import { recall, remember } from './device.svelte';
import { deviceZone } from './zone';

export type User = Schemas['UserResponse'];

/**
 * `ended`: the login has expired while the app was in use; unsaved text stays on the screen. `leaving`: the user signs
 * out; nothing of the journal is on the screen, and what is not sent yet can still be sent.
 */
type State = 'out' | 'in' | 'ended' | 'leaving';

let state = $state<State>('out');
let user = $state<User | null>(null);
let online = $state(navigator.onLine);
/** When the network last came back, in ms since 1970. */
let onlineSince = 0;
/** Further steps when the session ends; app/lifecycle.ts provides them. */
let onEnded: () => void = () => {};
/** The email address of an account that was created, and whose first sign-in has not succeeded yet. */
let created: string | null = null;

export const session = {
  get state() {
    return state;
  },
  /** The account; only for pages behind the sign-in. */
  get user(): User {
    if (!user) throw new Error('no user is signed in');
    return user;
  },
  /** Whether the browser believes that there is a network. */
  get online() {
    return online;
  },
  /** When the network last came back, in ms since 1970; 0 if it was never away. */
  get onlineSince() {
    return onlineSince;
  },

  /** Whether a user was signed in when the app was last used on this device, and may still be. */
  get expected(): boolean {
    return recall('sotto.user') !== null && !signOutMark.due;
  },

  /**
   * Runs at the start of the app: loads the signed-in user and follows the network state. Without a network, assumes
   * the last user.
   */
  async start(): Promise<void> {
    addEventListener('online', () => {
      onlineSince = Date.now();
      online = true;
    });
    addEventListener('offline', () => (online = false));
    whenLoginEnds(() => {
      if (state !== 'in') return;
      state = 'ended';
      onEnded();
    });
    addEventListener('storage', (event) => void signOutMark.follow(event));
    if (signOutMark.due) {
      remember('sotto.user', null);
      void retrySignOut();
    }
    if (!session.expected) return;
    try {
      update(await unwrap(api.GET('/api/users/me')));
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

  /** Sets what else happens when the login ends. */
  whenEnded(step: () => void): void {
    onEnded = step;
  },

  async signIn(email: string, password: string): Promise<void> {
    await unwrap(api.POST('/api/auth/login', { body: { email, password, cookie: true } }));
    update(await unwrap(api.GET('/api/users/me')));
  },

  async signUp(account: { email: string; password: string; full_name: string | null }): Promise<void> {
    const register = (time_zone: string) => unwrap(api.POST('/api/auth/register', { body: { ...account, time_zone } }));
    try {
      await register(deviceZone()).catch((error: unknown) => {
        // The time zone of the device may be newer than the server.
        if (error instanceof SottoError && error.errors.some(({ loc }) => loc.includes('time_zone')))
          return register('UTC');
        throw error;
      });
      created = account.email;
    } catch (error) {
      // An earlier attempt may have created the account and failed afterwards. The first account closes sign-up.
      const exists = error instanceof SottoError && (error.status === 409 || error.code === 'sign_up_closed');
      if (created !== account.email || !exists) throw error;
    }
    await session.signIn(account.email, account.password);
    created = null;
  },

  /** Takes all pages off the screen, because the user signs out. `user` stays available. */
  hide(): void {
    state = 'leaving';
  },

  /** Takes all pages behind the sign-in off the screen. `user` stays available. */
  close(): void {
    state = 'out';
  },

  /** Forgets the user and loads another page, so that nothing of the journal stays in memory. */
  leave(address: '/login' | '/goodbye'): void {
    remember('sotto.user', null);
    location.assign(address);
  },

  /** Takes over the account as the server has it after a change. */
  update,
};

/** The user who last signed in with this browser, as far as its tabs know; null if that is unknown. */
export function lastUser(): User | null {
  try {
    const known = JSON.parse(recall('sotto.user') ?? 'null') as User | null;
    return typeof known?.id === 'string' ? known : null;
  } catch {
    return null;
  }
}

/** Stands for a user whom the server will name. An account is stored as JSON, and so never equals it. */
const EXPECTED = 'expected';

/** Makes the app ask the server who is signed in when it starts next: for the return from a sign-in provider. */
export function expectSignIn(): void {
  remember('sotto.user', EXPECTED);
}

function update(account: User): void {
  // A response that arrives during the sign-out brings nothing back to the screen.
  if (state === 'leaving') return;
  // Another user has signed in after the login ended: nothing of the first user may stay on the screen.
  if (state === 'ended' && user && user.id !== account.id) location.assign('/');
  user = account;
  state = 'in';
  remember('sotto.user', JSON.stringify(account));
}
