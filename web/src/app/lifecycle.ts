/**
 * What happens when a user signs in or out, when the login ends, when a secret tag is locked or deleted, and when the
 * account is deleted. No module registers itself for these moments: the steps are listed here, in their order.
 */

import { api } from '../lib/api';
import { sendSignOut, signOutMark } from '../lib/api/sign-out.svelte';
import { forgetAccountKey } from '../lib/drafts/account-key';
import { saveAllDrafts } from '../lib/drafts/autosave';
import { deleteUserData } from '../lib/drafts/draft-database';
import { otherTabs } from '../lib/drafts/other-tabs';
import { outbox, startOutbox } from '../lib/drafts/outbox.svelte';
import { secretTagRegistry } from '../lib/drafts/secret-tag-registry.svelte';
import { drafts } from '../lib/drafts/user-drafts';
import { watchChanges } from '../lib/entries/change-watcher';
import { t } from '../lib/i18n/index.svelte';
import { keepOffline } from '../lib/offline';
import { lockPendingRecordings, stopRecording, warnBeforeLosingRecordings } from '../lib/recording/pending-recordings';
import { entryStoreFor } from '../lib/secret/entry-stores';
import { startUnlockedTags, unlockedTags } from '../lib/secret/unlocked-tags.svelte';
import { lastUser, session } from '../lib/session.svelte';
import { listenForShortcuts } from '../lib/shortcuts.svelte';
import { notices } from '../lib/ui/notices.svelte';
import { discardUnderTag } from '../lib/write/discard';
import { lockWriting } from '../lib/write/writing-session.svelte';

/** How long a sign-out waits until drafts are saved on this device, and then until they are sent, in ms. */
const [SAVE_BEFORE_SIGN_OUT, SEND_BEFORE_SIGN_OUT] = [1_000, 3_000];

let started = false;
let leaving = false;

/**
 * A user is signed in, and the shell is about to be shown. Later calls do nothing, because a sign-out reloads the
 * page.
 */
export function signedIn(): void {
  if (started) return;
  started = true;
  secretTagRegistry.connect({
    unlocked: () => unlockedTags.all,
    draftKey: unlockedTags.draftKey,
    entries: (id) => (unlockedTags.isUnlocked(id) ? entryStoreFor(id) : null),
  });
  startUnlockedTags({ locked: secretTagLocked, deleted: discardUnderTag });
  session.whenEnded(unlockedTags.lockInThisTab);
  watchChanges();
  listenForShortcuts();
  otherTabs.listen((user) => void deleteUserData(user).catch(() => {}));
  addEventListener('storage', followOtherTab);
  addEventListener('pageshow', leaveIfRevived);
  startOutbox();
  warnBeforeLosingRecordings();
  void keepOffline();
}

/**
 * Signs out of this device: this tab and all others empty themselves at once. If the server is unreachable, the app
 * sends the sign-out later, before any other request.
 */
export async function signOut(): Promise<void> {
  signOutMark.set();
  await emptyTab();
  session.leave('/login');
}

/** The server has deleted the account. */
export async function accountDeleted(): Promise<void> {
  session.close();
  if (unlockedTags.all.length > 0) await unlockedTags.lockAll();
  await saveAllDrafts();
  await forgetAccountKey();
  // The other tabs have to stop as well, or they would store their drafts again.
  otherTabs.announceDeletedAccount(session.user.id);
  await deleteUserData(session.user.id).catch(() => {});
  session.leave('/goodbye');
}

/** A secret tag is being locked. What is written under it leaves the screen before this returns. */
async function secretTagLocked(id: string): Promise<void> {
  lockWriting(id);
  await Promise.all([saveAllDrafts().then(() => drafts.forgetKey(id)), lockPendingRecordings(id)]);
}

/** Takes the journal off the screen, saves and sends what is not sent yet, and ends the session on the server. */
async function emptyTab(): Promise<void> {
  leaving = true;
  const cleared = clearScreen();
  // If the server is unreachable, the sign-out stays due, and the sign-in page goes on.
  await sendSignOut(() => cleared.then(lockAndSend)).catch(() => {});
}

async function clearScreen(): Promise<void> {
  await atMost(SAVE_BEFORE_SIGN_OUT, saveAllDrafts());
  session.hide();
  unlockedTags.lockInThisTab();
  notices.clearPrivate();
  document.title = t('common:appName');
}

async function lockAndSend(): Promise<void> {
  const saved = Promise.all([saveAllDrafts(), stopRecording()]);
  await atMost(SEND_BEFORE_SIGN_OUT, Promise.all([lockEverywhere(), saved.then(outbox.sendAll)]));
  await forgetAccountKey();
}

/** Locks the secret tags in all sessions, unless another tab has finished the sign-out. */
async function lockEverywhere(): Promise<void> {
  if (signOutMark.due) await api.POST('/api/secret-tags/lock').catch(() => {});
}

/** Waits for `steps`, at most so many ms. */
async function atMost(ms: number, steps: Promise<unknown>): Promise<void> {
  await Promise.race([steps, new Promise((done) => setTimeout(done, ms))]);
}

/**
 * All tabs share the login. Another tab has signed out, or another user has signed in there, to whose journal text of
 * this user must not be sent.
 */
function followOtherTab(event: StorageEvent): void {
  if (session.state === 'out' || leaving) return;
  // The user may have signed in again by then, so this tab does not touch who is signed in.
  if (signOutMark.follow(event)) void emptyTab().then(() => location.assign('/login'));
  if (event.key !== 'sotto.user' || event.newValue === null) return;
  if (lastUser()?.id !== session.user.id) void saveAllDrafts().finally(() => location.assign('/'));
}

/** The back button can bring back a page that was asleep when another one signed out. */
function leaveIfRevived({ persisted }: PageTransitionEvent): void {
  if (persisted && (signOutMark.due || lastUser()?.id !== session.user.id)) location.replace('/');
}
