//! Tests accounts.

use sotto_domain::account::{
    AccountPatch, Administered, DraftKey, Email, MAX_PREFERENCES, PasswordHash, Revoked, User, UserPatch, UserQuery,
};
use sotto_domain::entry::EntryQuery;
use sotto_domain::{SessionId, UserId, Zone};

use super::world::{World, assert_conflict, at, at_once, up_to};

pub async fn create_get_and_credentials(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.full_name = Some("Ada Lovelace 🌸".into());
    new.is_superuser = true;
    new.time_zone = Zone::named("Europe/London").unwrap();
    let user = world.users().create(&new, None, at(5)).await.unwrap();
    let expected = User {
        id: new.id,
        email: new.email.clone(),
        email_verified_at: None,
        full_name: new.full_name.clone(),
        is_active: true,
        is_superuser: true,
        has_password: true,
        google_id: None,
        avatar_url: None,
        time_zone: new.time_zone.clone(),
        created_at: at(5),
        updated_at: at(5),
    };
    assert_eq!(user, expected);
    assert_eq!(world.users().get(user.id).await.unwrap(), Some(user.clone()));
    let credentials = world.users().credentials(&new.email).await.unwrap().unwrap();
    assert_eq!((credentials.user, credentials.password_hash), (user, new.password_hash));

    let mut passwordless = world.new_user("without@example.org");
    passwordless.password_hash = None;
    assert!(!world.users().create(&passwordless, None, at(5)).await.unwrap().has_password);
    assert!(!world.users().get(passwordless.id).await.unwrap().unwrap().has_password);
    assert_eq!(world.users().credentials(&passwordless.email).await.unwrap().unwrap().password_hash, None);
}

pub async fn create_rejects_a_taken_address(world: &World) {
    world.users().create(&world.new_user("ada@example.org"), None, at(0)).await.unwrap();
    let again = world.new_user(" Ada@Example.org");
    assert_conflict(world.users().create(&again, None, at(1)).await, "idx_users_email");
    assert_eq!(world.users().get(again.id).await.unwrap(), None);
}

pub async fn create_rejects_a_taken_id(world: &World) {
    let id = world.user().await;
    let mut other = world.new_user("other@example.org");
    other.id = id;
    assert_conflict(world.users().create(&other, None, at(1)).await, "pk_users");
}

