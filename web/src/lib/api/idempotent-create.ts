/**
 * Sends create requests that the user may repeat, for example with a second click after a response was lost. Until a
 * request has succeeded, the same body is sent with the same `Idempotency-Key`, so that the server creates one row.
 */
export class IdempotentCreate {
  #attempt: { body: string; key: string } | undefined;

  /** Creates a row from this body. `request` makes the request with the given header. */
  async send<T>(body: unknown, request: (header: { 'Idempotency-Key': string }) => Promise<T>): Promise<T> {
    const text = JSON.stringify(body);
    if (this.#attempt?.body !== text) this.#attempt = { body: text, key: crypto.randomUUID() };
    const created = await request({ 'Idempotency-Key': this.#attempt.key });
    // After a success, the same body creates another row.
    this.#attempt = undefined;
    return created;
  }
}
