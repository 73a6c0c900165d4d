//! Measures how much an index slows down writes, on a temporary copy of its table in a transaction that is rolled back.

use std::fmt::Write;

use sotto_domain::health::WriteCost;
use sotto_domain::storage::Result;
use tokio_postgres::SimpleQueryMessage;

use super::super::pool::Pool;
use super::super::values::{read, read_rows};
use crate::statements::mark;

/// The number of rows of each insert.
const ROWS_PER_INSERT: u32 = 2000;
/// The fastest of this many tries counts, because other load on the machine can only make a try slower.
const RUNS: usize = 3;

const INDEX: &str = concat!(
    mark!(),
    "SELECT x.indrelid::regclass::text, pg_get_indexdef(x.indexrelid) FROM pg_index x
     JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     WHERE i.relnamespace = current_schema()::regnamespace AND i.relname = $1 AND NOT x.indisunique"
);
/// All other indexes of the same table.
const OTHERS: &str = concat!(
    mark!(),
    "SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
     WHERE i.relname <> $1 AND x.indrelid = (
         SELECT indrelid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1)"
);
const COLUMNS: &str = concat!(
    mark!(),
    "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = (SELECT indrelid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
                       WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1)
     AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
);

/// Returns `None` if there is no such index, or if the table cannot do without it.
pub async fn measure(pool: &Pool, index: &str) -> Result<Option<WriteCost>> {
    let Some(row) = pool.query_opt(INDEX, &[&index]).await? else { return Ok(None) };
    let (table, definition): (String, String) = (read(&row, 0)?, read(&row, 1)?);
    let others: Vec<String> = read_rows(&pool.query(OTHERS, &[&index]).await?, |row| read(row, 0))?;
    let columns = read_rows(&pool.query(COLUMNS, &[&index]).await?, |row| Ok((read(row, 0)?, read(row, 1)?)))?;

    let insert = insert(&columns);
    let mut script = String::new();
    for _ in 0..RUNS {
        for with_index in [true, false] {
            let measured = with_index.then_some(&definition);
            let _ = write!(
                script,
                "CREATE TEMPORARY TABLE sotto_scratch (LIKE {table} INCLUDING DEFAULTS INCLUDING GENERATED);"
            );
            for definition in others.iter().chain(measured) {
                let _ = write!(script, "{};", on_scratch(definition));
            }
            let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;";
            let _ = write!(script, "{clock}{insert};{clock}DROP TABLE sotto_scratch;");
        }
    }
    let lease = pool.lease().await?;
    // The transaction is never committed, so it is rolled back when the lease is returned.
    let messages = lease.begin(lease.client()?.simple_query(&script)).await?;
    Ok(Some(cost(&messages)))
}

/// The definition of the same index for the copy, under a name that PostgreSQL chooses. `definition` has the form
/// `CREATE [UNIQUE] INDEX name ON schema.table USING …`.
fn on_scratch(definition: &str) -> String {
    let kind = if definition.starts_with("CREATE UNIQUE") { "CREATE UNIQUE INDEX" } else { "CREATE INDEX" };
    let rest = definition.find(" USING ").map_or("", |at| &definition[at..]);
    format!("{kind} ON sotto_scratch{rest}")
}

/// Inserts rows of a hundred users. The other values are distinct, except booleans.
fn insert(columns: &[(String, String)]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let value = |(name, kind): &(String, String)| match (name.as_str(), kind.as_str()) {
        ("user_id", "uuid") => "md5((n % 100)::text)::uuid",
        (_, "uuid") => "gen_random_uuid()",
        (_, "text") => "md5(n::text)",
        (_, "boolean") => "n % 2 = 0",
        (_, "bytea") => "decode(md5(n::text), 'hex')",
        (_, "date") => "date '2025-01-01' + n",
        (_, "timestamp with time zone") => "timestamptz '2025-01-01' + n * interval '1 hour'",
        _ => "n",
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO sotto_scratch ({}) SELECT {} FROM generate_series(1, {ROWS_PER_INSERT}) n",
        names.join(", "),
        values.join(", ")
    )
}

/// Computes the cost from the times, in microseconds, before and after each insert.
fn cost(messages: &[SimpleQueryMessage]) -> WriteCost {
    let time = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse::<f64>().ok()),
        _ => None,
    };
    let times: Vec<f64> = messages.iter().filter_map(time).collect();
    let (mut with_ms, mut without_ms) = (f64::INFINITY, f64::INFINITY);
    for tries in times.chunks_exact(4) {
        with_ms = with_ms.min((tries[1] - tries[0]) / 1000.0);
        without_ms = without_ms.min((tries[3] - tries[2]) / 1000.0);
    }
    WriteCost { rows: ROWS_PER_INSERT, with_ms, without_ms }
}
