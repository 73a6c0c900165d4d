import { SottoError } from '../api';
import { t } from '../i18n/index.svelte';

/** What was asked for is under a secret tag that is not open, or no longer. */
export class Locked extends SottoError {
  constructor() {
    super(403, { detail: t('secret:closed') });
    this.name = 'Locked';
  }
}

/** The worker could not be started: without WebAssembly, or without HTTPS. */
export class NoEncryption extends SottoError {
  constructor() {
    super(400, { detail: t(isSecureContext ? 'secret:noEncryption' : 'secret:noHttps') });
    this.name = 'NoEncryption';
  }
}

/** Something was changed on the server, or does not belong where it is: it does not open. */
export class Unreadable extends SottoError {
  constructor() {
    super(422, { detail: t('secret:unreadable') });
    this.name = 'Unreadable';
  }
}

/** The entry has the key of a recording that is not there: it was not sent, or not to its end. */
export class NotSent extends SottoError {
  constructor() {
    super(404, { detail: t('audio:notSent') });
    this.name = 'NotSent';
  }
}
