/** Runs one task at a time for each entry, over all tabs of this browser. */

const queues = new Map<string, Promise<unknown>>();

export function exclusive<T>(id: string, run: () => Promise<T>): Promise<T> {
  if (navigator.locks) return navigator.locks.request(`sotto.send.${id}`, run) as Promise<T>;
  // Web Locks exist on secure origins only. Elsewhere, at least one tab does not get in its own way.
  const next = (queues.get(id) ?? Promise.resolve()).then(run, run);
  queues.set(id, next);
  return next;
}
