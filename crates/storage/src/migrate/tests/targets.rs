//! Targets of a migration.

use super::{Folder, Target, assert_contains, both, current, sentence, target};
use crate::DatabaseUrl;
use crate::migrate::State;

#[tokio::test]
async fn a_target_revision_can_be_named_in_many_ways() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        for (up, expected) in
            [("+1", "0001_notes"), ("0002", "0002_colors"), ("2", "0002_colors"), ("head", "0003_places")]
        {
            let report = migrator.upgrade(&target(up)).await.unwrap();
            assert_eq!((report.to.as_str(), current(&migrator).await.as_str()), (expected, expected), "{up}");
        }
        for (down, expected) in
            [("-1", "0002_colors"), ("0001_no", "0001_notes"), ("notes", "0001_notes"), ("base", "base")]
        {
            let report = migrator.downgrade(&target(down), true).await.unwrap();
            assert_eq!((report.to.as_str(), current(&migrator).await.as_str()), (expected, expected), "{down}");
        }
        let report = migrator.upgrade(&target("+3")).await.unwrap();
        assert_eq!(report.steps, ["0001_notes", "0002_colors", "0003_places"]);
        let report = migrator.downgrade(&target("-2"), true).await.unwrap();
        assert_eq!(report.steps, ["0003_places", "0002_colors"]);
        assert_eq!((report.from.as_str(), report.to.as_str()), ("0003_places", "0001_notes"));
    }
}

#[tokio::test]
async fn an_unreachable_revision_is_rejected_with_a_remedy() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&target("2")).await.unwrap();
        assert_contains(
            &sentence(migrator.upgrade(&target("0004")).await),
            &["no revision '0004'", "0001_notes up to 0003_places"],
        );
        assert_contains(&sentence(migrator.upgrade(&target("pictures")).await), &["no revision 'pictures'"]);
        assert_contains(&sentence(migrator.downgrade(&target("pictures"), true).await), &["no revision 'pictures'"]);
        assert_contains(&sentence(migrator.stamp(&target("pictures")).await), &["no revision 'pictures'"]);
        assert_contains(&sentence(migrator.upgrade(&target("+2")).await), &["only 1 revision above", "0002_colors"]);
        assert_contains(&sentence(migrator.downgrade(&target("-3"), true).await), &["only 2 revisions below"]);
        assert_contains(
            &sentence(migrator.upgrade(&target("notes")).await),
            &["0001_notes is below the present revision, 0002_colors", "`sotto db downgrade 0001_notes`"],
        );
        assert_contains(
            &sentence(migrator.downgrade(&target("head"), true).await),
            &["0003_places is above the present revision", "`sotto db upgrade 0003_places`"],
        );
        assert_eq!(current(&migrator).await, "0002_colors");
    }
}

#[tokio::test]
async fn an_ambiguous_revision_prefix_is_rejected() {
    let folder = Folder::with_three_revisions();
    folder.step("0004_note", "CREATE TABLE note (id INTEGER);", "-- loses: note\nDROP TABLE note;");
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        assert_contains(&sentence(migrator.upgrade(&target("not")).await), &["several match: 0001_notes, 0004_note"]);
        assert_eq!(migrator.upgrade(&target("note")).await.unwrap().to, "0004_note");
    }
}

#[test]
fn invalid_targets_are_rejected() {
    for text in ["", "+", "-", "+0", "-0", "+x", "1.5", "HEAD~1", "a b", "99999999999x-", "+99999999999"] {
        assert_contains(
            &text.parse::<Target>().unwrap_err().to_string(),
            &["is not a valid target", "sotto db history"],
        );
    }
}

#[tokio::test]
async fn the_state_includes_a_remedy() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        let nothing = if matches!(scratch.url, DatabaseUrl::Sqlite(_)) { State::Missing } else { State::Empty };
        assert_eq!(migrator.state().await.unwrap(), nothing);
        assert_contains(&State::Empty.to_string(), &["`sotto db upgrade`"]);

        migrator.upgrade(&target("2")).await.unwrap();
        let behind = migrator.state().await.unwrap();
        assert_contains(&behind.to_string(), &["0002_colors", "0003_places", "`sotto db upgrade`"]);
        let applied: Vec<bool> = migrator.history().await.unwrap().iter().map(|one| one.applied_at.is_some()).collect();
        assert_eq!(applied, [true, true, false]);

        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator.state().await.unwrap(), State::Head);

        let older = Folder::with_three_revisions();
        older.remove("0003_places");
        let older = older.migrator(&scratch);
        let ahead = older.state().await.unwrap();
        assert_contains(&ahead.to_string(), &["0003_places", "does not know", "`sotto db downgrade 0002_colors`"]);
        for refused in [older.upgrade(&Target::Head).await, older.downgrade(&Target::Base, true).await] {
            assert_contains(&sentence(refused), &["0003_places", "does not know", "up to 0002_colors"]);
        }
        assert_eq!(older.history().await.unwrap().last().unwrap().revision, "0003_places");
    }
}

/// Two versions diverged from a revision that both know.
#[tokio::test]
async fn a_diverged_database_is_downgraded_to_the_last_common_revision() {
    for scratch in both().await {
        let theirs = Folder::with_three_revisions();
        theirs.remove("0003_places");
        theirs.step("0003_moods", "CREATE TABLE moods (id INTEGER);", "-- loses: moods\nDROP TABLE moods;");
        theirs.step("0004_songs", "CREATE TABLE songs (id INTEGER);", "-- loses: songs\nDROP TABLE songs;");
        let theirs = theirs.migrator(&scratch);
        theirs.upgrade(&Target::Head).await.unwrap();

        let ours = Folder::with_three_revisions().migrator(&scratch);
        let state = ours.state().await.unwrap();
        assert_contains(
            &state.to_string(),
            &["0004_songs", "its newest is 0003_places", "`sotto db downgrade 0002_colors`"],
        );
        for refused in [ours.upgrade(&Target::Head).await, ours.downgrade(&target("1"), true).await] {
            assert_contains(&sentence(refused), &["0004_songs", "does not know", "`sotto db downgrade 0002_colors`"]);
        }
        // The advice in the message works.
        theirs.downgrade(&target("0002_colors"), false).await.unwrap();
        assert_eq!(ours.upgrade(&Target::Head).await.unwrap().to, "0003_places");
    }
}
