//! PostgreSQL's own health, from its catalogue and its statistics (manual, chapters 28.2 and 53). Both are about the
//! server that runs the query: for a database that Citus has distributed, that is the coordinator.

mod lead;
mod orphans;
mod statements;
mod write_cost;

use async_trait::async_trait;
use sotto_domain::Timestamp;
use sotto_domain::health::{ForeignKey, IndexHealth, SchemaHealth, Snapshot, TableHealth, WriteCost};
use sotto_domain::storage::{Health, Result};
use tokio_postgres::Row;

use super::Postgres;
use super::values::{Instant, count, instant, read, read_rows};
use crate::health::{newest_of_postgres, postgres_schema};
use crate::migrate::Applied;
use crate::statements::mark;

pub use orphans::Inspection;

// Queries begin with this list of the current schema's tables, without those that belong to an extension.
macro_rules! tables {
    () => {
        "WITH tables AS (
            SELECT c.oid, c.relname::text AS name, c.reltuples FROM pg_class c
            WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relnamespace = current_schema()::regnamespace
            AND NOT EXISTS (SELECT 1 FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ) "
    };
}
use tables;

const DATABASE: &str = concat!(
    mark!(),
    "SELECT split_part(current_setting('server_version'), ' ', 1), pg_database_size(current_database()),
        coalesce(stats_reset, pg_postmaster_start_time()), coalesce(checksum_failures, 0)
     FROM pg_stat_database WHERE datname = current_database()"
);
// A table that was never analysed has no estimate. Then the number of rows that were written since is used instead.
const TABLES: &str = concat!(
    mark!(),
    tables!(),
    "SELECT name, greatest(reltuples::bigint, n_live_tup, 0), coalesce(n_dead_tup, 0), pg_table_size(oid),
        coalesce(seq_scan, 0), coalesce(seq_tup_read, 0), coalesce(idx_scan, 0)
     FROM tables LEFT JOIN pg_stat_user_tables s ON s.relid = oid ORDER BY name"
);
// A non-default order or operator class is shown with its column. An index that is being built is invalid too, which is
// normal, so it counts as valid. The last column estimates the size of a rebuilt B-tree: its entries, each as wide as
// its columns on average plus 12 bytes (8 for the header and 4 for the pointer), on pages that are 90 % full. Without
// ANALYZE, or with an expression as a column, there is no estimate.
const INDEXES: &str = concat!(
    mark!(),
    tables!(),
    "SELECT i.relname::text, t.name,
        ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true)
                || CASE WHEN o.opcdefault THEN '' ELSE ' ' || o.opcname END
                || CASE WHEN x.indoption[k - 1] & 1 = 1 THEN ' DESC' ELSE '' END
              FROM generate_series(1, x.indnkeyatts::int) k JOIN pg_opclass o ON o.oid = x.indclass[k - 1] ORDER BY k),
        m.amname::text, pg_get_expr(x.indpred, x.indrelid, true), x.indisunique,
        EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x')),
        x.indisvalid OR EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = x.indexrelid),
        pg_relation_size(x.indexrelid), coalesce(s.idx_scan, 0), coalesce(s.idx_tup_read, 0),
        pg_get_indexdef(x.indexrelid),
        (SELECT (i.reltuples * (12 + 8 * ceil(sum(w.avg_width) / 8.0)) / 0.9)::bigint + 8192
         FROM unnest(x.indkey::int[]) k JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k
         JOIN pg_stats w ON w.schemaname = current_schema() AND w.tablename = t.name AND w.attname = a.attname
         HAVING count(*) = x.indnatts AND m.amname = 'btree' AND i.reltuples > 0)
     FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
     JOIN pg_am m ON m.oid = i.relam LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = x.indexrelid
     ORDER BY i.relname"
);
const FOREIGN_KEYS: &str = concat!(
    mark!(),
    tables!(),
    "SELECT c.conname::text, t.name,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (attnum, at)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.at)
     FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' ORDER BY t.name, c.conname"
);
const HAS_BOOKKEEPING: &str = concat!(mark!(), "SELECT to_regclass('schema_migrations') IS NOT NULL");
const MIGRATIONS_TABLE: &str = concat!(
    mark!(),
    "SELECT version, name, up_checksum, down_checksum, applied_at FROM schema_migrations ORDER BY version"
);
// Rows cannot violate a constraint that is enforced, but the enforcement can be switched off.
const UNENFORCED: &str = concat!(
    mark!(),
    tables!(),
    "SELECT format('The constraint %s on %s was added without checking the rows that were there: \
                    ALTER TABLE %s VALIDATE CONSTRAINT %s does that.', c.conname, t.name, t.name, c.conname)
     FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE NOT c.convalidated
     UNION ALL
     SELECT DISTINCT format('Foreign keys of %s are not enforced: ALTER TABLE %s ENABLE TRIGGER ALL switches them on.',
                            t.name, t.name)
     FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE g.tgisinternal AND g.tgenabled = 'D'"
);

