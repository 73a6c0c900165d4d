/** Registration and login of a phrase by OPAQUE (docs/protocol.md, section 2). */

import * as opaque from '@serenity-kit/opaque';
import { SottoError, type Schemas } from '@sotto/client';
import { identifiers, KEY_STRETCHING, normalizePhrase } from '@sotto/vault';

import { decode } from '../base64url';

/** Sends a POST request to `/api/secret-tags` + path, with an unlock token if one is given. */
export type Ask = <T>(path: string, body: unknown, token?: string) => Promise<T>;
/** The ids of the user and the secret tag. */
export type Scope = { user: string; tag: string };

/** Loads the cipher suite. Rejects where WebAssembly or WebCrypto is missing. */
export async function suiteReady(): Promise<void> {
  if (!globalThis.crypto?.subtle) throw new Error('this browser has no WebCrypto here');
  await opaque.ready;
}

/**
 * The server's response to the start of a registration, the record to store there, and the export key of the phrase.
 */
type Registered<T> = { started: T; record: string; exportKey: Uint8Array };

/** Registers a phrase. `start` sends the registration request. */
export async function register<T extends Schemas['RegistrationAnswer']>(
  scope: Scope,
  phrase: string,
  start: (registration_request: string) => Promise<T>,
): Promise<Registered<T>> {
  const password = normalizePhrase(phrase);
  const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
  const started = await start(registrationRequest);
  const { registrationRecord, exportKey } = opaque.client.finishRegistration({
    password,
    clientRegistrationState,
    registrationResponse: started.registration_response,
    identifiers: identifiers(scope),
    keyStretching: KEY_STRETCHING,
  });
  return { started, record: registrationRecord, exportKey: decode(exportKey) };
}

export type LoggedIn = { session: string; exportKey: Uint8Array; unlocked: Schemas['UnlockResponse'] };

/** Unlocks a secret tag at the server. Returns null if the phrase is wrong or there is no such tag. */
export async function login(scope: Scope, phrase: string, ask: Ask): Promise<LoggedIn | null> {
  const password = normalizePhrase(phrase);
  const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password });
  const path = `/${scope.tag}/unlock`;
  const started = await ask<Schemas['UnlockStarted']>(`${path}/start`, { login_request: startLoginRequest });
  const finished = opaque.client.finishLogin({
    password,
    clientLoginState,
    loginResponse: started.login_response,
    identifiers: identifiers(scope),
    keyStretching: KEY_STRETCHING,
  });
  if (!finished) return null;
  const body = { session_id: started.session_id, login_finish: finished.finishLoginRequest };
  try {
    const unlocked = await ask<Schemas['UnlockResponse']>(`${path}/finish`, body);
    return { session: started.session_id, exportKey: decode(finished.exportKey), unlocked };
  } catch (error) {
    if (error instanceof SottoError && error.status === 403) return null;
    throw error;
  }
}
