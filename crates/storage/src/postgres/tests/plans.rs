//! The plans of pages and searches when the planner does not know the parameters, which is how a prepared statement
//! runs after its first calls. `crate::plans` tests that every statement uses an index.

use sotto_domain::EntryId;
use sotto_domain::entry::EntryQuery;
use uuid::Uuid;

use super::{Journal, now};
use crate::postgres::entry_list::{ListQuery, SEARCH};
use crate::postgres::sealed_entries;

/// 100 users with 200 entries each, every fifth of which is tagged.
const POPULATE: &str = "
    INSERT INTO users (id, email) SELECT md5(u::text)::uuid, u || '@example.org' FROM generate_series(1, 100) u;
    INSERT INTO tags (id, name, name_key, user_id)
        SELECT md5(u.id::text || '/' || t)::uuid, 'tag' || t, 'tag' || t, u.id FROM users u, generate_series(1, 5) t;
    INSERT INTO journal_entries (id, content, entry_date, entry_day, word_count, user_id)
        SELECT md5(u.id::text || '-' || n)::uuid, 'word' || n || ' ' || md5(u.id::text || n), timestamptz '2025-01-22' - n * interval '1 day',
            date '2025-01-22' - n, 2, u.id
        FROM users u, generate_series(1, 200) n;
    INSERT INTO journal_entry_tags (entry_id, tag_id, user_id)
        SELECT md5(u.id::text || '-' || n)::uuid, md5(u.id::text || '/' || (1 + n % 5))::uuid, u.id
        FROM users u, generate_series(1, 200, 5) n;
    INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata,
            recovery_wrap, recovery_verifier)
        SELECT md5(u.id::text || '#' || t)::uuid, u.id, decode(repeat('00', 192), 'hex'), box,
            decode(repeat('00', 16), 'hex'), box, box, decode(repeat('00', 32), 'hex')
        FROM users u, generate_series(1, 3) t, decode(repeat('00', 61), 'hex') AS box;
    INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id, secret_tag_id, encrypted_content,
            wrapped_key, encryption_iv, wrap_iv)
        SELECT md5(u.id::text || '=' || n)::uuid, '', timestamptz '2025-01-22' - n * interval '1 day',
            date '2025-01-22' - n, u.id, md5(u.id::text || '#' || (1 + n % 3))::uuid, '', '', '', ''
        FROM users u, generate_series(1, 60) n;
    INSERT INTO opaque_sessions (session_id, user_id, binary_tag_id, session_state, expires_at)
        SELECT md5(u.id::text || '~' || n)::uuid, u.id, uuid_send(md5(u.id::text || '#' || (1 + n % 3))::uuid),
            'failed', timestamptz '2025-01-22'
        FROM users u, generate_series(1, 30) n;
    ANALYZE";

async fn populated() -> Journal {
    let journal = Journal::new().await;
    journal.admin.batch_execute(POPULATE).await.unwrap();
    journal.admin.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    journal
}

impl Journal {
    /// The generic plan of a statement.
    async fn plan(&self, sql: &str) -> String {
        let count = (1..10).take_while(|n| sql.contains(&format!("${n}"))).count();
        self.admin.batch_execute(&format!("PREPARE statement AS {sql}")).await.unwrap();
        let nulls = vec!["NULL"; count].join(", ");
        let lines = self.admin.simple_query(&format!("EXPLAIN EXECUTE statement ({nulls})")).await.unwrap();
        self.admin.batch_execute("DEALLOCATE statement").await.unwrap();
        let text = |line: &tokio_postgres::SimpleQueryMessage| match line {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        lines.iter().filter_map(text).collect::<Vec<_>>().join("\n")
    }

    async fn list_plan(&self, query: &EntryQuery) -> String {
        self.plan(&ListQuery::new(self.user, query).statement().0).await
    }
}

#[tokio::test]
async fn a_page_is_read_backwards_from_the_date_index() {
    let journal = populated().await;
    let first = EntryQuery { limit: 20, ..EntryQuery::default() };
    let next = EntryQuery { after: Some((now(), EntryId(Uuid::nil()))), ..first.clone() };
    for query in [first, next] {
        let plan = journal.list_plan(&query).await;
        assert!(plan.contains("Index Scan Backward using idx_journal_entries_user_date"), "{plan}");
        assert!(!plan.contains("Sort  (") && !plan.contains("Seq Scan"), "{plan}");
    }
}

#[tokio::test]
async fn a_page_of_a_secret_tag_is_read_backwards_from_its_index() {
    let journal = populated().await;
    for sql in [sealed_entries::FIRST, sealed_entries::NEXT] {
        let plan = journal.plan(sql).await;
        assert!(plan.contains("Index Scan Backward using idx_journal_entries_user_secret_tag"), "{plan}");
        assert!(!plan.contains("Sort  ("), "{plan}");
    }
}

#[tokio::test]
async fn the_text_index_fits_the_search() {
    let journal = populated().await;
    // Whether the planner prefers the index depends on the data; whether it can use the index depends on the
    // expression.
    journal.admin.batch_execute("SET enable_seqscan = off").await.unwrap();
    let plan = journal.plan(&format!("SELECT id FROM journal_entries WHERE {SEARCH} $1)")).await;
    assert!(plan.contains("idx_journal_entries_search"), "{plan}");
}

#[tokio::test]
async fn a_prepared_page_is_planned_once() {
    let journal = populated().await;
    let query = EntryQuery { limit: 20, ..EntryQuery::default() };
    let lease = journal.storage.pool.lease().await.unwrap();
    let list = ListQuery::new(journal.user, &query);
    let (sql, values) = list.statement();
    let values: Vec<_> = values.into_iter().map(|(value, _)| value).collect();
    for _ in 0..10 {
        lease.query(&sql, &values).await.unwrap();
    }
    let plans = "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT * FROM (%' AND generic_plans > 0";
    assert_eq!(lease.query(plans, &[]).await.unwrap().len(), 1);
}
