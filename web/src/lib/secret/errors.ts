/** Errors of secret tags, with sentences for the user. */

import { SottoError } from '../api';
import { t } from '../i18n/index.svelte';

/** The secret tag is locked. */
export class Locked extends SottoError {
  constructor() {
    super(403, { detail: t('secret:locked') });
    this.name = 'Locked';
  }
}

/** The worker could not be started, for lack of WebAssembly or HTTPS. */
export class NoEncryption extends SottoError {
  constructor() {
    super(400, { detail: t(isSecureContext ? 'secret:noEncryption' : 'secret:noHttps') });
    this.name = 'NoEncryption';
  }
}

/** The data cannot be decrypted, because it was modified or belongs elsewhere. */
export class Unreadable extends SottoError {
  constructor() {
    super(422, { detail: t('secret:unreadable') });
    this.name = 'Unreadable';
  }
}

/** The entry has the key of a recording that the server does not have: the upload was not completed. */
export class NotSent extends SottoError {
  constructor() {
    super(404, { detail: t('audio:notSent') });
    this.name = 'NotSent';
  }
}
