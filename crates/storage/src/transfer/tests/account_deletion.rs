//! Deleting an account deletes every row of its owner. The test checks each table in the catalogue, so a new table
//! cannot be left out. It is here because these databases have rows in every table.

use std::collections::BTreeMap;

use sotto_domain::UserId;
use sotto_domain::account::{AccountPatch, Administered};
use uuid::Uuid;

use super::data::{Populated, USERS, id};
use crate::testing::run_script;
use crate::{DatabaseUrl, schema};

/// Tables whose rows have no owner, with the reason.
const OWNERLESS: [(&str, &str); 3] = [
    ("schema_migrations", "it is about the schema"),
    ("attachment_store", "it is about the database"),
    ("search_documents", "a document is deleted with its entry, which the last check covers"),
];

/// Until the objects of a deleted user's recordings are deleted, their ids remain.
const OBJECTS_TO_DELETE: &str = "freed_attachments";

/// The number of rows per table, of one owner or of all.
async fn rows(url: &DatabaseUrl, owner: Option<Uuid>) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for (name, table) in schema::read(url).await.unwrap().tables {
        if table.module.is_some() || name.starts_with("journal_entries_fts") {
            continue;
        }
        let column = if name == "users" { "id" } else { "user_id" };
        let known = table.columns.iter().any(|one| one.name == column);
        assert_ne!(
            known,
            OWNERLESS.iter().any(|(ownerless, _)| *ownerless == name),
            "the rows of {name} need an owner or an exception"
        );
        let condition = match (owner, url) {
            (Some(_), _) if !known => continue,
            (Some(owner), DatabaseUrl::Sqlite(_)) => format!("{column} = x'{}'", owner.simple()),
            (Some(owner), DatabaseUrl::Postgres(_)) => format!("{column} = '{owner}'"),
            (None, _) => "1 = 1".to_owned(),
        };
        let output = run_script(url, &format!("SELECT 'rows:' || count(*) FROM {name} WHERE {condition};"));
        let text = String::from_utf8(output.stdout).unwrap();
        let count = text.split("rows:").nth(1).and_then(|rest| rest.split_whitespace().next());
        rows.insert(name, count.unwrap_or_else(|| panic!("{text}{:?}", output.stderr)).parse().unwrap());
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_leaves_no_row_in_any_table() {
    for populated in [Populated::sqlite().await, Populated::postgres().await] {
        let url = populated.url();
        let storage = url.open().await.unwrap();
        let owners: Vec<Uuid> = (1..=USERS).map(|user| id(1, user)).collect();
        let others = rows(url, Some(owners[1])).await;
        assert!(
            others.len() >= 10 && others.values().all(|count| *count > 0),
            "every table has rows of each user: {others:?}"
        );

        // The first user is the only superuser, and must promote another before the deletion.
        assert_eq!(storage.users().delete(UserId(owners[0])).await.unwrap(), Administered::LastSuperuser);
        let promoted = AccountPatch { is_superuser: Some(true), ..AccountPatch::default() };
        storage.users().administer(UserId(owners[2]), &promoted, sotto_domain::Timestamp::MIN).await.unwrap();
        assert_eq!(storage.users().delete(UserId(owners[0])).await.unwrap(), Administered::Done(()));
        let freed = storage.attachment_store().freed(None, 1000).await.unwrap();
        let freed: Vec<_> = freed.into_iter().filter(|(user, _)| user.0 == owners[0]).map(|(_, id)| id).collect();
        assert!(freed.len() > 1);
        storage.attachment_store().remove_freed(UserId(owners[0]), &freed).await.unwrap();
        for (table, count) in rows(url, Some(owners[0])).await {
            assert_eq!(count, 0, "{table}");
        }
        assert_eq!(rows(url, Some(owners[1])).await, others, "rows of other users stay");

        storage.users().delete(UserId(owners[1])).await.unwrap();
        storage.close().await;
        // The last superuser is deleted by SQL, so that rows without an owner would show.
        populated.scratch.execute(&delete_all(url)).await.unwrap();
        for (table, count) in rows(url, None).await {
            let stays = ["schema_migrations", OBJECTS_TO_DELETE].contains(&table.as_str());
            assert!(count == 0 || stays, "{count} rows without an owner in {table}");
        }
    }
}

/// Outside of the storage contract, SQLite enforces foreign keys only after a PRAGMA.
fn delete_all(url: &DatabaseUrl) -> String {
    let prefix = match url {
        DatabaseUrl::Sqlite(_) => "PRAGMA foreign_keys = ON; ",
        DatabaseUrl::Postgres(_) => "DELETE FROM journal_entries; ",
    };
    format!("{prefix}DELETE FROM users")
}
