/**
 * Registers the service worker, and shows a notice when a new version of the app is ready. Never reloads the page
 * unasked.
 */

import { t } from '../i18n/index.svelte';
import { notices } from '../ui/notices.svelte';

/** How often an open page checks for a new version: every hour, in ms. */
const CHECK_INTERVAL = 3_600_000;

let reloadRequested = false;
let offered = false;

/**
 * Called after the sign-in, because the worker loads the whole app, which a visitor of the sign-in page does not need.
 */
export async function keepOffline(): Promise<void> {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  // Without a service worker, as in some private windows, the app needs a network.
  const registration = await serviceWorker.register('/sw.js', { updateViaCache: 'none' }).catch(() => undefined);
  if (!registration) return;

  // The first worker of a browser is no update.
  const isUpdate = serviceWorker.controller !== null;
  if (registration.waiting && isUpdate) offer(registration);
  registration.addEventListener('updatefound', () => {
    const { installing } = registration;
    installing?.addEventListener('statechange', () => {
      if (installing.state === 'installed' && serviceWorker.controller) offer(registration);
    });
  });
  serviceWorker.addEventListener('controllerchange', () => {
    if (reloadRequested) location.reload();
    // Another tab has activated the new version. This tab keeps the old one until the user reloads it.
    else if (isUpdate) offer(registration);
  });
  setInterval(() => void registration.update().catch(() => {}), CHECK_INTERVAL);
}

function offer(registration: ServiceWorkerRegistration): void {
  if (offered) return;
  offered = true;
  const run = () => {
    reloadRequested = true;
    if (registration.waiting) registration.waiting.postMessage('take over');
    else location.reload();
  };
  notices.show(t('common:newVersion'), { stays: true, aboutApp: true, action: { label: t('common:reload'), run } });
}
