//! The methods of accounts, and of the credentials of their users.

use sotto_domain::account::{
    AccountPatch, Administered, DraftKey, Email, NewUser, PasswordHash, Preferences, UserPatch, UserQuery,
};
use sotto_domain::api_token::{ApiToken, CreatedApiToken, Scopes};
use sotto_domain::identity::{GOOGLE, Identity, Unlinked};
use sotto_domain::security_event::{KEPT_SECONDS, SecurityEvent, SecurityEventKind};
use sotto_domain::session::Session;
use sotto_domain::storage::Storage;
use sotto_domain::{ApiTokenId, IdentityId, SecurityEventId, SessionId, Zone};

use super::{me, other_user};
use crate::conformance::world::at;
use crate::plans::population::{RowKind, id};

pub(super) async fn users(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let users = storage.users();
    let new = NewUser {
        id: other_user(9001),
        email: Email::parse("new@example.org").unwrap(),
        password_hash: None,
        full_name: None,
        is_superuser: false,
        email_verified: false,
        time_zone: Zone::utc(),
    };
    users.create(&new, None, at(0)).await.unwrap();
    after("Users.create");
    assert_eq!(users.create_first(&new, at(0)).await.unwrap(), None);
    after("Users.create_first");
    users.get(me()).await.unwrap().unwrap();
    after("Users.get");
    users.credentials(&Email::parse("person77@example.org").unwrap()).await.unwrap().unwrap();
    after("Users.credentials");
    let patch = UserPatch { full_name: Some(Some("Ada".into())), ..UserPatch::default() };
    users.update(me(), &patch, at(1)).await.unwrap().unwrap();
    // This patch moves the reminders, which are in UTC like their user.
    let patch = UserPatch { time_zone: Zone::named("Asia/Tokyo"), ..UserPatch::default() };
    users.update(me(), &patch, at(1)).await.unwrap().unwrap();
    after("Users.update");
    // The sessions of the first users have expired and were deleted.
    let keep = Some(SessionId(id(RowKind::Session, 70, 2)));
    assert!(users.set_password(other_user(70), &PasswordHash("new".into()), keep, true, at(1)).await.unwrap());
    after("Users.set_password");
    let email = Email::parse("person5@example.org").unwrap();
    assert!(users.verify_email(other_user(5), &email, at(1)).await.unwrap());
    after("Users.verify_email");
    let revoked = users.reset_credentials(other_user(60), &PasswordHash("new".into()), at(1)).await.unwrap().unwrap();
    assert_eq!((revoked.sessions, revoked.api_tokens, revoked.identities), (3, 2, 2));
    after("Users.reset_credentials");
    for active in [false, true] {
        assert!(users.set_active(other_user(2), active, at(1)).await.unwrap());
    }
    after("Users.set_active");
    for (search, after) in [(None, None), (None, Some("person1500@example.org")), (Some("person15"), None)] {
        let after = after.map(|email| Email::parse(email).unwrap());
        let query = UserQuery { search: search.map(str::to_owned), after, limit: 10 };
        assert_eq!(users.list(&query).await.unwrap().len(), 10);
    }
    after("Users.list");
    assert_eq!(users.preferences(me()).await.unwrap(), Some(Preferences::default()));
    after("Users.preferences");
    for fresh in [1, 2] {
        assert_eq!(users.draft_key(me(), &DraftKey([fresh; 32]), at(1)).await.unwrap(), Some(DraftKey([1; 32])));
    }
    after("Users.draft_key");
    for is_superuser in [true, false] {
        let patch = AccountPatch { is_superuser: Some(is_superuser), is_active: Some(true), ..AccountPatch::default() };
        users.administer(me(), &patch, at(1)).await.unwrap();
    }
    let off = AccountPatch { is_active: Some(false), ..AccountPatch::default() };
    users.administer(other_user(4), &off, at(1)).await.unwrap();
    after("Users.administer");
    assert_eq!(users.delete(other_user(3)).await.unwrap(), Administered::Done(()));
    assert_eq!(users.delete(me()).await.unwrap(), Administered::LastSuperuser);
    after("Users.delete");
}

