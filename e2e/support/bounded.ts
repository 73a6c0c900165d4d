/** Gives a wait a bound that no machine should need, however busy it is. */

/** The result of `promise`. Fails after 60 seconds, and says what it has waited for and what `details` returns. */
export async function bounded<T>(what: string, promise: Promise<T>, details = () => ''): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, failed) => {
    timer = setTimeout(() => failed(new Error(`waited 60 s for ${what}: ${details()}`)), 60_000);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}
