/** Runs one task at a time under each name, over all tabs of this browser. */

const queues = new Map<string, Promise<unknown>>();

export function exclusive<T>(name: `sotto.${string}`, run: () => Promise<T>): Promise<T> {
  if (navigator.locks) return navigator.locks.request(name, run) as Promise<T>;
  // Web Locks exist on secure origins only. Elsewhere, at least one tab does not get in its own way.
  const next = (queues.get(name) ?? Promise.resolve()).then(run, run);
  queues.set(name, next);
  return next;
}