pub async fn one_of_many_creates_with_one_address_succeeds(world: &World) {
    let outcomes = at_once(8, |_| {
        let (storage, new) = (world.storage.clone(), world.new_user("ada@example.org"));
        async move { storage.users().create(&new, None, at(0)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    for outcome in refused {
        assert_conflict(outcome, "idx_users_email");
    }
}

pub async fn create_first_creates_only_the_first_account(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.is_superuser = true;
    let user = world.users().create_first(&new, at(5)).await.unwrap().unwrap();
    assert!(user.is_superuser);
    assert_eq!(world.users().get(new.id).await.unwrap(), Some(user));
    assert_eq!(world.users().credentials(&new.email).await.unwrap().unwrap().password_hash, new.password_hash);
    // Whether the address is free does not matter, and neither does whether the account is active.
    world.users().set_active(new.id, false, at(6)).await.unwrap();
    for email in ["ada@example.org", "ben@example.org"] {
        let second = world.new_user(email);
        assert_eq!(world.users().create_first(&second, at(6)).await.unwrap(), None);
        assert_eq!(world.users().get(second.id).await.unwrap(), None);
    }
}

pub async fn one_of_many_first_accounts_is_created(world: &World) {
    let outcomes = at_once(8, |number| {
        let (storage, new) = (world.storage.clone(), world.new_user(&format!("ada{number}@example.org")));
        let identity = world.new_identity(new.id, "https://id.example.org", "ada");
        async move {
            match number % 2 {
                0 => storage.users().create_first(&new, at(0)).await.unwrap(),
                _ => storage.identities().sign_up_first(&new, None, &identity, at(0)).await.unwrap(),
            }
        }
    });
    assert_eq!(outcomes.await.into_iter().flatten().count(), 1);
    let all = world.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!(all.len(), 1);
}

pub async fn an_address_is_verified_until_it_changes(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.email_verified = true;
    let ada = world.users().create(&new, None, at(0)).await.unwrap();
    assert_eq!(ada.email_verified_at, Some(at(0)));
    let bob = world.users().create(&world.new_user("bob@example.org"), None, at(0)).await.unwrap();
    let verified_at = async |user: UserId| world.users().get(user).await.unwrap().unwrap().email_verified_at;
    assert_eq!((verified_at(ada.id).await, verified_at(bob.id).await), (Some(at(0)), None));

    // Only the account's own address is verified, and only once.
    assert!(!world.users().verify_email(bob.id, &ada.email, at(1)).await.unwrap());
    assert!(world.users().verify_email(bob.id, &bob.email, at(2)).await.unwrap());
    assert!(!world.users().verify_email(bob.id, &bob.email, at(3)).await.unwrap());
    let found = world.users().get(bob.id).await.unwrap().unwrap();
    assert_eq!((found.email_verified_at, found.updated_at), (Some(at(2)), at(2)));

    // The same address and other fields change nothing about it; a new address is not verified.
    for zone in [None, Some("Asia/Kolkata")] {
        let same = UserPatch::parse(Some("bob@example.org"), Some(Some("Bob".into())), None, zone, None).unwrap();
        let same = world.users().update(bob.id, &same, at(4)).await.unwrap().unwrap();
        assert_eq!(same.email_verified_at, Some(at(2)));
    }
    for (email, zone) in [("ben@example.org", None), ("rob@example.org", Some("Asia/Tokyo"))] {
        let moved = UserPatch::parse(Some(email), None, None, zone, None).unwrap();
        let moved = world.users().update(bob.id, &moved, at(5)).await.unwrap().unwrap();
        assert_eq!((moved.email_verified_at, verified_at(bob.id).await), (None, None));
        assert!(world.users().verify_email(bob.id, &moved.email, at(6)).await.unwrap());
    }
    assert_eq!(verified_at(ada.id).await, Some(at(0)));
}

pub async fn administer_sets_an_address_and_whether_it_is_verified(world: &World) {
    let user = world.user().await;
    world.users().create(&world.new_user("taken@example.org"), None, at(0)).await.unwrap();
    let change = async |email: Option<&str>, email_verified, now| {
        let email = email.map(|email| Email::parse(email).unwrap());
        let patch = AccountPatch { email, email_verified, ..AccountPatch::default() };
        let changed = expect_done(world.users().administer(user, &patch, at(now)).await.unwrap());
        assert_eq!(world.users().get(user).await.unwrap(), Some(changed.clone()));
        (changed.email.as_str().to_owned(), changed.email_verified_at)
    };
    let (first, verified) = change(None, Some(true), 1).await;
    assert_eq!(verified, Some(at(1)));
    assert_eq!(change(None, Some(true), 2).await, (first.clone(), Some(at(1))));
    assert_eq!(change(Some(&first), None, 3).await, (first.clone(), Some(at(1))));
    assert_eq!(change(Some("new@example.org"), None, 4).await, ("new@example.org".into(), None));
    assert_eq!(change(Some("newer@example.org"), Some(true), 5).await, ("newer@example.org".into(), Some(at(5))));
    assert_eq!(change(Some("newest@example.org"), Some(true), 6).await, ("newest@example.org".into(), Some(at(6))));
    assert_eq!(change(None, Some(false), 7).await, ("newest@example.org".into(), None));
    let taken = AccountPatch { email: Some(Email::parse("taken@example.org").unwrap()), ..AccountPatch::default() };
    assert_conflict(world.users().administer(user, &taken, at(8)).await, "idx_users_email");
}

pub async fn reset_credentials_leaves_one_way_into_the_account(world: &World) {
    let new = world.new_user("ada@example.org");
    let (user, other) = (world.users().create(&new, None, at(0)).await.unwrap().id, world.user().await);
    for (of, hash) in [(user, [1; 32]), (other, [2; 32])] {
        world.session(of).await;
        world.identity(of, sotto_domain::identity::GOOGLE, &of.to_string()).await;
        world.api_token(of, hash).await;
    }
    let session = world.session(user).await.id;
    let hash = PasswordHash("$argon2id$new".into());
    let revoked = world.users().reset_credentials(user, &hash, at(1)).await.unwrap();
    assert_eq!(revoked, Some(Revoked { sessions: 2, api_tokens: 1, identities: 1 }));
    let found = world.users().credentials(&new.email).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.user.google_id, found.user.updated_at), (Some(hash.clone()), None, at(1)));
    assert_eq!(world.sessions().get_with_user(user, session).await.unwrap(), None);
    assert!(world.api_tokens().find_with_user(&[1; 32]).await.unwrap().is_none());
    assert_eq!(world.identities().list(user).await.unwrap(), vec![]);
    let revoked = world.users().reset_credentials(user, &hash, at(2)).await.unwrap();
    assert_eq!(revoked, Some(Revoked::default()));
    // Others keep theirs.
    assert_eq!(world.identities().list(other).await.unwrap().len(), 1);
    assert!(world.api_tokens().find_with_user(&[2; 32]).await.unwrap().is_some());
    assert_eq!(world.sessions().list(other, at(0)).await.unwrap().len(), 1);
}

pub async fn update_changes_only_the_given_fields(world: &World) {
    let new = world.new_user("ada@example.org");
    let old = world.users().create(&new, None, at(0)).await.unwrap();
    let patch = UserPatch::parse(
        Some("countess@example.org"),
        Some(Some("Ada".into())),
        Some(Some("https://example.org/ada.png".into())),
        Some("Asia/Kolkata"),
        Some(object(r#"{"theme": "dark"}"#)),
    );
    let changed = world.users().update(old.id, &patch.unwrap(), at(1)).await.unwrap().unwrap();
    assert_eq!(changed.email.as_str(), "countess@example.org");
    assert_eq!(changed.full_name.as_deref(), Some("Ada"));
    assert_eq!(changed.avatar_url.as_deref(), Some("https://example.org/ada.png"));
    assert_eq!(changed.time_zone.name(), "Asia/Kolkata");
    assert_eq!((changed.created_at, changed.updated_at), (at(0), at(1)));
    assert_eq!(world.users().get(old.id).await.unwrap(), Some(changed.clone()));
    assert!(world.users().credentials(&new.email).await.unwrap().is_none());
    let kept = world.users().credentials(&changed.email).await.unwrap().unwrap().password_hash;
    assert_eq!(kept, new.password_hash);

    let cleared = UserPatch::parse(None, Some(None), None, None, None).unwrap();
    let cleared = world.users().update(old.id, &cleared, at(2)).await.unwrap().unwrap();
    assert_eq!(cleared, User { full_name: None, updated_at: at(2), ..changed });
    assert_eq!(preferences(world, old.id).await, object(r#"{"theme": "dark"}"#));
}

pub async fn preferences_are_replaced_as_a_whole(world: &World) {
    let (ada, bob) = (world.user().await, world.user().await);
    assert_eq!(preferences(world, ada).await, object("{}"));
    let odd = r#"{"nul": "\u0000", "deep": [[{"a": 1.5}]], "日": null, "quote": "it's \"so\" \\"}"#;
    for text in [r#"{"theme": "dark", "language": "de"}"#, odd, "{}"] {
        let patch = UserPatch::parse(None, None, None, None, Some(object(text))).unwrap();
        assert!(world.users().update(ada, &patch, at(1)).await.unwrap().is_some());
        assert_eq!(preferences(world, ada).await, object(text));
    }
    let longest = object(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_PREFERENCES - 8)));
    let patch = UserPatch::parse(None, None, None, None, Some(longest.clone())).unwrap();
    world.users().update(ada, &patch, at(1)).await.unwrap().unwrap();
    assert_eq!(preferences(world, ada).await, longest);
    assert_eq!(preferences(world, bob).await, object("{}"));
}

pub async fn many_first_requests_for_a_draft_key_get_the_same_key(world: &World) {
    let (ada, bob) = (world.user().await, world.user().await);
    let keys = at_once(8, |number| {
        let storage = world.storage.clone();
        let fresh = DraftKey([u8::try_from(number).unwrap(); 32]);
        async move { storage.users().draft_key(ada, &fresh, at(1)).await.unwrap().unwrap() }
    });
    let keys = keys.await;
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(world.users().draft_key(ada, &DraftKey([99; 32]), at(2)).await.unwrap(), Some(keys[0]));
    assert_eq!(world.users().get(ada).await.unwrap().unwrap().updated_at, at(1));
    assert_eq!(world.users().draft_key(bob, &DraftKey([99; 32]), at(2)).await.unwrap(), Some(DraftKey([99; 32])));
}

fn object(text: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(text).unwrap()
}

async fn preferences(world: &World, user: UserId) -> serde_json::Map<String, serde_json::Value> {
    world.users().preferences(user).await.unwrap().unwrap().into_object()
}

pub async fn update_rejects_the_address_of_another_user(world: &World) {
    let ada = world.users().create(&world.new_user("ada@example.org"), None, at(0)).await.unwrap();
    let bob = world.users().create(&world.new_user("bob@example.org"), None, at(0)).await.unwrap();
    let patch = UserPatch::parse(Some("ada@example.org"), Some(Some("Bob".into())), None, None, None).unwrap();
    assert_conflict(world.users().update(bob.id, &patch, at(1)).await, "idx_users_email");
    assert_eq!(world.users().get(bob.id).await.unwrap(), Some(bob));
    // Users may set the address that they already have.
    let own = UserPatch::parse(Some("ada@example.org"), None, None, None, None).unwrap();
    assert!(world.users().update(ada.id, &own, at(1)).await.unwrap().is_some());
}

pub async fn set_password_replaces_the_hash_and_ends_the_other_sessions(world: &World) {
    let new = world.new_user("ada@example.org");
    let user = world.users().create(&new, None, at(0)).await.unwrap().id;
    let (kept, ended) = (world.session(user).await.id, world.session(user).await.id);
    let other = world.user().await;
    let elsewhere = world.session(other).await.id;

    let hash = PasswordHash("$argon2id$new".into());
    assert!(world.users().set_password(user, &hash, Some(kept), false, at(1)).await.unwrap());
    assert_eq!(world.users().credentials(&new.email).await.unwrap().unwrap().password_hash, Some(hash.clone()));
    assert_eq!(world.users().get(user).await.unwrap().unwrap().updated_at, at(1));
    assert!(world.sessions().get_with_user(user, kept).await.unwrap().is_some());
    assert!(world.sessions().get_with_user(user, ended).await.unwrap().is_none());
    assert!(world.sessions().get_with_user(other, elsewhere).await.unwrap().is_some());

    assert!(world.users().set_password(user, &hash, None, false, at(2)).await.unwrap());
    assert!(world.sessions().get_with_user(user, kept).await.unwrap().is_none());
}

pub async fn set_password_deletes_the_api_tokens_on_request(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tokens = [world.api_token(user, [1; 32]).await, world.api_token(user, [2; 32]).await];
    let elsewhere = world.api_token(other, [3; 32]).await;
    let hash = PasswordHash("$argon2id$new".into());
    assert!(world.users().set_password(user, &hash, None, false, at(1)).await.unwrap());
    assert_eq!(world.api_tokens().list(user).await.unwrap(), tokens);
    assert!(world.users().set_password(user, &hash, None, true, at(2)).await.unwrap());
    assert_eq!(world.api_tokens().list(user).await.unwrap(), []);
    assert!(world.api_tokens().find_with_user(&[1; 32]).await.unwrap().is_none());
    assert_eq!(world.api_tokens().list(other).await.unwrap(), [elsewhere]);
}

pub async fn set_password_requires_the_session_that_asks_for_it(world: &World) {
    let new = world.new_user("ada@example.org");
    let user = world.users().create(&new, None, at(0)).await.unwrap().id;
    let (ended, left) = (world.session(user).await.id, world.session(user).await.id);
    let elsewhere = world.session(world.user().await).await.id;
    let token = world.api_token(user, [1; 32]).await;
    assert!(world.sessions().end(user, ended).await.unwrap());
    let set = async |keep, hash: &str| {
        world.users().set_password(user, &PasswordHash(hash.into()), Some(keep), true, at(1)).await.unwrap()
    };
    for keep in [ended, elsewhere, SessionId(world.id())] {
        assert!(!set(keep, "$argon2id$new").await);
    }
    let found = world.users().credentials(&new.email).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.user.updated_at), (new.password_hash, at(0)));
    assert!(world.sessions().get_with_user(user, left).await.unwrap().is_some());
    assert_eq!(world.api_tokens().list(user).await.unwrap(), [token]);
    assert!(set(left, "$argon2id$new").await);
    assert_eq!(world.api_tokens().list(user).await.unwrap(), []);
}

pub async fn one_of_many_password_changes_from_different_sessions_succeeds(world: &World) {
    let user = world.user().await;
    let mut sessions = vec![];
    for _ in 0..8 {
        sessions.push(world.session(user).await.id);
    }
    let set = at_once(8, |number| {
        let (storage, keep) = (world.storage.clone(), sessions[number]);
        async move {
            let hash = PasswordHash(format!("$argon2id${number}"));
            storage.users().set_password(user, &hash, Some(keep), true, at(1)).await.unwrap().then_some(keep)
        }
    });
    let set: Vec<_> = set.await.into_iter().flatten().collect();
    assert_eq!(set.len(), 1);
    let left: Vec<_> = world.sessions().list(user, at(0)).await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(left, set);
}

pub async fn set_active_ends_every_session_of_a_deactivated_user(world: &World) {
    let user = world.user().await;
    let other = world.user().await;
    let (session, elsewhere) = (world.session(user).await.id, world.session(other).await.id);
    assert!(world.users().set_active(user, true, at(1)).await.unwrap());
    assert!(world.sessions().get_with_user(user, session).await.unwrap().unwrap().user.is_active);

    assert!(world.users().set_active(user, false, at(2)).await.unwrap());
    let found = world.users().get(user).await.unwrap().unwrap();
    assert_eq!((found.is_active, found.updated_at), (false, at(2)));
    assert_eq!(world.sessions().get_with_user(user, session).await.unwrap(), None);
    assert!(world.sessions().get_with_user(other, elsewhere).await.unwrap().unwrap().user.is_active);

    assert!(world.users().set_active(user, true, at(3)).await.unwrap());
    assert!(world.users().get(user).await.unwrap().unwrap().is_active);
    assert_eq!(world.sessions().get_with_user(user, session).await.unwrap(), None);
}

pub async fn delete_removes_all_rows_of_the_user(world: &World) {
    let new = world.new_user("ada@example.org");
    let user = world.users().create(&new, None, at(0)).await.unwrap().id;
    let bystander = world.user().await;
    let mut entry = world.new_entry("about mountains");
    entry.tags = vec![world.named("hills")];
    let entry = world.store(user, &entry).await;
    let sealed = world.write(user, "sealed").await.id;
    world.seal(user, sealed).await;
    let (session, reminder) = (world.session(user).await, world.reminder(user, "Write").await);
    let kept = world.write(bystander, "about mountains too").await;

    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    assert_eq!(world.users().get(user).await.unwrap(), None);
    assert!(world.users().credentials(&new.email).await.unwrap().is_none());
    assert_eq!(world.sessions().get_with_user(user, session.id).await.unwrap(), None);
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), None);
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
    assert_eq!(world.reminders().get(user, reminder.id).await.unwrap(), None);
    let search = EntryQuery { words: vec!["mountains".into()], ..up_to(10) };
    assert_eq!(world.entries().list(bystander, &search).await.unwrap(), vec![kept]);

    // No row of the account remains: its address and all ids can be used again.
    world.users().create(&new, None, at(1)).await.unwrap();
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), vec![]);
    assert_eq!(world.entries().list(user, &search).await.unwrap(), vec![]);
    let mut again = world.new_entry("another text");
    again.id = entry.id;
    world.store(user, &again).await;
    world.sessions().start(&session).await.unwrap();
}

