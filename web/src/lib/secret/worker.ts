/** The entry point of the worker: serves the keyring (keyring.ts) to the page by remote calls (rpc.ts). */

import type { Ask } from './opaque';
import { Keyring } from './keyring';
import { connect } from './rpc';

const ask: Ask = (...request) => page.ask(...request) as Promise<never>;
const { remote: page } = connect<{ ask: Ask }>(self, new Keyring(ask));
