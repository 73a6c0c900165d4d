/** The worker that holds the keys: what it can do is in keyring.ts, how it is called in rpc.ts. */

import type { Ask } from './exchange';
import { KeyRing } from './keyring';
import { connect } from './rpc';

const ask: Ask = (...request) => page.ask(...request) as Promise<never>;
const { remote: page } = connect<{ ask: Ask }>(self, new KeyRing(ask));
