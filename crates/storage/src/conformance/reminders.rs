//! Reminders.

use sotto_domain::reminder::{Reminder, ReminderPlan};
use sotto_domain::{ReminderId, Timestamp};

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
        let made = world.reminders().create(user, id, &plan, at(0)).await.unwrap();
        let next_due_at = Some(Timestamp::parse(due).unwrap());
        assert_eq!(made, Reminder { id, user_id: user, plan, next_due_at, created_at: at(0), updated_at: at(0) });
        assert_eq!(world.reminders().get(user, id).await.unwrap(), Some(made));
    }
}

pub async fn create_refuses_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let reminder = world.reminder(user, "one").await;
    for user in [user, other] {
        let outcome = world.reminders().create(user, reminder.id, &plan("two", "daily", None), at(1)).await;
        assert_conflict(outcome, "pk_reminders");
    }
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![reminder]);
}

pub async fn create_refuses_a_user_who_is_gone(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    let outcome = world.reminders().create(user, ReminderId(world.id()), &plan("late", "daily", None), at(0)).await;
    assert_conflict(outcome, "fk_reminders_user");
}

pub async fn a_reminder_that_is_off_is_never_due(world: &World) {
    let user = world.user().await;
    let off = ReminderPlan { is_active: false, ..plan("Off", "custom", Some("sun")) };
    let made = world.reminders().create(user, ReminderId(world.id()), &off, at(0)).await.unwrap();
    assert_eq!(made.next_due_at, None);
    assert_eq!(world.reminders().get(user, made.id).await.unwrap(), Some(made));
}

pub async fn replace_changes_what_was_seen(world: &World) {
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

pub async fn of_two_replacements_of_one_version_one_succeeds(world: &World) {
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

pub async fn delete_is_final(world: &World) {
    let user = world.user().await;
    let (gone, kept) = (world.reminder(user, "gone").await, world.reminder(user, "kept").await);
    assert!(world.reminders().delete(user, gone.id).await.unwrap());
    assert!(!world.reminders().delete(user, gone.id).await.unwrap());
    assert_eq!(world.reminders().get(user, gone.id).await.unwrap(), None);
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![kept]);
}

pub async fn list_pages_in_order_of_creation(world: &World) {
    let user = world.user().await;
    let mut made = vec![];
    for number in 0..7 {
        let plan = plan(&format!("{}", 9 - number), "daily", None);
        made.push(world.reminders().create(user, ReminderId(world.id()), &plan, at(number / 3)).await.unwrap());
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
    assert_eq!(seen, made);
}

pub async fn a_reminder_that_is_not_there_is_missing(world: &World) {
    let user = world.user().await;
    let id = ReminderId(world.id());
    assert_eq!(world.reminders().get(user, id).await.unwrap(), None);
    let replaced = world.reminders().replace(user, id, &plan("x", "daily", None), at(0), at(0)).await.unwrap();
    assert_eq!(replaced, None);
    assert!(!world.reminders().delete(user, id).await.unwrap());
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap(), vec![]);
}
