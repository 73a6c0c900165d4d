/** Starts the worker that holds the keyring when it is needed, and stops it when no secret tag is unlocked. */

import { api, unwrap } from '../api';
import { Locked, NoEncryption } from './errors';
import type { Ask } from './opaque';
import type { Keyring } from './keyring';
import { connect, type Remote } from './rpc';

type Running = { keyring: Promise<Remote<Keyring>>; stop: () => void };
let running: Running | null = null;

/** @throws NoEncryption if the worker cannot be started in this browser. */
export function keyring(): Promise<Remote<Keyring>> {
  running ??= start();
  return running.keyring;
}

/** Stops the worker, with everything that it holds. Pending calls fail. */
export function stopKeyring(): void {
  running?.stop();
  running = null;
}

function start(): Running {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const { remote, end } = connect<Keyring>(worker, { ask });
  const broken = new Promise<never>((_, reject) => worker.addEventListener('error', reject, { once: true }));
  const started = Promise.race([remote.ready(), broken]).then(
    () => remote,
    () => {
      stop();
      if (running?.keyring === started) running = null;
      throw new NoEncryption();
    },
  );
  const stop = () => {
    worker.terminate();
    end(new Locked());
  };
  return { keyring: started, stop };
}

const ask: Ask = (path, body, token) => {
  const headers = token ? { 'X-Sotto-Unlock': token } : undefined;
  // keyring.ts and opaque.ts build these paths, which contain ids, so their types are unknown here.
  return unwrap(api.POST(`/api/secret-tags${path}` as never, { body, headers } as never));
};
