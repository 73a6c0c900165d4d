//! Reads a schema from PostgreSQL's catalogue (`pg_catalog`, PostgreSQL manual, chapter 53).

use tokio_postgres::{Client, Error, Row};

use super::{Check, Column, ForeignKey, Index, Key, Kind, Schema, Table, Trigger};
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;

/// Tables of the current schema that no extension owns; every query below joins it.
const TABLES: &str = "
    WITH tables AS (
        SELECT c.oid, c.relname::text AS name FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    )";
const COLUMNS: &str = "
    SELECT t.name, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        CASE a.attgenerated WHEN '' THEN NULL ELSE pg_get_expr(d.adbin, d.adrelid) END,
        CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
        (SELECT quote_ident(l.collname) FROM pg_collation l JOIN pg_type y ON y.oid = a.atttypid
         WHERE l.oid = a.attcollation AND l.oid <> y.typcollation)
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    ORDER BY t.name, a.attnum";
const CONSTRAINTS: &str = "
    SELECT t.name, c.conname::text, c.contype::text,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (attnum, at)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.at),
        coalesce((SELECT relname::text FROM pg_class WHERE oid = c.confrelid), ''),
        ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (attnum, at)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.at),
        c.confdeltype::text, c.confupdtype::text,
        CASE WHEN NOT c.condeferrable THEN '' WHEN c.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' ELSE 'DEFERRABLE' END,
        c.convalidated,
        coalesce(pg_get_expr(c.conbin, c.conrelid, true), '')
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c')
    ORDER BY t.name, c.conname";
const INDEXES: &str = "
    SELECT t.name, i.relname::text,
        ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts::int) k ORDER BY k),
        x.indisunique, pg_get_expr(x.indpred, x.indrelid, true), m.amname::text, x.indisvalid,
        pg_get_indexdef(x.indexrelid, 0, true)
    FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am m ON m.oid = i.relam
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x'))
    ORDER BY t.name, i.relname";
const TRIGGERS: &str = "
    SELECT t.name, g.tgname::text, pg_get_triggerdef(g.oid, true)
    FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    ORDER BY t.name, g.tgname";
const VIEWS: &str = "
    SELECT c.relname::text, pg_get_viewdef(c.oid, true) FROM pg_class c
    WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

pub(super) async fn read(url: &DatabaseUrl) -> Result<Schema, String> {
    let client = connect(url).await?;
    read_from(&client).await.map_err(|error| error.to_string())
}

/// The schema that comes first in the connection's search path.
pub(super) async fn read_from(client: &Client) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for row in client.query(&format!("{TABLES} SELECT name FROM tables"), &[]).await? {
        schema.tables.insert(row.try_get(0)?, Table { strict: true, ..Table::default() });
    }
    for row in client.query(VIEWS, &[]).await? {
        schema.views.insert(row.try_get(0)?, row.try_get(1)?);
    }
    for (query, add) in [
        (COLUMNS, add_column as fn(&Row, &mut Table) -> Result<(), Error>),
        (CONSTRAINTS, add_constraint),
        (INDEXES, add_index),
        (TRIGGERS, add_trigger),
    ] {
        for row in client.query(&format!("{TABLES} {query}"), &[]).await? {
            add(&row, schema.tables.entry(row.try_get(0)?).or_default())?;
        }
    }
    Ok(schema)
}

fn add_column(row: &Row, table: &mut Table) -> Result<(), Error> {
    let declared: String = row.try_get(2)?;
    let (kind, declared) = match declared.as_str() {
        "uuid" => (Kind::Uuid, "UUID"),
        "text" => (Kind::Text, "TEXT"),
        "integer" => (Kind::Integer, "INTEGER"),
        "boolean" => (Kind::Boolean, "BOOLEAN"),
        "timestamp with time zone" => (Kind::Instant, "TIMESTAMPTZ"),
        "date" => (Kind::Day, "DATE"),
        "bytea" => (Kind::Bytes, "BYTEA"),
        other => (Kind::Other(other.to_owned()), other),
    };
    let nullable: bool = row.try_get(3)?;
    let (default, generated): (Option<String>, Option<String>) = (row.try_get(4)?, row.try_get(5)?);
    let (identity, collation): (Option<String>, Option<String>) = (row.try_get(6)?, row.try_get(7)?);
    let mut definition = declared.to_owned();
    definition.extend(collation.map(|name| format!(" COLLATE {name}")));
    definition.push_str(if nullable { "" } else { " NOT NULL" });
    definition.extend(default.as_ref().map(|sql| format!(" DEFAULT {sql}")));
    definition.extend(generated.as_ref().map(|sql| format!(" GENERATED ALWAYS AS ({sql}) STORED")));
    definition.extend(identity.map(|when| format!(" GENERATED {when} AS IDENTITY")));
    table.columns.push(Column { name: row.try_get(1)?, kind, nullable, default, generated, definition });
    Ok(())
}

fn add_constraint(row: &Row, table: &mut Table) -> Result<(), Error> {
    let (name, columns): (String, Vec<String>) = (row.try_get(1)?, row.try_get(3)?);
    match row.try_get(2)? {
        "p" => table.primary_key = Some(Key { name, columns }),
        "u" => table.uniques.push(Key { name, columns }),
        "f" => table.foreign_keys.push(ForeignKey {
            name,
            columns,
            table: row.try_get(4)?,
            references: row.try_get(5)?,
            on_delete: action(row.try_get(6)?),
            on_update: action(row.try_get(7)?),
            deferrable: row.try_get(8)?,
            validated: row.try_get(9)?,
        }),
        _ => table.checks.push(Check { name, expression: row.try_get(10)?, validated: row.try_get(9)? }),
    }
    Ok(())
}

/// What `pg_constraint` writes as one letter.
fn action(letter: &str) -> String {
    let words = match letter {
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        "r" => "RESTRICT",
        _ => "NO ACTION",
    };
    words.to_owned()
}

fn add_index(row: &Row, table: &mut Table) -> Result<(), Error> {
    let method: String = row.try_get(5)?;
    // `CREATE INDEX name ON table USING btree (…) …`
    let statement: String = row.try_get(7)?;
    let behind = statement.split_once(" USING ").map_or("", |(_, behind)| behind);
    let definition = behind.strip_prefix("btree ").map_or_else(|| format!("USING {behind}"), str::to_owned);
    table.indexes.push(Index {
        name: row.try_get(1)?,
        columns: row.try_get(2)?,
        unique: row.try_get(3)?,
        predicate: row.try_get(4)?,
        method,
        valid: row.try_get(6)?,
        definition,
    });
    Ok(())
}

fn add_trigger(row: &Row, table: &mut Table) -> Result<(), Error> {
    table.triggers.push(Trigger { name: row.try_get(1)?, definition: row.try_get(2)? });
    Ok(())
}
