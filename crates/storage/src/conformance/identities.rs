//! Tests identities at providers.

use sotto_domain::account::{Administered, PasswordHash, User, UserQuery};
use sotto_domain::identity::{GOOGLE, Identity, Unlinked};
use sotto_domain::{IdentityId, UserId};

use super::world::{World, assert_conflict, at, at_once};

const ISSUER: &str = "https://id.example.org/realms/home";

pub async fn link_find_and_list(world: &World) {
    let user = world.user().await;
    let first = world.identity(user, ISSUER, "ada").await;
    let silent = Identity {
        id: IdentityId(world.id()),
        email: None,
        subject: "other".into(),
        created_at: at(1),
        ..first.clone()
    };
    world.identities().link(&silent).await.unwrap();
    assert_eq!(world.identities().list(user).await.unwrap(), [first, silent]);
    let account = world.users().get(user).await.unwrap();
    assert_eq!(world.identities().find(ISSUER, "ada").await.unwrap(), account);
    assert_eq!(world.identities().find(ISSUER, "other").await.unwrap(), account);
    // Only issuer and subject together identify an account, and both are compared exactly.
    for (issuer, subject) in [(ISSUER, "Ada"), (ISSUER, ""), ("https://id.example.org", "ada"), ("ada", ISSUER)] {
        assert_eq!(world.identities().find(issuer, subject).await.unwrap(), None, "{issuer} {subject}");
    }
    // Only Google's identity changes this field.
    assert_eq!(account.unwrap().google_id, None);
}

pub async fn an_identity_signs_in_to_one_account(world: &World) {
    let (ada, bob) = (world.user().await, world.user().await);
    let linked = world.identity(ada, ISSUER, "ada").await;
    for user_id in [ada, bob] {
        let again = Identity { id: IdentityId(world.id()), user_id, ..linked.clone() };
        assert_conflict(world.identities().link(&again).await, "uq_identities_issuer_subject");
    }
    assert_conflict(
        world.identities().link(&Identity { subject: "other".into(), ..linked.clone() }).await,
        "pk_identities",
    );
    let elsewhere =
        Identity { id: IdentityId(world.id()), user_id: bob, issuer: "https://other.example".into(), ..linked.clone() };
    world.identities().link(&elsewhere).await.unwrap();
    assert_eq!(world.identities().list(ada).await.unwrap(), [linked]);
}

pub async fn link_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    let identity = world.identity(user, ISSUER, "ada").await;
    world.users().delete(user).await.unwrap();
    assert_conflict(world.identities().link(&identity).await, "fk_identities_user");
}

pub async fn sign_up_creates_user_and_identity_or_neither(world: &World) {
    let mut new = world.new_user("ada@example.org");
    (new.password_hash, new.full_name) = (None, Some("Ada".into()));
    let identity = world.new_identity(new.id, ISSUER, "ada");
    let picture = Some("https://example.org/ada.png");
    let user = world.identities().sign_up(&new, picture, &identity, at(0)).await.unwrap();
    assert_eq!((user.full_name.as_deref(), user.avatar_url.as_deref()), (Some("Ada"), picture));
    assert_eq!(world.users().get(new.id).await.unwrap(), Some(user.clone()));
    assert_eq!(world.users().credentials(&new.email).await.unwrap().unwrap().password_hash, None);
    assert_eq!(world.identities().find(ISSUER, "ada").await.unwrap(), Some(user));
    assert_eq!(world.identities().list(new.id).await.unwrap(), [identity]);

    // The email address is taken: no identity is left behind.
    let twin = world.new_user("ada@example.org");
    let of_twin = world.new_identity(twin.id, ISSUER, "twin");
    assert_conflict(world.identities().sign_up(&twin, None, &of_twin, at(1)).await, "idx_users_email");
    assert_eq!(world.identities().find(ISSUER, "twin").await.unwrap(), None);
    // The identity is taken: no account is left behind.
    let other = world.new_user("other@example.org");
    let taken = world.new_identity(other.id, ISSUER, "ada");
    let refused = world.identities().sign_up(&other, None, &taken, at(1)).await;
    assert_conflict(refused, "uq_identities_issuer_subject");
    assert_eq!(world.users().get(other.id).await.unwrap(), None);
}

pub async fn sign_up_first_creates_only_the_first_account(world: &World) {
    let (mut new, second) = (world.new_user("ada@example.org"), world.new_user("ben@example.org"));
    new.email_verified = true;
    let identity = world.new_identity(new.id, ISSUER, "ada");
    let picture = Some("https://example.org/ada.png");
    let user = world.identities().sign_up_first(&new, picture, &identity, at(0)).await.unwrap().unwrap();
    assert_eq!((user.avatar_url.as_deref(), user.email_verified_at), (picture, Some(at(0))));
    assert_eq!(world.identities().find(ISSUER, "ada").await.unwrap(), Some(user));
    let other = world.new_identity(second.id, ISSUER, "ben");
    assert_eq!(world.identities().sign_up_first(&second, None, &other, at(1)).await.unwrap(), None);
    assert_eq!(world.users().get(second.id).await.unwrap(), None);
    assert_eq!(world.identities().find(ISSUER, "ben").await.unwrap(), None);
}

