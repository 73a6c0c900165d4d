/** The worker, from the page's side. It is started when something is to be opened, and ended when all is closed. */

import { api, unwrap } from '../api';
import { Locked, NoEncryption } from './errors';
import type { Ask } from './exchange';
import type { KeyRing } from './keyring';
import { connect, type Remote } from './rpc';

type Running = { keyring: Promise<Remote<KeyRing>>; stop: () => void };
let running: Running | null = null;

/** @throws NoEncryption if it cannot be started here. */
export function keyring(): Promise<Remote<KeyRing>> {
  running ??= start();
  return running.keyring;
}

/** Ends the worker, and with it everything that it knows. Calls that wait for it fail. */
export function forgetKeys(): void {
  running?.stop();
  running = null;
}

function start(): Running {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const { remote, end } = connect<KeyRing>(worker, { ask });
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
  // The paths are those of the exchanges in keyring.ts, with the id in them.
  return unwrap(api.POST(`/api/secret-tags${path}` as never, { body, headers } as never));
};