const CLOCK: &str = concat!(mark!(), "SELECT clock_timestamp()");

#[async_trait]
impl Health for Postgres {
    async fn snapshot(&self, now: Timestamp) -> Result<Snapshot> {
        let database = self.pool.query_opt(DATABASE, &[]).await?;
        let (mut version, mut bytes, mut counting_since, mut damage) = (String::new(), 0, None, Vec::new());
        if let Some(row) = &database {
            (version, bytes) = (read(row, 0)?, count::<i64, _>(row, 1)?);
            counting_since = read::<Option<Instant>>(row, 2)?.map(|since| since.0);
            let failures: i64 = read(row, 3)?;
            if failures > 0 {
                damage.push(format!("The checksums of pages did not fit: {failures}. Restore a backup."));
            }
        }
        for row in &self.pool.query(UNENFORCED, &[]).await? {
            damage.push(read(row, 0)?);
        }
        let (notes, inspected_at) = self.orphans(now, &mut damage).await?;
        let (statements, timed_by) = self.statements().await?;
        Ok(Snapshot {
            taken_at: now,
            counting_since,
            engine: "postgres",
            version,
            bytes,
            free_bytes: 0,
            schema: self.schema().await?,
            tables: read_rows(&self.pool.query(TABLES, &[]).await?, table)?,
            indexes: read_rows(&self.pool.query(INDEXES, &[]).await?, index)?,
            foreign_keys: read_rows(&self.pool.query(FOREIGN_KEYS, &[]).await?, foreign_key)?,
            statements,
            timed_by,
            sized_at: Some(now),
            inspected_at,
            damage,
            notes,
        })
    }

    async fn schema(&self) -> Result<SchemaHealth> {
        let has = self.pool.query_opt(HAS_BOOKKEEPING, &[]).await?;
        if !has.map_or(Ok(false), |row| read(&row, 0))? {
            return Ok(postgres_schema(&[]));
        }
        Ok(postgres_schema(&read_rows(&self.pool.query(MIGRATIONS_TABLE, &[]).await?, applied)?))
    }

    fn newest_revision(&self) -> String {
        newest_of_postgres()
    }

    async fn write_cost(&self, index: &str) -> Result<Option<WriteCost>> {
        write_cost::measure(&self.pool, index).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>> {
        let row = self.pool.query_opt(CLOCK, &[]).await?;
        row.as_ref().map(|row| instant(row, 0)).transpose()
    }
}

fn table(row: &Row) -> Result<TableHealth> {
    Ok(TableHealth {
        name: read(row, 0)?,
        rows: count::<i64, _>(row, 1)?,
        dead_rows: count::<i64, _>(row, 2)?,
        bytes: count::<i64, _>(row, 3)?,
        scans: count::<i64, _>(row, 4)?,
        scanned_rows: count::<i64, _>(row, 5)?,
        look_ups: count::<i64, _>(row, 6)?,
    })
}

fn index(row: &Row) -> Result<IndexHealth> {
    Ok(IndexHealth {
        name: read(row, 0)?,
        table: read(row, 1)?,
        columns: read(row, 2)?,
        method: read(row, 3)?,
        predicate: read(row, 4)?,
        unique: read(row, 5)?,
        constraint: read(row, 6)?,
        valid: read(row, 7)?,
        bytes: count::<i64, _>(row, 8)?,
        scans: count::<i64, _>(row, 9)?,
        tuples: count::<i64, _>(row, 10)?,
        definition: read(row, 11)?,
        packed_bytes: read::<Option<i64>>(row, 12)?.map(i64::unsigned_abs),
    })
}

fn foreign_key(row: &Row) -> Result<ForeignKey> {
    Ok(ForeignKey { name: read(row, 0)?, table: read(row, 1)?, columns: read(row, 2)? })
}

fn applied(row: &Row) -> Result<Applied> {
    Ok(Applied {
        version: count::<i32, _>(row, 0)?,
        name: read(row, 1)?,
        up_checksum: read(row, 2)?,
        down_checksum: read(row, 3)?,
        applied_at: instant(row, 4)?,
    })
}
