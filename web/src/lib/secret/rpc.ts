/** Calls between the page and its worker, in both directions: a method of one side is a promise on the other. */

import { SottoError } from '@sotto/client';

/** The methods of an object as the other side sees them. */
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
type Answer = { id: number; value?: unknown; error?: Thrown };
type Thrown = { name: string; message: string; status?: number; retryAfter?: number; code?: unknown; current?: unknown; errors?: unknown };
type Waiting = { resolve: (value: unknown) => void; reject: (error: unknown) => void };

/** Serves `local` to the other side, and reaches it through `remote`. `end` fails all calls that still wait. */
export function connect<T>(port: Port, local: object): { remote: Remote<T>; end: (error: Error) => void } {
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let ended: Error | null = null;

  port.addEventListener('message', ({ data }: MessageEvent<Call | Answer>) => {
    if ('call' in data) return void answer(port, local as Record<string, unknown>, data);
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
  // It is no promise, though every method seems to be there: whoever awaits it would call `then`.
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

async function answer(port: Port, local: Record<string, unknown>, { id, call, args }: Call): Promise<void> {
  try {
    const value = await (local[call] as (...args: unknown[]) => unknown).apply(local, args);
    port.postMessage({ id, value } satisfies Answer);
  } catch (error) {
    port.postMessage({ id, error: thrown(error) } satisfies Answer);
  }
}

/** Classes do not survive the way; the server's refusals have to. */
function thrown(error: unknown): Thrown {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  if (!(error instanceof SottoError)) return { name, message };
  const { status, code, retryAfter, current, errors } = error;
  return { name, message, status, code, retryAfter, current, errors };
}

function revive({ name, message, status, retryAfter, ...rest }: Thrown): Error {
  if (status === undefined) return Object.assign(new Error(message), { name });
  return new SottoError(status, { detail: message, ...(rest as { errors: [] }) }, retryAfter);
}
