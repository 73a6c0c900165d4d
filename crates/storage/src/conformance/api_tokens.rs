//! Tests API tokens.

use sotto_domain::ApiTokenId;
use sotto_domain::account::Administered;
use sotto_domain::api_token::{ApiToken, ApiTokenWithUser, CreatedApiToken, MAX_TOKENS, Scopes, USE_INTERVAL_SECONDS};

use super::world::{World, assert_conflict, at, at_once};

pub async fn create_standing_and_list(world: &World) {
    let user = world.user().await;
    let token = world.api_token(user, [1; 32]).await;
    let account = world.users().get(user).await.unwrap().unwrap();
    let with_user = world.api_tokens().find_with_user(&[1; 32]).await.unwrap();
    assert_eq!(with_user, Some(ApiTokenWithUser { user: account, token: token.clone() }));
    let scopes = Scopes::parse(["entries:read", "reminders:write"]).unwrap();
    let ending = ApiToken {
        id: ApiTokenId(world.id()),
        scopes,
        expires_at: Some(at(9)),
        last_used_at: Some(at(5)),
        created_at: at(1),
        ..token.clone()
    };
    assert_eq!(world.api_tokens().create(&ending, &[2; 32], None).await.unwrap(), CreatedApiToken::Created);
    assert_eq!(world.api_tokens().find_with_user(&[2; 32]).await.unwrap().unwrap().token, ending);
    assert_eq!(world.api_tokens().list(user).await.unwrap(), [token, ending]);
    for unknown in [[0; 32], [3; 32]] {
        assert_eq!(world.api_tokens().find_with_user(&unknown).await.unwrap(), None);
    }
}

pub async fn create_rejects_taken_ids_and_secrets(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let token = world.api_token(user, [1; 32]).await;
    assert_conflict(world.api_tokens().create(&token, &[2; 32], None).await, "pk_api_tokens");
    let twin = ApiToken { id: ApiTokenId(world.id()), user_id: other, ..token.clone() };
    assert_conflict(world.api_tokens().create(&twin, &[1; 32], None).await, "uq_api_tokens_token_hash");
    assert_eq!(world.api_tokens().list(user).await.unwrap(), [token]);
}

pub async fn create_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    let token = world.api_token(user, [1; 32]).await;
    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    // The API tokens were deleted with the account.
    assert_eq!(world.api_tokens().find_with_user(&[1; 32]).await.unwrap(), None);
    assert_conflict(world.api_tokens().create(&token, &[1; 32], None).await, "fk_api_tokens_user");
}

pub async fn concurrent_creates_respect_the_limit(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    for number in 0..MAX_TOKENS - 2 {
        world.api_token(user, hash(number)).await;
    }
    let outcomes = at_once(8, |number| {
        let (storage, token) = (world.storage.clone(), world.new_api_token(user));
        let hash = hash(100 + u32::try_from(number).unwrap());
        async move { storage.api_tokens().create(&token, &hash, None).await.unwrap() }
    });
    let created = outcomes.await.into_iter().filter(|outcome| *outcome == CreatedApiToken::Created).count();
    let tokens = world.api_tokens().list(user).await.unwrap();
    assert_eq!((created, tokens.len()), (2, MAX_TOKENS as usize));
    // The limit applies to each user separately, and a deleted API token makes room for another.
    world.api_token(other, hash(200)).await;
    assert!(world.api_tokens().delete(user, tokens[0].id).await.unwrap());
    world.api_token(user, hash(201)).await;
}

pub async fn use_is_recorded_once_a_minute(world: &World) {
    let user = world.user().await;
    let token = world.api_token(user, [1; 32]).await;
    let last_use = async || world.api_tokens().find_with_user(&[1; 32]).await.unwrap().unwrap().token.last_used_at;
    let mut noted = vec![];
    for now in [10, 11, 9 + USE_INTERVAL_SECONDS, 10 + USE_INTERVAL_SECONDS, 11 + USE_INTERVAL_SECONDS, 5] {
        world.api_tokens().note_use(user, token.id, at(now)).await.unwrap();
        noted.push(last_use().await.unwrap());
    }
    let (first, second) = (at(10), at(10 + USE_INTERVAL_SECONDS));
    assert_eq!(noted, [first, first, first, second, second, second]);
    world.api_tokens().note_use(user, ApiTokenId(world.id()), at(500)).await.unwrap();
    assert_eq!(last_use().await, Some(second));
}

pub async fn delete_succeeds_once(world: &World) {
    let user = world.user().await;
    let (token, other) = (world.api_token(user, [1; 32]).await, world.api_token(user, [2; 32]).await);
    assert!(world.api_tokens().delete(user, token.id).await.unwrap());
    assert!(!world.api_tokens().delete(user, token.id).await.unwrap());
    assert_eq!(world.api_tokens().find_with_user(&[1; 32]).await.unwrap(), None);
    assert_eq!(world.api_tokens().list(user).await.unwrap(), [other]);
}

fn hash(number: u32) -> [u8; 32] {
    let mut hash = [9; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    hash
}
