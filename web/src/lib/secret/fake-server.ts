/**
 * A server for the tests of this folder: it speaks real OPAQUE, with the server half of the same library, and has no
 * database. The browser tests use the real server.
 */

import { createHash } from 'node:crypto';

import * as opaque from '@serenity-kit/opaque';
import { SottoError } from '@sotto/client';

import type { Ask } from './opaque';

type StoredTag = {
  record: string;
  wrapped: string;
  metadata: string;
  recoveryWrap: string;
  verifier: string;
  version: number;
};
type Body = Record<string, string> & { version: number };

export class FakeServer {
  readonly tags = new Map<string, StoredTag>();
  /** All requests, as JSON. */
  readonly seen: string[] = [];
  /** Errors for the next request whose path ends with the key; `after`: the request is carried out first. */
  readonly faults = new Map<string, { error: SottoError; after: boolean }>();
  reregister = false;
  #setup = opaque.server.createSetup();
  #logins = new Map<string, { tag: string; state: string }>();
  #tokens = 0;

  readonly ask: Ask = async (path, body, token) => {
    this.seen.push(JSON.stringify({ path, body, token }));
    const [, tag, step] = /^\/(.+?)\/(.+)$/.exec(path)!;
    const fault = this.faults.get(step!);
    this.faults.delete(step!);
    if (fault && !fault.after) throw fault.error;
    const response = this.#respond(tag!, step!, body as Body, token);
    if (fault) throw fault.error;
    return response as never;
  };

  #respond(tag: string, step: string, body: Body, token?: string): unknown {
    const stored = this.tags.get(tag);
    switch (tag === 'register' ? `register/${step}` : step) {
      case 'register/start':
        if (this.tags.has(body.tag_id!)) throw new SottoError(409, {});
        return this.#registration(body.tag_id!, body.registration_request!);
      case 'register/finish':
        this.tags.set(body.tag_id!, {
          record: body.registration_record!,
          wrapped: body.wrapped_master_key!,
          metadata: body.metadata!,
          recoveryWrap: body.recovery_wrap!,
          verifier: body.recovery_verifier!,
          version: 1,
        });
        return {};
      case 'unlock/start': {
        const { serverLoginState, loginResponse } = opaque.server.startLogin({
          serverSetup: this.#setup,
          registrationRecord: stored?.record,
          startLoginRequest: body.login_request!,
          userIdentifier: tag,
          identifiers: { client: tag, server: 'sotto/opaque/v1' },
        });
        const session_id = crypto.randomUUID();
        this.#logins.set(session_id, { tag, state: serverLoginState });
        return { session_id, login_response: loginResponse };
      }
      case 'unlock/finish': {
        const login = this.#logins.get(body.session_id!);
        if (!login) throw new SottoError(404, { detail: 'over' });
        this.#logins.delete(body.session_id!);
        opaque.server.finishLogin({
          serverLoginState: login.state,
          finishLoginRequest: body.login_finish!,
          identifiers: { client: tag, server: 'sotto/opaque/v1' },
        });
        return {
          unlock_token: `token ${++this.#tokens}`,
          wrapped_master_key: stored!.wrapped,
          metadata: stored!.metadata,
          version: stored!.version,
          failed_tries: { count: 0, last: null },
          reregister: this.reregister,
          expires_at: '2026-11-25T12:00:00Z',
        };
      }
      case 'phrase/start':
        if (!token) throw new SottoError(403, {});
        return this.#registration(tag, body.registration_request!);
      case 'recover/start':
        if (!stored || !this.#proves(stored, body.recovery_proof!)) throw new SottoError(403, {});
        return {
          ...this.#registration(tag, body.registration_request!),
          recovery_wrap: stored.recoveryWrap,
          metadata: stored.metadata,
          version: stored.version,
        };
      case 'phrase/finish':
      case 'recover/finish':
        if (stored!.version !== body.version) throw new SottoError(409, {});
        Object.assign(stored!, {
          record: body.registration_record,
          wrapped: body.wrapped_master_key,
          version: body.version + 1,
        });
        return { version: stored!.version };
      default:
        throw new Error(`no such request: ${tag}/${step}`);
    }
  }

  #registration(tag: string, registrationRequest: string) {
    const { registrationResponse } = opaque.server.createRegistrationResponse({
      serverSetup: this.#setup,
      userIdentifier: tag,
      registrationRequest,
    });
    return { registration_response: registrationResponse, server_keys: 'fingerprint' };
  }

  /** SHA-256 over label and proof (docs/protocol.md, section 6). */
  #proves(stored: StoredTag, proof: string): boolean {
    const bytes = Buffer.concat([Buffer.from('sotto/v1/recovery-verifier'), Buffer.from(proof, 'base64url')]);
    return createHash('sha256').update(bytes).digest('base64url') === stored.verifier;
  }
}