pub async fn list_pages_through_every_account_once(world: &World) {
    let mut created = vec![];
    for _ in 0..5 {
        created.push(world.user().await);
    }
    let mut seen: Vec<User> = vec![];
    loop {
        let after = seen.last().map(|user| user.email.clone());
        let page = world.users().list(&UserQuery { after, limit: 2, search: None }).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert!(seen.is_sorted_by_key(|user| user.email.as_str().to_owned()));
    let mut seen: Vec<_> = seen.iter().map(|user| user.id).collect();
    created.sort();
    seen.sort();
    assert_eq!(seen, created);
}

pub async fn list_searches_addresses_and_names(world: &World) {
    for (email, name) in [
        ("ada@example.org", Some("Ada Lovelace")),
        ("ben@example.org", Some("Ben Ödön 100% _sure_")),
        ("cleo@example.net", None),
    ] {
        let mut new = world.new_user(email);
        new.full_name = name.map(str::to_owned);
        world.users().create(&new, None, at(0)).await.unwrap();
    }
    for (search, found) in [
        ("EXAMPLE.org", &["ada@example.org", "ben@example.org"][..]),
        ("cle", &["cleo@example.net"]),
        ("lOVE", &["ada@example.org"]),
        ("Ödön", &["ben@example.org"]),
        ("0% _s", &["ben@example.org"]),
        ("%", &["ben@example.org"]),
        ("a_a", &[]),
        ("'", &[]),
        ("nobody", &[]),
    ] {
        let query = UserQuery { search: Some(search.into()), limit: 10, after: None };
        let emails: Vec<_> =
            world.users().list(&query).await.unwrap().into_iter().map(|user| user.email.as_str().to_owned()).collect();
        assert_eq!(emails, found, "{search}");
    }
    let query = UserQuery { search: Some("example".into()), limit: 1, after: None };
    let first = world.users().list(&query).await.unwrap();
    assert_eq!((first.len(), first[0].email.as_str()), (1, "ada@example.org"));
    let next = UserQuery { after: Some(first[0].email.clone()), limit: 2, ..query };
    assert_eq!(world.users().list(&next).await.unwrap()[1].email.as_str(), "cleo@example.net");
}

pub async fn administer_changes_only_the_given_fields(world: &World) {
    let new = world.new_user("ada@example.org");
    let (old, other) = (world.users().create(&new, None, at(0)).await.unwrap(), world.user().await);
    let (session, elsewhere) = (world.session(old.id).await.id, world.session(other).await.id);
    let is_valid = async |user, session| world.sessions().get_with_user(user, session).await.unwrap().is_some();

    let named =
        AccountPatch { full_name: Some(Some("Ada".into())), is_superuser: Some(true), ..AccountPatch::default() };
    let named = expect_done(world.users().administer(old.id, &named, at(1)).await.unwrap());
    let expected = User { full_name: Some("Ada".into()), is_superuser: true, updated_at: at(1), ..old.clone() };
    assert_eq!(named, expected);
    assert_eq!(world.users().get(old.id).await.unwrap(), Some(expected.clone()));
    let kept = world.users().credentials(&new.email).await.unwrap().unwrap().password_hash;
    assert_eq!(kept, new.password_hash);
    assert!(is_valid(old.id, session).await);

    let cleared = AccountPatch { full_name: Some(None), ..AccountPatch::default() };
    let cleared = expect_done(world.users().administer(old.id, &cleared, at(2)).await.unwrap());
    assert_eq!(cleared, User { full_name: None, updated_at: at(2), ..expected });

    let hash = PasswordHash("$argon2id$new".into());
    let reset = AccountPatch { password_hash: Some(hash.clone()), ..AccountPatch::default() };
    assert!(expect_done(world.users().administer(old.id, &reset, at(3)).await.unwrap()).has_password);
    assert_eq!(world.users().credentials(&new.email).await.unwrap().unwrap().password_hash, Some(hash));
    assert!(!is_valid(old.id, session).await && is_valid(other, elsewhere).await);

    let session = world.session(other).await.id;
    let off = AccountPatch { is_active: Some(false), ..AccountPatch::default() };
    assert!(!expect_done(world.users().administer(other, &off, at(4)).await.unwrap()).is_active);
    assert!(!is_valid(other, session).await && !is_valid(other, elsewhere).await);
    let on = AccountPatch { is_active: Some(true), ..AccountPatch::default() };
    assert!(expect_done(world.users().administer(other, &on, at(4)).await.unwrap()).is_active);
}

pub async fn the_last_active_superuser_stays(world: &World) {
    let users = world.users();
    let (ada, bob) = (superuser(world, "ada@example.org").await, superuser(world, "bob@example.org").await);
    let off = AccountPatch { is_active: Some(false), ..AccountPatch::default() };
    let demoted = AccountPatch { is_superuser: Some(false), ..AccountPatch::default() };
    // A deactivated superuser does not count.
    expect_done(users.administer(bob, &off, at(1)).await.unwrap());
    let session = world.session(ada).await.id;
    for patch in [&off, &demoted] {
        assert_eq!(users.administer(ada, patch, at(2)).await.unwrap(), Administered::LastSuperuser);
    }
    assert_eq!(users.delete(ada).await.unwrap(), Administered::LastSuperuser);
    assert_eq!(users.get(ada).await.unwrap().unwrap().updated_at, at(0));
    assert!(world.sessions().get_with_user(ada, session).await.unwrap().is_some());
    // The last superuser may be changed in other ways, and other users may be deleted.
    let named = AccountPatch { full_name: Some(Some("Ada".into())), is_active: Some(true), ..AccountPatch::default() };
    expect_done(users.administer(ada, &named, at(3)).await.unwrap());
    expect_done(users.delete(bob).await.unwrap());
    superuser(world, "cleo@example.org").await;
    expect_done(users.administer(ada, &demoted, at(4)).await.unwrap());
    expect_done(users.delete(ada).await.unwrap());
}

pub async fn one_of_many_concurrently_removed_superusers_stays(world: &World) {
    let mut all = vec![];
    for number in 0..6 {
        all.push(superuser(world, &format!("{number}@example.org")).await);
    }
    let outcomes = at_once(all.len(), |number| {
        let (storage, id) = (world.storage.clone(), all[number]);
        let patch = match number % 3 {
            0 => Some(AccountPatch { is_active: Some(false), ..AccountPatch::default() }),
            1 => Some(AccountPatch { is_superuser: Some(false), ..AccountPatch::default() }),
            _ => None,
        };
        async move {
            match patch {
                Some(patch) => {
                    storage.users().administer(id, &patch, at(1)).await.unwrap() == Administered::LastSuperuser
                }
                None => storage.users().delete(id).await.unwrap() == Administered::LastSuperuser,
            }
        }
    });
    let refused = outcomes.await.into_iter().filter(|refused| *refused).count();
    assert_eq!(refused, 1);
    let left = world.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!(left.iter().filter(|user| user.is_active && user.is_superuser).count(), 1);
}

async fn superuser(world: &World, email: &str) -> UserId {
    let mut new = world.new_user(email);
    new.is_superuser = true;
    world.users().create(&new, None, at(0)).await.unwrap().id
}

#[track_caller]
fn expect_done<T: std::fmt::Debug>(outcome: Administered<T>) -> T {
    match outcome {
        Administered::Done(done) => done,
        other => panic!("not done: {other:?}"),
    }
}

pub async fn a_nonexistent_user_is_missing(world: &World) {
    let nobody = UserId(world.id());
    let email = world.new_user("nobody@example.org").email;
    assert_eq!(world.users().get(nobody).await.unwrap(), None);
    assert!(world.users().credentials(&email).await.unwrap().is_none());
    assert_eq!(world.users().update(nobody, &UserPatch::default(), at(0)).await.unwrap(), None);
    assert!(!world.users().set_password(nobody, &PasswordHash("x".into()), None, true, at(0)).await.unwrap());
    assert!(!world.users().set_active(nobody, false, at(0)).await.unwrap());
    assert_eq!(world.users().reset_credentials(nobody, &PasswordHash("x".into()), at(0)).await.unwrap(), None);
    assert!(!world.users().verify_email(nobody, &email, at(0)).await.unwrap());
    assert_eq!(world.users().preferences(nobody).await.unwrap(), None);
    assert_eq!(world.users().draft_key(nobody, &DraftKey([1; 32]), at(0)).await.unwrap(), None);
    assert_eq!(world.users().administer(nobody, &AccountPatch::default(), at(0)).await.unwrap(), Administered::Missing);
    assert_eq!(world.users().delete(nobody).await.unwrap(), Administered::Missing);
    assert_eq!(world.users().list(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap(), vec![]);
}
