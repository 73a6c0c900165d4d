/** Gives a wait a bound that no machine should need, however busy it is, and a name. */

type Bound = {
  seconds?: number;
  /** What else to report when the wait fails, such as a log. */
  details?: () => string;
};

/** The result of `promise`. Fails after 60 or the given number of seconds, with the name of what it has waited for. */
export async function bounded<T>(what: string, promise: Promise<T>, bound: Bound = {}): Promise<T> {
  const { seconds = 60, details } = bound;
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, failed) => {
    timer = setTimeout(() => {
      failed(new Error(`waited ${seconds} s for ${what}${details ? `: ${details()}` : ''}`));
    }, seconds * 1000);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}
