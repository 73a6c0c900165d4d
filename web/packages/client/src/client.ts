/**
 * A typed client of Sotto's HTTP API. `schema.d.ts` is generated from openapi.json; this file adds what a schema cannot
 * express: errors as exceptions, and pages as one sequence.
 */

import createClient, { type Client as OpenApiClient } from 'openapi-fetch';

import type { components, paths } from '../schema.js';

export type { paths };
/** The types of all bodies, by name. */
export type Schemas = components['schemas'];
/** A client as `sotto` returns it: a method for each HTTP method, typed by path. */
export type Client = OpenApiClient<paths>;
/** An error in one field of a request: `code` and `params` for programs, `msg` for people. */
export type FieldError = Schemas['FieldError'];
export type ProblemCode = Schemas['ProblemCode'];

/** The result of one call of a `Client`: `data` is the body of a success, `error` the body of anything else. */
export type CallResult<T> = { data?: T; error?: unknown; response: Response };

/** The members of a problem document (RFC 9457) that a `SottoError` keeps. */
export type ProblemDetails = { detail?: string; code?: ProblemCode; errors?: FieldError[]; current?: unknown };

export type Options = {
  /** The origin of the server, such as `https://journal.example.org`. */
  baseUrl: string;
  /** An access token or an API token. Without one, the browser sends its cookies. */
  token?: string | undefined;
  /** Replaces the global `fetch`. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
};

/** Creates a client of the server at `baseUrl`. */
export function sotto({ baseUrl, token, fetch }: Options): Client {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return createClient<paths>({ baseUrl, headers, ...(fetch && { fetch }) });
}

/** A response of the server other than a success, or no response at all. `message` is the problem's `detail`. */
export class SottoError extends Error {
  /** The HTTP status; 0 if the server could not be reached. */
  status: number;
  /** The kind of problem, where the status alone does not say it. */
  code: ProblemCode | undefined;
  /** The fields that were rejected, and why. */
  errors: FieldError[];
  /** With status 412, the entry as it is now. With 409, what the route documents. */
  current: Schemas['JournalEntry'] | undefined;
  /** Seconds to wait before the next attempt, if the server named them. */
  retryAfter: number | undefined;

  constructor(status: number, problem: ProblemDetails, retryAfter?: number) {
    super(problem.detail ?? `The server responded with status ${status}.`);
    this.name = 'SottoError';
    this.status = status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
    // openapi.json leaves the type open, since it depends on the route.
    this.current = problem.current as Schemas['JournalEntry'] | undefined;
    this.retryAfter = retryAfter;
  }
}

/**
 * Returns the body of a success, and throws a {@link SottoError} for anything else. If the call was aborted, throws the
 * `AbortError`. A `SottoError` of the `fetch` in {@link Options} is thrown as it is.
 */
export async function unwrap<T>(call: Promise<CallResult<T>>): Promise<T> {
  let result: CallResult<T>;
  try {
    result = await call;
  } catch (error) {
    const isAbort = error instanceof DOMException && error.name === 'AbortError';
    if (isAbort || error instanceof SottoError) throw error;
    throw new SottoError(0, { detail: 'The server could not be reached.' });
  }
  const { data, error, response } = result;
  // A success without a body has no data, and the type of its body is `undefined`.
  if (response.ok) return data as T;
  const after = Number(response.headers.get('retry-after') ?? NaN);
  const problem = typeof error === 'object' && error ? error : {};
  throw new SottoError(response.status, problem, Number.isFinite(after) ? after : undefined);
}

/** The cursor of the next page, from `Link: <…>; rel="next"` (RFC 8288), or undefined on the last page. */
export function nextCursor(response: Response): string | undefined {
  const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '');
  return next?.[1] ? (new URL(next[1], 'http://base').searchParams.get('cursor') ?? undefined) : undefined;
}

/**
 * All rows of a list. `requestPage` requests the page at a cursor, or the first page without one; each page is
 * requested when its first row is needed. Throws what {@link unwrap} throws.
 *
 *     for await (const entry of items((cursor) => api.GET('/api/journals/', { params: { query: { cursor } } }))) …
 */
export async function* items<T>(
  requestPage: (cursor: string | undefined) => Promise<CallResult<T[]>>,
): AsyncGenerator<T, void, undefined> {
  let cursor: string | undefined;
  do {
    const call = requestPage(cursor);
    yield* await unwrap(call);
    cursor = nextCursor((await call).response);
  } while (cursor !== undefined);
}
