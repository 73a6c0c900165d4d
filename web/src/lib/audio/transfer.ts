/** Sends a recording. XMLHttpRequest does it, because `fetch` tells no browser how much has been sent. */

import { api, SottoError, unwrap } from '../api';

export type Sending = {
  signal: AbortSignal;
  /** Bytes that have left, of so many. */
  onprogress: (sent: number, total: number) => void;
};

export const address = (entry: string) => `/api/journals/${entry}/audio`;

/**
 * Puts a body to an address of the API, with cookies; the login is renewed on the way if it has to be.
 *
 * @throws SottoError as the client does, and what `signal` was aborted with.
 */
export async function put(url: string, body: Blob, headers: Record<string, string>, sending: Sending): Promise<void> {
  const answer = await send(url, body, headers, sending);
  if (answer.status !== 401) return accept(answer);
  // This renews the login, or tells the app that it has ended.
  await unwrap(api.GET('/api/users/me', { signal: sending.signal }));
  accept(await send(url, body, headers, sending));
}

function send(url: string, body: Blob, headers: Record<string, string>, { signal, onprogress }: Sending): Promise<XMLHttpRequest> {
  return new Promise((done, failed) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onprogress(loaded, total);
    const abort = () => request.abort();
    signal.addEventListener('abort', abort, { once: true });
    request.onloadend = () => signal.removeEventListener('abort', abort);
    request.onload = () => done(request);
    request.onabort = () => failed(signal.reason);
    request.onerror = () => failed(new SottoError(0, { detail: 'The server could not be reached.' }));
    request.send(body);
  });
}

function accept({ status, responseText }: XMLHttpRequest): void {
  if (status >= 200 && status < 300) return;
  let problem: { detail?: string } = {};
  try {
    problem = JSON.parse(responseText);
  } catch {
    // Somebody between here and the server has answered.
  }
  throw new SottoError(status, problem);
}
