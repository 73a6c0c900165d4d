//! Accounts.

use sotto_domain::account::{PasswordHash, User, UserPatch};
use sotto_domain::entry::EntryQuery;
use sotto_domain::{UserId, Zone};

use super::world::{World, assert_conflict, at, at_once, up_to};

pub async fn create_get_and_credentials(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.full_name = Some("Ada Lovelace 🌸".into());
    new.is_superuser = true;
    new.time_zone = Zone::named("Europe/London").unwrap();
    let user = world.users().create(&new, at(5)).await.unwrap();
    let expected = User {
        id: new.id,
        email: new.email.clone(),
        full_name: new.full_name.clone(),
        is_active: true,
        is_superuser: true,
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

    let mut without = world.new_user("without@example.org");
    without.password_hash = None;
    world.users().create(&without, at(5)).await.unwrap();
    assert_eq!(world.users().credentials(&without.email).await.unwrap().unwrap().password_hash, None);
}

pub async fn create_refuses_a_taken_address(world: &World) {
    world.users().create(&world.new_user("ada@example.org"), at(0)).await.unwrap();
    let again = world.new_user(" Ada@Example.org");
    assert_conflict(world.users().create(&again, at(1)).await, "idx_users_email");
    assert_eq!(world.users().get(again.id).await.unwrap(), None);
}

pub async fn create_refuses_a_taken_id(world: &World) {
    let id = world.user().await;
    let mut other = world.new_user("other@example.org");
    other.id = id;
    assert_conflict(world.users().create(&other, at(1)).await, "pk_users");
}

pub async fn of_many_creates_with_one_address_one_succeeds(world: &World) {
    let outcomes = at_once(8, |_| {
        let (storage, new) = (world.storage.clone(), world.new_user("ada@example.org"));
        async move { storage.users().create(&new, at(0)).await }
    });
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for outcome in refused {
        assert_conflict(outcome, "idx_users_email");
    }
}

pub async fn update_changes_only_what_is_named(world: &World) {
    let new = world.new_user("ada@example.org");
    let old = world.users().create(&new, at(0)).await.unwrap();
    let patch = UserPatch::parse(
        Some("countess@example.org"),
        Some(Some("Ada".into())),
        Some(Some("https://example.org/ada.png".into())),
        Some("Asia/Kolkata"),
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

    let cleared = UserPatch::parse(None, Some(None), None, None).unwrap();
    let cleared = world.users().update(old.id, &cleared, at(2)).await.unwrap().unwrap();
    assert_eq!(cleared, User { full_name: None, updated_at: at(2), ..changed });
}

pub async fn update_refuses_another_users_address(world: &World) {
    let ada = world.users().create(&world.new_user("ada@example.org"), at(0)).await.unwrap();
    let bob = world.users().create(&world.new_user("bob@example.org"), at(0)).await.unwrap();
    let patch = UserPatch::parse(Some("ada@example.org"), Some(Some("Bob".into())), None, None).unwrap();
    assert_conflict(world.users().update(bob.id, &patch, at(1)).await, "idx_users_email");
    assert_eq!(world.users().get(bob.id).await.unwrap(), Some(bob));
    // One's own address is nobody else's.
    let own = UserPatch::parse(Some("ada@example.org"), None, None, None).unwrap();
    assert!(world.users().update(ada.id, &own, at(1)).await.unwrap().is_some());
}

pub async fn set_password_replaces_the_hash_and_ends_the_other_sessions(world: &World) {
    let new = world.new_user("ada@example.org");
    let user = world.users().create(&new, at(0)).await.unwrap().id;
    let (kept, ended) = (world.session(user).await.id, world.session(user).await.id);
    let other = world.user().await;
    let elsewhere = world.session(other).await.id;

    let hash = PasswordHash("$argon2id$new".into());
    assert!(world.users().set_password(user, &hash, Some(kept), at(1)).await.unwrap());
    assert_eq!(world.users().credentials(&new.email).await.unwrap().unwrap().password_hash, Some(hash.clone()));
    assert_eq!(world.users().get(user).await.unwrap().unwrap().updated_at, at(1));
    assert!(world.sessions().standing(user, kept).await.unwrap().is_some());
    assert!(world.sessions().standing(user, ended).await.unwrap().is_none());
    assert!(world.sessions().standing(other, elsewhere).await.unwrap().is_some());

    assert!(world.users().set_password(user, &hash, None, at(2)).await.unwrap());
    assert!(world.sessions().standing(user, kept).await.unwrap().is_none());
}

pub async fn set_active_ends_every_session_when_it_deactivates(world: &World) {
    let user = world.user().await;
    let other = world.user().await;
    let (session, elsewhere) = (world.session(user).await.id, world.session(other).await.id);
    assert!(world.users().set_active(user, true, at(1)).await.unwrap());
    assert!(world.sessions().standing(user, session).await.unwrap().unwrap().user.is_active);

    assert!(world.users().set_active(user, false, at(2)).await.unwrap());
    let found = world.users().get(user).await.unwrap().unwrap();
    assert_eq!((found.is_active, found.updated_at), (false, at(2)));
    assert_eq!(world.sessions().standing(user, session).await.unwrap(), None);
    assert!(world.sessions().standing(other, elsewhere).await.unwrap().unwrap().user.is_active);

    assert!(world.users().set_active(user, true, at(3)).await.unwrap());
    assert!(world.users().get(user).await.unwrap().unwrap().is_active);
    assert_eq!(world.sessions().standing(user, session).await.unwrap(), None);
}

pub async fn delete_removes_all_that_is_theirs(world: &World) {
    let new = world.new_user("ada@example.org");
    let user = world.users().create(&new, at(0)).await.unwrap().id;
    let bystander = world.user().await;
    let mut entry = world.new_entry("about mountains");
    entry.tags = vec![world.named("hills")];
    let entry = world.store(user, &entry).await;
    let sealed = world.write(user, "sealed").await.id;
    world.seal(user, sealed).await;
    let (session, reminder) = (world.session(user).await, world.reminder(user, "Write").await);
    let kept = world.write(bystander, "about mountains too").await;

    assert!(world.users().delete(user).await.unwrap());
    assert_eq!(world.users().get(user).await.unwrap(), None);
    assert!(world.users().credentials(&new.email).await.unwrap().is_none());
    assert_eq!(world.sessions().standing(user, session.id).await.unwrap(), None);
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), None);
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
    assert_eq!(world.reminders().get(user, reminder.id).await.unwrap(), None);
    let search = EntryQuery { words: vec!["mountains".into()], ..up_to(10) };
    assert_eq!(world.entries().list(bystander, &search).await.unwrap(), vec![kept]);

    // Nothing is left of it: the address and every id are free again.
    world.users().create(&new, at(1)).await.unwrap();
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), vec![]);
    assert_eq!(world.entries().list(user, &search).await.unwrap(), vec![]);
    let mut again = world.new_entry("anew");
    again.id = entry.id;
    world.store(user, &again).await;
    world.sessions().start(&session).await.unwrap();
}

pub async fn list_pages_through_every_account_once(world: &World) {
    let mut made = vec![];
    for _ in 0..5 {
        made.push(world.user().await);
    }
    let mut seen: Vec<UserId> = vec![];
    loop {
        let page = world.users().list(seen.last().copied(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|user| user.id));
    }
    made.sort();
    assert_eq!(seen, made);
}

pub async fn a_user_who_is_not_there_is_missing(world: &World) {
    let nobody = UserId(world.id());
    let email = world.new_user("nobody@example.org").email;
    assert_eq!(world.users().get(nobody).await.unwrap(), None);
    assert!(world.users().credentials(&email).await.unwrap().is_none());
    assert_eq!(world.users().update(nobody, &UserPatch::default(), at(0)).await.unwrap(), None);
    assert!(!world.users().set_password(nobody, &PasswordHash("x".into()), None, at(0)).await.unwrap());
    assert!(!world.users().set_active(nobody, false, at(0)).await.unwrap());
    assert!(!world.users().delete(nobody).await.unwrap());
    assert_eq!(world.users().list(None, 10).await.unwrap(), vec![]);
}
