/** Keeps the app for times without a network, and says when there is a new version of it. Nothing is ever reloaded unasked. */

import { t } from '../i18n/index.svelte';
import { notices } from '../ui/notices.svelte';

/** How often a page that stays open asks for a new version, in milliseconds: every hour. */
const EVERY = 3_600_000;

let asked = false;
let offered = false;

/** Starts keeping; after the sign-in, so that nobody loads the whole app only to see its door. */
export async function keepOffline(): Promise<void> {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  // Where it is refused, as in some private windows, the app needs its network; that is all.
  const registration = await serviceWorker.register('/sw.js', { updateViaCache: 'none' }).catch(() => undefined);
  if (!registration) return;

  // Without a worker before it, the first one brings nothing new.
  const isUpdate = serviceWorker.controller !== null;
  if (registration.waiting && isUpdate) offer(registration);
  registration.addEventListener('updatefound', () => {
    const { installing } = registration;
    installing?.addEventListener('statechange', () => {
      if (installing.state === 'installed' && serviceWorker.controller) offer(registration);
    });
  });
  serviceWorker.addEventListener('controllerchange', () => {
    if (asked) location.reload();
    // Another tab has taken the new version. This one goes on with the old until its person says so.
    else if (isUpdate) offer(registration);
  });
  setInterval(() => void registration.update().catch(() => {}), EVERY);
}

function offer(registration: ServiceWorkerRegistration): void {
  if (offered) return;
  offered = true;
  const run = () => {
    asked = true;
    if (registration.waiting) registration.waiting.postMessage('take over');
    else location.reload();
  };
  notices.say(t('common:newVersion'), { stays: true, ofApp: true, action: { label: t('common:reload'), run } });
}