pub(super) async fn sessions(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let sessions = storage.sessions();
    let session = |n: u32| SessionId(id(RowKind::Session, 1, n));
    let new = Session {
        id: session(90),
        user_id: me(),
        generation: 1,
        rotated_at: at(0),
        expires_at: at(1000),
        user_agent: None,
        confirmed_at: None,
        created_at: at(0),
    };
    sessions.start(&new).await.unwrap();
    after("Sessions.start");
    sessions.get_with_user(me(), session(90)).await.unwrap().unwrap();
    after("Sessions.get_with_user");
    for generation in [1, 7] {
        sessions.rotate(me(), session(90), generation, at(2000), at(1)).await.unwrap();
    }
    after("Sessions.rotate");
    assert!(sessions.confirm(me(), session(1), at(1)).await.unwrap());
    after("Sessions.confirm");
    assert!(sessions.end(me(), session(1)).await.unwrap());
    after("Sessions.end");
    assert!(!sessions.list(me(), at(0)).await.unwrap().is_empty());
    after("Sessions.list");
    // The expired sessions of the last users only: as many as expire in a day, not in years.
    assert!(sessions.delete_expired(at(20 * 3600)).await.unwrap() > 0);
    after("Sessions.delete_expired");
    sessions.correct_ends(at(0)).await.unwrap();
    after("Sessions.correct_ends");
}

pub(super) async fn identities(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let identities = storage.identities();
    let identity = |n: u32, person: u32, issuer: &str, subject: &str| Identity {
        id: IdentityId(id(RowKind::Identity, person, n)),
        user_id: other_user(person),
        issuer: issuer.into(),
        subject: subject.into(),
        email: None,
        created_at: at(0),
    };
    identities.find("https://id.example.org/1", "person77").await.unwrap().unwrap();
    after("Identities.find");
    for (n, issuer) in [(90, GOOGLE), (91, "https://other.example")] {
        identities.link(&identity(n, 1, issuer, "me")).await.unwrap();
    }
    after("Identities.link");
    let new = NewUser {
        id: other_user(9002),
        email: Email::parse("signed-up@example.org").unwrap(),
        password_hash: None,
        full_name: None,
        is_superuser: false,
        email_verified: false,
        time_zone: Zone::utc(),
    };
    identities.sign_up(&new, None, &identity(1, 9002, GOOGLE, "new"), at(0)).await.unwrap();
    after("Identities.sign_up");
    let another = identity(2, 9002, GOOGLE, "newer");
    assert_eq!(identities.sign_up_first(&new, None, &another, at(0)).await.unwrap(), None);
    after("Identities.sign_up_first");
    assert_eq!(identities.list(me()).await.unwrap().len(), 4);
    after("Identities.list");
    for n in [90, 91] {
        let unlinked = identities.unlink(me(), IdentityId(id(RowKind::Identity, 1, n)), at(1)).await.unwrap();
        assert_eq!(unlinked, Unlinked::Unlinked);
    }
    after("Identities.unlink");
}

pub(super) async fn api_tokens(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let tokens = storage.api_tokens();
    let new = ApiToken {
        id: ApiTokenId(id(RowKind::Token, 1, 90)),
        user_id: me(),
        name: "script".into(),
        scopes: Scopes::parse(["tags:read"]).unwrap(),
        expires_at: None,
        last_used_at: None,
        created_at: at(0),
    };
    assert_eq!(tokens.create(&new, &[7; 32], None).await.unwrap(), CreatedApiToken::Created);
    after("ApiTokens.create");
    tokens.find_with_user(&[7; 32]).await.unwrap().unwrap();
    after("ApiTokens.find_with_user");
    for now in [1, 2] {
        tokens.note_use(me(), new.id, at(now)).await.unwrap();
    }
    after("ApiTokens.note_use");
    assert_eq!(tokens.list(me()).await.unwrap().len(), 3);
    after("ApiTokens.list");
    assert!(tokens.delete(me(), new.id).await.unwrap());
    after("ApiTokens.delete");
}

pub(super) async fn security_events(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let events = storage.security_events();
    let event = |n: u32| SecurityEventId(id(RowKind::SecurityEvent, 1, n));
    let new = SecurityEvent {
        id: event(90),
        user_id: me(),
        kind: SecurityEventKind::SignedOut,
        client: None,
        user_agent: None,
        created_at: at(0),
    };
    events.record(&new).await.unwrap();
    after("SecurityEvents.record");
    for place in [None, Some((at(-2 * 3600), event(2).0))] {
        assert!(!events.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("SecurityEvents.list");
    // The oldest events only: as many as expire in a day.
    assert!(events.delete_expired(at(KEPT_SECONDS - 8 * 3600)).await.unwrap() > 0);
    after("SecurityEvents.delete_expired");
    assert_eq!(events.correct_dates(at(0)).await.unwrap(), 0);
    after("SecurityEvents.correct_dates");
}
