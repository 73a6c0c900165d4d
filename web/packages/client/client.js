/**
 * A typed client of Sotto's HTTP API. `schema.d.ts` beside it is generated from openapi.json; this file adds what a
 * schema cannot say: errors as exceptions, and pages as one sequence.
 *
 * @typedef {import('./schema.js').paths} paths
 * @typedef {import('./schema.js').components['schemas']} Schemas
 * @typedef {import('openapi-fetch').Client<paths>} Client  What `sotto` makes.
 * @typedef {Schemas['FieldError']} FieldError  What is wrong with a field: `code` and `params` for programs, `msg` for people.
 * @typedef {Schemas['ProblemCode']} ProblemCode
 */

import createClient from 'openapi-fetch';

/**
 * A client of the server at `baseUrl`. With `token` (an access token, or a personal API token) each request carries
 * it; without one, the browser's cookies do.
 *
 * @param {{ baseUrl: string, token?: string, fetch?: (request: Request) => Promise<Response> }} options
 * @returns {Client}
 */
export function sotto({ baseUrl, token, fetch }) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return createClient({ baseUrl, headers, ...(fetch && { fetch }) });
}

/** What the server answers when it refuses or fails: a problem document (RFC 9457). */
export class SottoError extends Error {
  /** The HTTP status; 0 if there was no answer at all. @type {number} */
  status;
  /** What kind of problem it is, if the status alone does not say it. @type {ProblemCode | undefined} */
  code;
  /** Which fields were wrong, and how. @type {FieldError[]} */
  errors;
  /** On 412: the entry as it is now. @type {Schemas['JournalEntry'] | undefined} */
  current;
  /** Seconds to wait before the next try, if the server said so. @type {number | undefined} */
  retryAfter;

  /** @param {number} status @param {{ detail?: string, code?: ProblemCode, errors?: FieldError[], current?: any }} problem @param {number} [retryAfter] */
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.name = 'SottoError';
    this.status = status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
    this.current = problem.current;
    this.retryAfter = retryAfter;
  }
}

/**
 * The body of a good answer; anything else is thrown as a {@link SottoError}.
 *
 * @template T
 * @param {Promise<{ data?: T, error?: unknown, response: Response }>} answer
 * @returns {Promise<T>}
 */
export async function unwrap(answer) {
  let result;
  try {
    result = await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new SottoError(0, { detail: 'The server could not be reached.' });
  }
  const { data, error, response } = result;
  if (response.ok) return /** @type {T} */ (data);
  const after = Number(response.headers.get('retry-after') ?? NaN);
  const problem = typeof error === 'object' && error ? error : {};
  throw new SottoError(response.status, problem, Number.isFinite(after) ? after : undefined);
}

/**
 * The cursor of the page after this one, from `Link: <…>; rel="next"` (RFC 8288), or nothing on the last page.
 *
 * @param {Response} response
 * @returns {string | undefined}
 */
export function nextCursor(response) {
  const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '');
  return next?.[1] ? (new URL(next[1], 'http://base').searchParams.get('cursor') ?? undefined) : undefined;
}

/**
 * All rows of a list, page by page: the next page is asked for when its first row is wanted.
 *
 *     for await (const entry of items((cursor) => api.GET('/api/journals/', { params: { query: { cursor } } }))) …
 *
 * @template T
 * @param {(cursor: string | undefined) => Promise<{ data?: T[], error?: unknown, response: Response }>} ask
 *   asks for the page at a cursor; for the first page, without one
 * @returns {AsyncGenerator<T, void, undefined>} throws what {@link unwrap} throws
 */
export async function* items(ask) {
  /** @type {string | undefined} */
  let cursor;
  do {
    const answer = ask(cursor);
    yield* await unwrap(answer);
    cursor = nextCursor((await answer).response);
  } while (cursor !== undefined);
}
