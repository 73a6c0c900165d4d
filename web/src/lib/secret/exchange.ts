/** The two exchanges of OPAQUE (docs/protocol.md, section 2). What is typed and what comes out of it stay in here. */

import * as opaque from '@serenity-kit/opaque';
import { SottoError, type Schemas } from '@sotto/client';
import { identifiers, KEY_STRETCHING, normalizePhrase } from '@sotto/vault';

import { decode } from '../base64url';

/** Posts to `/api/secret-tags` + path, with an unlock token if one is given. */
export type Ask = <T>(path: string, body: unknown, token?: string) => Promise<T>;
/** Whose secret tag, and which. */
export type Scope = { user: string; tag: string };

/** Settles when the cipher suite is there; fails where WebAssembly or WebCrypto is not. */
export async function suiteReady(): Promise<void> {
  if (!globalThis.crypto?.subtle) throw new Error('this browser has no WebCrypto here');
  await opaque.ready;
}

/** A phrase that is being registered: the server's answer to it, the record for the server, and the key that it gives. */
type Registered<T> = { started: T; record: string; exportKey: Uint8Array };

/** Registers a phrase. `start` brings the request to the server. */
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

/** Opens a secret tag at the server; null if the phrase is not its phrase, or if there is none. */
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
