//! Tests reminders.

use sotto_domain::account::UserPatch;
use sotto_domain::reminder::{Reminder, ReminderPlan};
use sotto_domain::{ReminderId, Timestamp, UserId, Zone};

use super::world::{World, assert_conflict, at, at_once, plan};

pub async fn create_and_get_every_frequency(world: &World) {
    let user = world.user().await;
    for (frequency, days, due) in [
        ("daily", None, "2025-01-22T19:00:00Z"),
        ("weekdays", None, "2025-01-22T19:00:00Z"),
        ("weekends", None, "2025-01-25T19:00:00Z"),
        ("weekly", None, "2025-01-22T19:00:00Z"),
        ("monthly", None, "2025-01-22T19:00:00Z"),
        ("custom", Some("mon,fri"), "2025-01-24T19:00:00Z"),
    ] {
        let (id, plan) = (ReminderId(world.id()), plan("Write 🖋️", frequency, days));
        let created = world.reminders().create(user, id, &plan, None, at(0)).await.unwrap();
        let next_due_at = Some(Timestamp::parse(due).unwrap());
        assert_eq!(created, Reminder { id, user_id: user, plan, next_due_at, created_at: at(0), updated_at: at(0) });
        assert_eq!(world.reminders().get(user, id).await.unwrap(), Some(created));
    }
}

pub async fn create_rejects_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let reminder = world.reminder(user, "one").await;
    for user in [user, other] {
        let outcome = world.reminders().create(user, reminder.id, &plan("two", "daily", None), None, at(1)).await;
        assert_conflict(outcome, "pk_reminders");
    }
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![reminder]);
}

pub async fn create_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    let outcome =
        world.reminders().create(user, ReminderId(world.id()), &plan("late", "daily", None), None, at(0)).await;
    assert_conflict(outcome, "fk_reminders_user");
}

pub async fn a_paused_reminder_is_never_due(world: &World) {
    let user = world.user().await;
    let off = ReminderPlan { is_active: false, ..plan("Off", "custom", Some("sun")) };
    let created = world.reminders().create(user, ReminderId(world.id()), &off, None, at(0)).await.unwrap();
    assert_eq!(created.next_due_at, None);
    assert_eq!(world.reminders().get(user, created.id).await.unwrap(), Some(created));
}

pub async fn replace_changes_the_expected_version(world: &World) {
    let user = world.user().await;
    let old = world.reminder(user, "Old").await;
    let new = ReminderPlan { message: String::new(), ..plan("New", "custom", Some("tue")) };
    let changed = world.reminders().replace(user, old.id, &new, old.updated_at, at(60)).await.unwrap().unwrap();
    let next_due_at = Some(Timestamp::parse("2025-01-28T19:00:00Z").unwrap());
    assert_eq!(changed, Reminder { plan: new, next_due_at, updated_at: at(60), ..old.clone() });
    assert_eq!(world.reminders().get(user, old.id).await.unwrap(), Some(changed.clone()));

    let late = plan("Too late", "daily", None);
    assert_eq!(world.reminders().replace(user, old.id, &late, old.updated_at, at(90)).await.unwrap(), None);
    assert_eq!(world.reminders().get(user, old.id).await.unwrap(), Some(changed.clone()));

    let off = ReminderPlan { is_active: false, ..late };
    let off = world.reminders().replace(user, old.id, &off, changed.updated_at, at(90)).await.unwrap().unwrap();
    assert_eq!((off.next_due_at, off.plan.schedule.frequency.custom_days()), (None, None));
}

pub async fn one_of_two_replacements_of_one_version_succeeds(world: &World) {
    let user = world.user().await;
    let id = world.reminder(user, "Start").await.id;
    for second in 1..=8 {
        let outcomes = at_once(2, |number| {
            let (storage, plan) = (world.storage.clone(), plan(&format!("try {number}"), "daily", None));
            async move { storage.reminders().replace(user, id, &plan, at(second - 1), at(second)).await.unwrap() }
        });
        let outcomes = outcomes.await;
        assert_eq!(outcomes.iter().flatten().count(), 1);
        let stored = world.reminders().get(user, id).await.unwrap();
        assert!(outcomes.contains(&stored));
    }
}

pub async fn delete_succeeds_once(world: &World) {
    let user = world.user().await;
    let (deleted, kept) = (world.reminder(user, "gone").await, world.reminder(user, "kept").await);
    assert!(world.reminders().delete(user, deleted.id).await.unwrap());
    assert!(!world.reminders().delete(user, deleted.id).await.unwrap());
    assert_eq!(world.reminders().get(user, deleted.id).await.unwrap(), None);
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![kept]);
}

