/**
 * What happens when a user signs in or out, when the login ends, when a secret tag is locked or deleted, and when the
 * account is deleted. No module registers itself for these moments: the steps are listed here, in their order.
 */

import { forgetAccountKey } from '../lib/drafts/account-key';
import { saveAllDrafts } from '../lib/drafts/autosave';
import { deleteUserData } from '../lib/drafts/draft-database';
import { otherTabs } from '../lib/drafts/other-tabs';
import { outbox, startOutbox } from '../lib/drafts/outbox.svelte';
import { secretTagRegistry } from '../lib/drafts/secret-tag-registry.svelte';
import { drafts } from '../lib/drafts/user-drafts';
import { watchChanges } from '../lib/entries/change-watcher';
import { keepOffline } from '../lib/offline';
import { lockPendingRecordings, warnBeforeLosingRecordings } from '../lib/recording/pending-recordings';
import { entryStoreFor } from '../lib/secret/entry-stores';
import { startUnlockedTags, unlockedTags } from '../lib/secret/unlocked-tags.svelte';
import { lastUser, session } from '../lib/session.svelte';
import { listenForShortcuts } from '../lib/shortcuts.svelte';
import { discardUnderTag } from '../lib/write/discard';
import { lockWriting } from '../lib/write/writing-session.svelte';

/** How long a sign-out waits for drafts to be sent, in ms. They are saved on this device in any case. */
const SEND_BEFORE_SIGN_OUT = 3_000;

let started = false;

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
  addEventListener('storage', leaveForOtherUser);
  startOutbox();
  warnBeforeLosingRecordings();
  void keepOffline();
}

export async function signOut(): Promise<void> {
  await lockAndSend();
  await session.signOut();
  session.leave('/login');
}

/** The server has deleted the account. */
export async function accountDeleted(): Promise<void> {
  session.close();
  await lockAndSend();
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

async function lockAndSend(): Promise<void> {
  if (unlockedTags.all.length > 0) await unlockedTags.lockAll();
  await saveAllDrafts();
  await Promise.race([outbox.sendAll(), new Promise((done) => setTimeout(done, SEND_BEFORE_SIGN_OUT))]);
  await forgetAccountKey();
}

/**
 * All tabs share the login: when another user signs in elsewhere, text of this user must not be sent to that journal.
 */
function leaveForOtherUser({ key, newValue }: StorageEvent): void {
  if (key !== 'sotto.user' || newValue === null || session.state === 'out') return;
  if (lastUser()?.id !== session.user.id) void saveAllDrafts().finally(() => location.assign('/'));
}
