/**
 * Remote calls between the page and its worker, in both directions. A method on one side returns a promise on the
 * other.
 *
 * Not comlink: it drops the class of errors, leaves calls pending when a worker is terminated, and exposes all
 * properties.
 */

import { SottoError } from '@sotto/client';

/** The methods of an object, as the other side calls them. */
export type Remote<T> = {
  [Name in keyof T as T[Name] extends (...args: never[]) => unknown ? Name : never]: T[Name] extends (
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

type Port = {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
};
type Call = { id: number; call: string; args: unknown[] };
type Response = { id: number; value?: unknown; error?: SerializedError };
type SerializedError = {
  name: string;
  message: string;
  status?: number;
  retryAfter?: number;
  code?: unknown;
  current?: unknown;
  errors?: unknown;
};
type PendingCall = { resolve: (value: unknown) => void; reject: (error: unknown) => void };

/**
 * Serves `local` to the other side. `remote` calls the other side. `end` rejects all pending calls and all later ones
 * with its error; it does not stop the other side.
 */
export function connect<T>(port: Port, local: object): { remote: Remote<T>; end: (error: Error) => void } {
  const waiting = new Map<number, PendingCall>();
  let next = 0;
  let ended: Error | null = null;

  port.addEventListener('message', ({ data }: MessageEvent<Call | Response>) => {
    if ('call' in data) return void respond(port, local as Record<string, unknown>, data);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) call?.reject(revive(data.error));
    else call?.resolve(data.value);
  });

  const call = (name: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      const id = next++;
      waiting.set(id, { resolve, reject });
      port.postMessage({ id, call: name, args } satisfies Call);
    });
  // Without this exception, `await remote` would call a remote method `then`.
  const get = (_: object, name: string | symbol) =>
    name === 'then' ? undefined : (...args: unknown[]) => call(String(name), args);
  const remote = new Proxy({}, { get }) as Remote<T>;
  const end = (error: Error) => {
    ended = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  return { remote, end };
}

async function respond(port: Port, local: Record<string, unknown>, { id, call, args }: Call): Promise<void> {
  try {
    const value = await (local[call] as (...args: unknown[]) => unknown).apply(local, args);
    port.postMessage({ id, value } satisfies Response);
  } catch (error) {
    port.postMessage({ id, error: serialize(error) } satisfies Response);
  }
}

/** Messages do not preserve classes, so an error of the server is taken apart here and rebuilt on the other side. */
function serialize(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  if (!(error instanceof SottoError)) return { name, message };
  const { status, code, retryAfter, current, errors } = error;
  return { name, message, status, code, retryAfter, current, errors };
}

function revive({ name, message, status, retryAfter, ...rest }: SerializedError): Error {
  if (status === undefined) return Object.assign(new Error(message), { name });
  return new SottoError(status, { detail: message, ...(rest as { errors: [] }) }, retryAfter);
}
