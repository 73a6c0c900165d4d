/** Uploads a recording with XMLHttpRequest, because `fetch` does not report the progress of a request. */

import { api, SottoError, unwrap } from '../api';

export type PutOptions = {
  signal: AbortSignal;
  /** In bytes. */
  onprogress: (sent: number, total: number) => void;
};

export const recordingUrl = (entryId: string) => `/api/journals/${entryId}/audio`;

/**
 * Sends a PUT request to the API with cookies, and renews the login if necessary.
 *
 * @throws SottoError like the API client, and the reason of `signal`.
 */
export async function putWithProgress(
  url: string,
  body: Blob,
  headers: Record<string, string>,
  options: PutOptions,
): Promise<void> {
  const response = await send(url, body, headers, options);
  if (response.status !== 401) return requireSuccess(response);
  // This request renews the login, or finds out that it has ended.
  await unwrap(api.GET('/api/users/me', { signal: options.signal }));
  requireSuccess(await send(url, body, headers, options));
}

function send(
  url: string,
  body: Blob,
  headers: Record<string, string>,
  { signal, onprogress }: PutOptions,
): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onprogress(loaded, total);
    const abort = () => request.abort();
    signal.addEventListener('abort', abort, { once: true });
    request.onloadend = () => signal.removeEventListener('abort', abort);
    request.onload = () => resolve(request);
    request.onabort = () => reject(signal.reason);
    request.onerror = () => reject(new SottoError(0, { detail: 'The server could not be reached.' }));
    request.send(body);
  });
}

function requireSuccess({ status, responseText }: XMLHttpRequest): void {
  if (status >= 200 && status < 300) return;
  let problem: { detail?: string } = {};
  try {
    problem = JSON.parse(responseText) as typeof problem;
  } catch {
    // The response comes from a proxy, not from the server.
  }
  throw new SottoError(status, problem);
}
