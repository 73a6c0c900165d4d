//! Tests security events.

use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::security_event::{KEPT_SECONDS, MAX_EVENTS, SecurityEvent, SecurityEventKind};
use sotto_domain::{SecurityEventId, Timestamp, UserId};

use super::world::{World, assert_conflict, at, at_once};

impl World {
    pub fn new_security_event(&self, user_id: UserId, created_at: Timestamp) -> SecurityEvent {
        SecurityEvent {
            id: SecurityEventId(self.id()),
            user_id,
            kind: SecurityEventKind::SignedIn,
            client: Some("2001:db8::1".into()),
            user_agent: Some("Firefox".into()),
            created_at,
        }
    }

    pub async fn security_event(&self, user: UserId, created_at: Timestamp) -> SecurityEvent {
        let event = self.new_security_event(user, created_at);
        self.security_events().record(&event).await.unwrap();
        event
    }

    async fn all_security_events(&self, user: UserId) -> Vec<SecurityEvent> {
        self.security_events().list(user, None, 10_000).await.unwrap()
    }
}

pub async fn record_and_list_every_kind(world: &World) {
    let user = world.user().await;
    let mut expected = vec![];
    for (second, kind) in (0..).zip(SecurityEventKind::ALL) {
        let bare = SecurityEvent { client: None, user_agent: None, ..world.new_security_event(user, at(second)) };
        for event in [SecurityEvent { kind: *kind, ..bare }, world.new_security_event(user, at(second))] {
            world.security_events().record(&event).await.unwrap();
            expected.insert(0, event);
        }
    }
    assert_eq!(world.all_security_events(user).await, expected);
}

pub async fn an_unknown_kind_is_listed(world: &World) {
    let user = world.user().await;
    let event = world.security_event(user, at(0)).await;
    world.execute("UPDATE security_events SET kind = 'of a newer version'").await;
    let expected = SecurityEvent { kind: SecurityEventKind::Other, ..event };
    assert_eq!(world.all_security_events(user).await, [expected]);
}

pub async fn record_rejects_a_deleted_user_and_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let event = world.security_event(user, at(0)).await;
    let taken = SecurityEvent { user_id: other, ..event.clone() };
    assert_conflict(world.security_events().record(&taken).await, "pk_security_events");
    world.users().delete(user).await.unwrap();
    assert_eq!(world.all_security_events(user).await, []);
    assert_conflict(world.security_events().record(&event).await, "fk_security_events_user");
}

pub async fn pages_are_newest_first(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let mut expected = vec![];
    // Two events at the same moment are ordered by their ids.
    for second in [3, 1, 2, 2, 5] {
        expected.push(world.security_event(user, at(second)).await);
        world.security_event(other, at(second)).await;
    }
    expected.sort_by_key(|event| std::cmp::Reverse((event.created_at, event.id)));
    let (mut pages, mut after) = (vec![], None);
    loop {
        let page = world.security_events().list(user, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id.0));
        pages.extend(page);
    }
    assert_eq!(pages, expected);
}

pub async fn the_oldest_events_of_a_kind_beyond_the_limit_are_deleted(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let of_other = world.security_event(other, at(-1)).await;
    let new = world.new_security_event(user, at(-1));
    let of_other_kind = SecurityEvent { kind: SecurityEventKind::EmailChanged, ..new };
    world.security_events().record(&of_other_kind).await.unwrap();
    let mut events = vec![];
    for number in 0..i64::from(MAX_EVENTS) + 2 {
        events.insert(0, world.security_event(user, at(number / 2)).await);
    }
    events.truncate(MAX_EVENTS as usize);
    events.push(of_other_kind.clone());
    assert_eq!(world.all_security_events(user).await, events);
    at_once(8, |_| {
        let (storage, event) = (world.storage.clone(), world.new_security_event(user, at(10_000)));
        async move { storage.security_events().record(&event).await.unwrap() }
    })
    .await;
    let left = world.all_security_events(user).await;
    assert_eq!(left.len(), MAX_EVENTS as usize + 1);
    assert_eq!(left[8..MAX_EVENTS as usize], events[..MAX_EVENTS as usize - 8]);
    assert_eq!(left.last(), Some(&of_other_kind));
    assert_eq!(world.all_security_events(other).await, [of_other]);
}

pub async fn events_are_deleted_after_90_days_and_with_their_user(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (old, recent) = (world.security_event(user, at(0)).await, world.security_event(user, at(5)).await);
    let of_other = world.security_event(other, at(9)).await;
    let events = world.security_events();
    assert_eq!(events.delete_expired(at(KEPT_SECONDS - 1)).await.unwrap(), 0);
    assert_eq!(world.all_security_events(user).await, [recent.clone(), old]);
    assert_eq!(events.delete_expired(at(KEPT_SECONDS + 4)).await.unwrap(), 1);
    assert_eq!(world.all_security_events(user).await, [recent]);
    world.users().delete(user).await.unwrap();
    assert_eq!(world.all_security_events(user).await, []);
    assert_eq!(world.all_security_events(other).await, [of_other]);
}

pub async fn an_event_from_a_wrong_clock_is_redated(world: &World) {
    let user = world.user().await;
    let wrong = world.security_event(user, at(10 * KEPT_SECONDS)).await;
    let usual = world.security_event(user, at(CLOCK_TOLERANCE)).await;
    let events = world.security_events();
    assert_eq!(events.correct_dates(at(0)).await.unwrap(), 1);
    assert_eq!(events.correct_dates(at(0)).await.unwrap(), 0);
    let corrected = SecurityEvent { created_at: at(0), ..wrong };
    assert_eq!(world.all_security_events(user).await, [usual, corrected]);
}