pub async fn list_pages_in_order_of_creation(world: &World) {
    let user = world.user().await;
    let mut created = vec![];
    for number in 0..7 {
        let plan = plan(&format!("{}", 9 - number), "daily", None);
        created
            .push(world.reminders().create(user, ReminderId(world.id()), &plan, None, at(number / 3)).await.unwrap());
    }
    let mut seen: Vec<Reminder> = vec![];
    loop {
        let after = seen.last().map(|reminder| (reminder.created_at, reminder.id.0));
        let page = world.reminders().list(user, after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, created);
}

pub async fn a_nonexistent_reminder_is_missing(world: &World) {
    let user = world.user().await;
    let id = ReminderId(world.id());
    assert_eq!(world.reminders().get(user, id).await.unwrap(), None);
    let replaced = world.reminders().replace(user, id, &plan("x", "daily", None), at(0), at(0)).await.unwrap();
    assert_eq!(replaced, None);
    assert!(!world.reminders().delete(user, id).await.unwrap());
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![]);
}

pub async fn a_new_time_zone_of_a_user_moves_the_reminders_in_the_old_one(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    for user in [user, other] {
        world.users().update(user, &zone_patch("Europe/Berlin"), at(0)).await.unwrap().unwrap();
    }
    let (daily, theirs) = (world.reminder(user, "daily").await, world.reminder(other, "theirs").await);
    let monthly = plan("monthly", "monthly", None);
    let off = ReminderPlan { is_active: false, ..plan("off", "custom", Some("mon,fri")) };
    let elsewhere = plan("elsewhere", "daily", None).moved_to(&zone("Asia/Tokyo"));
    let mut created = vec![daily];
    for plan in [monthly, off, elsewhere.clone()] {
        created.push(world.reminders().create(user, ReminderId(world.id()), &plan, None, at(0)).await.unwrap());
    }

    let changed = world.users().update(user, &zone_patch("America/New_York"), at(60)).await.unwrap().unwrap();
    assert_eq!((changed.time_zone.name(), changed.updated_at), ("America/New_York", at(60)));
    let expected = created.into_iter().map(|old| {
        if old.plan == elsewhere {
            return old;
        }
        let plan = old.plan.moved_to(&zone("America/New_York"));
        Reminder { next_due_at: plan.next_due(at(60)), plan, updated_at: at(60), ..old }
    });
    let expected: Vec<_> = expected.collect();
    // 20:00 in New York. Before the move it was 20:00 in Berlin.
    assert_eq!(expected[0].next_due_at, Some(Timestamp::parse("2025-01-23T01:00:00Z").unwrap()));
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), expected);
    assert_eq!(world.reminders().list(other, None, 10).await.unwrap(), vec![theirs]);

    // Setting the same zone again changes no reminder.
    world.users().update(user, &zone_patch("America/New_York"), at(90)).await.unwrap().unwrap();
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), expected);
}

pub async fn an_unchanged_account_moves_no_reminder(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    world.users().update(user, &zone_patch("Europe/Berlin"), at(0)).await.unwrap().unwrap();
    let reminder = world.reminder(user, "daily").await;
    let taken = world.users().get(other).await.unwrap().unwrap().email;
    let patch = UserPatch { email: Some(taken), ..zone_patch("America/New_York") };
    assert_conflict(world.users().update(user, &patch, at(60)).await, "idx_users_email");
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![reminder]);
    assert_eq!(world.users().get(user).await.unwrap().unwrap().time_zone.name(), "Europe/Berlin");
    let nobody = UserId(world.id());
    assert_eq!(world.users().update(nobody, &zone_patch("Europe/Berlin"), at(0)).await.unwrap(), None);
}

pub async fn a_concurrent_time_zone_change_and_replacements_lose_nothing(world: &World) {
    let user = world.user().await;
    world.users().update(user, &zone_patch("Europe/Berlin"), at(0)).await.unwrap().unwrap();
    let reminder = world.reminder(user, "daily").await;
    let replaced = at_once(8, |number| {
        let (storage, seen) = (world.storage.clone(), reminder.updated_at);
        let plan = ReminderPlan { title: "replaced".into(), ..reminder.plan.clone() };
        let id = reminder.id;
        async move {
            if number % 2 == 0 {
                storage.users().update(user, &zone_patch("America/New_York"), at(1)).await.unwrap().unwrap();
                return false;
            }
            storage.reminders().replace(user, id, &plan, seen, at(2)).await.unwrap().is_some()
        }
    });
    let replaced = replaced.await.into_iter().filter(|replaced| *replaced).count();
    assert!(replaced <= 1);
    // In either order, the reminder has moved, and an accepted replacement is stored in the new zone.
    let stored = world.reminders().get(user, reminder.id).await.unwrap().unwrap();
    assert_eq!(stored.plan.schedule, reminder.plan.moved_to(&zone("America/New_York")).schedule);
    assert_eq!(stored.plan.title == "replaced", replaced == 1);
}

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn zone_patch(name: &str) -> UserPatch {
    UserPatch { time_zone: Some(zone(name)), ..UserPatch::default() }
}
