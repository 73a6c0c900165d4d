//! Accounts, and the credentials of their users.

use sotto_domain::account::{AccountPatch, Administered, DraftKey, PasswordHash, Preferences, UserPatch, UserQuery};
use sotto_domain::api_token::ApiToken;
use sotto_domain::identity::{Identity, Unlinked};
use sotto_domain::secret_tag::{NewLogin, OpaqueState, Started};
use sotto_domain::security_event::{KEPT_SECONDS, SecurityEvent};
use sotto_domain::session::{Rotation, Session};
use sotto_domain::{ApiTokenId, IdentityId, OpaqueSessionId, SessionId};

use super::{Belongings, ISSUER, belongings, hash_of};
use crate::conformance::idempotency::keyed;
use crate::conformance::world::{World, assert_conflict, at};

/// These methods take the id of an account. They find and change this account and no other.
pub(super) async fn try_users(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let users = world.users();
    on("Users.create");
    let mut new = world.new_user("another@example.org");
    new.id = bob.user.id;
    assert_conflict(users.create(&new, None, at(1)).await, "pk_users");
    new = world.new_user("yet-another@example.org");
    new.email = bob.user.email.clone();
    assert_conflict(users.create(&new, None, at(1)).await, "idx_users_email");
    on("Users.create_first");
    assert_eq!(users.create_first(&world.new_user("first@example.org"), at(1)).await.unwrap(), None);
    on("Users.get");
    assert_eq!(users.get(me).await.unwrap().as_ref(), Some(&ada.user));
    on("Users.credentials");
    assert_eq!(users.credentials(&ada.user.email).await.unwrap().unwrap().user, ada.user);
    on("Users.list");
    let all = UserQuery { limit: 10, ..UserQuery::default() };
    assert_eq!(users.list(&all).await.unwrap(), [ada.user.clone(), bob.user.clone()]);
    on("Users.update");
    let patch = UserPatch { email: Some(bob.user.email.clone()), ..UserPatch::default() };
    assert_conflict(users.update(me, &patch, at(1)).await, "idx_users_email");
    let preferences = Preferences::from_text(r#"{"theme":"dark"}"#);
    let patch = UserPatch { full_name: Some(Some("Ada".into())), preferences, ..UserPatch::default() };
    assert!(users.update(me, &patch, at(1)).await.unwrap().is_some());
    on("Users.preferences");
    assert_eq!(users.preferences(me).await.unwrap(), patch.preferences);
    on("Users.draft_key");
    assert_eq!(users.draft_key(me, &DraftKey([1; 32]), at(1)).await.unwrap(), Some(ada.draft_key));
    on("Users.administer");
    let patch = AccountPatch { is_superuser: Some(true), ..AccountPatch::default() };
    assert!(
        matches!(users.administer(me, &patch, at(1)).await.unwrap(), Administered::Done(user) if user.is_superuser)
    );
    let patch = AccountPatch { is_superuser: Some(false), ..AccountPatch::default() };
    assert_eq!(users.administer(me, &patch, at(1)).await.unwrap(), Administered::LastSuperuser);
}

pub(super) async fn try_sessions(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let sessions = world.sessions();
    let theirs = bob.sessions[0].id;
    on("Sessions.start");
    assert_conflict(sessions.start(&Session { user_id: me, ..bob.sessions[0].clone() }).await, "pk_login_sessions");
    on("Sessions.get_with_user");
    assert_eq!(sessions.get_with_user(me, theirs).await.unwrap(), None);
    on("Sessions.rotate");
    for generation in [1, 9] {
        let rotation = sessions.rotate(me, theirs, generation, at(5000), at(1)).await.unwrap();
        assert_eq!(rotation, Rotation::Missing);
    }
    on("Sessions.confirm");
    assert!(!sessions.confirm(me, theirs, at(1)).await.unwrap());
    on("Sessions.end");
    assert!(!sessions.end(me, theirs).await.unwrap());
    on("Sessions.list");
    assert_eq!(sessions.list(me, at(0)).await.unwrap(), ada.sessions);
}

pub(super) async fn try_identities(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let identities = world.identities();
    let theirs = &bob.identities[0];
    on("Identities.find");
    assert_eq!(identities.find(ISSUER, &ada.identities[0].subject).await.unwrap().unwrap().id, me);
    on("Identities.link");
    let taken = Identity { id: IdentityId(world.id()), user_id: me, ..theirs.clone() };
    assert_conflict(identities.link(&taken).await, "uq_identities_issuer_subject");
    on("Identities.sign_up");
    let new = world.new_user("one-more@example.org");
    assert_conflict(identities.sign_up(&new, None, &taken, at(1)).await, "uq_identities_issuer_subject");
    on("Identities.sign_up_first");
    assert_eq!(identities.sign_up_first(&new, None, &taken, at(1)).await.unwrap(), None);
    on("Identities.list");
    assert_eq!(identities.list(me).await.unwrap(), ada.identities);
    on("Identities.unlink");
    assert_eq!(identities.unlink(me, theirs.id, at(1)).await.unwrap(), Unlinked::Missing);
}

pub(super) async fn try_api_tokens(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let tokens = world.api_tokens();
    let theirs = &bob.api_tokens[0];
    on("ApiTokens.create");
    let taken = ApiToken { id: ApiTokenId(world.id()), user_id: me, ..theirs.clone() };
    assert_conflict(tokens.create(&taken, &hash_of(bob.user.id), None).await, "uq_api_tokens_token_hash");
    on("ApiTokens.find_with_user");
    assert_eq!(tokens.find_with_user(&hash_of(me)).await.unwrap().unwrap().user.id, me);
    on("ApiTokens.note_use");
    tokens.note_use(me, theirs.id, at(1)).await.unwrap();
    on("ApiTokens.list");
    assert_eq!(tokens.list(me).await.unwrap(), ada.api_tokens);
    on("ApiTokens.delete");
    assert!(!tokens.delete(me, theirs.id).await.unwrap());
}

/// The same key of two users counts as two keys.
pub(super) async fn try_idempotency_keys(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let (me, they) = (ada.user.id, bob.user.id);
    let keys = world.idempotency_keys();
    let theirs = world.new_tag("with a key");
    world.tags().create(they, &theirs, keyed(they, 1), at(1)).await.unwrap();
    on("IdempotencyKeys.find");
    assert_eq!(keys.find(me, &[1; 32]).await.unwrap(), None);
    let mine = world.new_tag("with a key");
    world.tags().create(me, &mine, keyed(me, 1), at(1)).await.unwrap();
    for (user, tag) in [(me, &mine), (they, &theirs)] {
        assert_eq!(keys.find(user, &[1; 32]).await.unwrap().unwrap().id, tag.id.0);
        assert!(world.tags().delete(user, tag.id).await.unwrap());
    }
    on("IdempotencyKeys.delete_expired");
    assert_eq!(keys.delete_expired(at(1)).await.unwrap(), 0);
    on("IdempotencyKeys.correct_dates");
    assert_eq!(keys.correct_dates(at(1)).await.unwrap(), 0);
}

pub(super) async fn try_security_events(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let events = world.security_events();
    let theirs = &bob.security_events[0];
    on("SecurityEvents.record");
    let taken = SecurityEvent { user_id: me, ..theirs.clone() };
    assert_conflict(events.record(&taken).await, "pk_security_events");
    on("SecurityEvents.list");
    for after in [None, Some((at(1), theirs.id.0))] {
        assert_eq!(events.list(me, after, 100).await.unwrap(), ada.security_events);
    }
    on("SecurityEvents.delete_expired");
    world.security_event(me, at(-KEPT_SECONDS)).await;
    assert_eq!(events.delete_expired(at(0)).await.unwrap(), 1);
    on("SecurityEvents.correct_dates");
    assert_eq!(events.correct_dates(at(0)).await.unwrap(), 0);
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}

pub(super) async fn try_ending_sessions_and_deleting(
    world: &World,
    ada: &Belongings,
    bob: &Belongings,
    mut on: impl FnMut(&str),
) {
    let me = ada.user.id;
    let (users, sessions) = (world.users(), world.sessions());
    on("Users.set_password");
    for (keep, is_set) in [(Some(bob.sessions[0].id), false), (None, true)] {
        let set = users.set_password(me, &PasswordHash("new".into()), keep, true, at(2)).await.unwrap();
        assert_eq!(set, is_set, "{keep:?}");
    }
    on("Users.verify_email");
    assert!(!users.verify_email(me, &bob.user.email, at(2)).await.unwrap());
    on("Sessions.delete_expired");
    let expired = Session { id: SessionId(world.id()), user_id: me, expires_at: at(1), ..ada.sessions[0].clone() };
    sessions.start(&expired).await.unwrap();
    assert_eq!(sessions.delete_expired(at(2)).await.unwrap(), 1);
    on("OpaqueSessions.delete_expired");
    let login = NewLogin {
        id: OpaqueSessionId(world.id()),
        expires_at: at(1),
        ..world.new_login(me, ada.secret_tags[0].id, at(1))
    };
    let mine = world.opaque_sessions().list(me, at(2)).await.unwrap();
    let tries = mine.iter().filter(|session| session.state != OpaqueState::Unlocked).count();
    // For the clock of this attempt, the earlier attempts are in the future, so the call corrects their dates.
    assert_eq!(world.opaque_sessions().start(&login, at(-100_000)).await.unwrap(), Started::Started);
    assert_eq!(world.opaque_sessions().delete_expired(at(2)).await.unwrap(), tries as u64 + 1);
    on("Sessions.correct_ends");
    assert_eq!(sessions.correct_ends(at(2)).await.unwrap(), 0);
    on("OpaqueSessions.correct_dates");
    assert_eq!(world.opaque_sessions().correct_dates(at(2)).await.unwrap(), 0);
    on("Users.reset_credentials");
    assert!(users.reset_credentials(me, &PasswordHash("newer".into()), at(2)).await.unwrap().is_some());
    on("Users.set_active");
    assert!(users.set_active(me, false, at(2)).await.unwrap());
    assert_eq!(belongings(world, bob.user.id).await, *bob);
    on("Users.delete");
    assert_eq!(users.delete(me).await.unwrap(), Administered::Done(()));
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}