pub async fn one_of_many_sign_ups_with_one_identity_succeeds(world: &World) {
    let outcomes = at_once(8, |number| {
        let new = world.new_user(&format!("ada{number}@example.org"));
        let (storage, identity) = (world.storage.clone(), world.new_identity(new.id, ISSUER, "ada"));
        async move { storage.identities().sign_up(&new, None, &identity, at(0)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
    assert_eq!(
        (created.len(), world.users().list(&UserQuery { limit: 100, ..UserQuery::default() }).await.unwrap().len()),
        (1, 1)
    );
    for outcome in refused {
        assert_conflict(outcome, "uq_identities_issuer_subject");
    }
}

pub async fn a_google_identity_is_recorded_in_the_account(world: &World) {
    let user = world.user().await;
    let google_id = async || world.users().get(user).await.unwrap().unwrap().google_id;
    let second = world.identity(user, GOOGLE, "222").await;
    assert_eq!(google_id().await.as_deref(), Some("222"));
    let first = world.identity(user, GOOGLE, "111").await;
    assert_eq!(google_id().await.as_deref(), Some("111"));
    assert_eq!(world.identities().unlink(user, first.id, at(5)).await.unwrap(), Unlinked::Unlinked);
    assert_eq!(google_id().await.as_deref(), Some("222"));
    assert_eq!(world.identities().unlink(user, second.id, at(6)).await.unwrap(), Unlinked::Unlinked);
    assert_eq!(google_id().await, None);
    assert_eq!(world.users().get(user).await.unwrap().unwrap().updated_at, at(6));

    let new = world.new_user("new@example.org");
    let created =
        world.identities().sign_up(&new, None, &world.new_identity(new.id, GOOGLE, "333"), at(0)).await.unwrap();
    assert_eq!(world.users().get(new.id).await.unwrap(), Some(User { google_id: Some("333".into()), ..created }));
}

pub async fn unlink_keeps_the_last_way_to_sign_in(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.password_hash = None;
    let first = world.new_identity(new.id, ISSUER, "first");
    world.identities().sign_up(&new, None, &first, at(0)).await.unwrap();
    let identities = world.identities();
    assert_eq!(identities.unlink(new.id, first.id, at(1)).await.unwrap(), Unlinked::LastWayIn);
    let second = world.identity(new.id, ISSUER, "second").await;
    assert_eq!(identities.unlink(new.id, first.id, at(1)).await.unwrap(), Unlinked::Unlinked);
    assert_eq!(identities.unlink(new.id, first.id, at(1)).await.unwrap(), Unlinked::Missing);
    assert_eq!(identities.unlink(new.id, second.id, at(1)).await.unwrap(), Unlinked::LastWayIn);
    assert_eq!(identities.list(new.id).await.unwrap(), std::slice::from_ref(&second));
    // With a password, the user can still sign in, so the last identity may go.
    world.users().set_password(new.id, &PasswordHash("$argon2id$x".into()), None, false, at(2)).await.unwrap();
    assert_eq!(identities.unlink(new.id, second.id, at(3)).await.unwrap(), Unlinked::Unlinked);
    assert_eq!(identities.find(ISSUER, "second").await.unwrap(), None);
}

pub async fn concurrent_unlinks_keep_one_way_to_sign_in(world: &World) {
    let mut new = world.new_user("ada@example.org");
    new.password_hash = None;
    world.identities().sign_up(&new, None, &world.new_identity(new.id, GOOGLE, "0"), at(0)).await.unwrap();
    for number in 1..6 {
        world.identity(new.id, ISSUER, &number.to_string()).await;
    }
    let all = world.identities().list(new.id).await.unwrap();
    let outcomes = at_once(all.len(), |number| {
        let (storage, id) = (world.storage.clone(), all[number].id);
        async move { storage.identities().unlink(new.id, id, at(1)).await.unwrap() }
    });
    let outcomes = outcomes.await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Unlinked::LastWayIn).count(), 1, "{outcomes:?}");
    assert_eq!(world.identities().list(new.id).await.unwrap().len(), 1);
}

pub async fn deleting_a_user_deletes_their_identities(world: &World) {
    let user = world.user().await;
    let identity = world.identity(user, ISSUER, "ada").await;
    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    assert_eq!(world.identities().find(ISSUER, "ada").await.unwrap(), None);
    assert_eq!(world.identities().list(user).await.unwrap(), vec![]);
    // The identity is free again.
    let other = world.user().await;
    world.identities().link(&Identity { user_id: other, ..identity }).await.unwrap();
    assert_eq!(
        world.identities().unlink(UserId(world.id()), IdentityId(world.id()), at(0)).await.unwrap(),
        Unlinked::Missing
    );
}
