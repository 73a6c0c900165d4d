/**
 * Creates that the user may repeat, for example with a second click after a response was lost. Until a create has
 * succeeded, the same body is sent with the same `Idempotency-Key`, so that the server creates one row.
 */
export class Repeatable {
  #attempt: { body: string; key: string } | undefined;

  /** Runs a create with this body. `send` makes the request with the given header. */
  async create<T>(body: unknown, send: (header: { 'Idempotency-Key': string }) => Promise<T>): Promise<T> {
    const text = JSON.stringify(body);
    if (this.#attempt?.body !== text) this.#attempt = { body: text, key: crypto.randomUUID() };
    const made = await send({ 'Idempotency-Key': this.#attempt.key });
    // After a success, the same body creates another row.
    this.#attempt = undefined;
    return made;
  }
}
