/** The name of a device, from its user agent: `Firefox on Linux`. */

import { t } from '../i18n/index.svelte';
import { parseUserAgent } from './user-agent';

export function deviceName(userAgent: string | null | undefined): string {
  const { browser, system } = parseUserAgent(userAgent);
  if (browser && system) return t('settings:deviceOn', { browser, system });
  return browser ?? system ?? t('settings:deviceUnknown');
}
