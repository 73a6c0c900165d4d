//! Reads a schema from PostgreSQL's catalogue (`pg_catalog`, PostgreSQL manual, chapter 53).

use tokio_postgres::{Client, Error, Row};

use super::{Check, Clause, Column, ColumnKind, ForeignKey, Index, KeyConstraint, Schema, SchemaPart, Table, Trigger};
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;

/// Tables of the current schema that belong to no extension. Every query below joins it.
const TABLES: &str = "
    WITH tables AS (
        SELECT c.oid, c.relname::text AS name FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    )";
/// Properties that distinguish a table from a plain one. Storage options (fillfactor, tablespace) are left to the
/// operator.
const MARKS: &str = "
    SELECT t.name, array_remove(ARRAY[
        CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
        'PARTITION BY ' || pg_get_partkeydef(c.oid),
        CASE WHEN c.relispartition THEN 'PARTITION OF ' ELSE 'INHERITS ' END
            || (SELECT '(' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) || ')'
                FROM pg_inherits i WHERE i.inhrelid = c.oid),
        CASE WHEN c.reloftype <> 0 THEN 'OF ' || format_type(c.reloftype, NULL) END,
        CASE WHEN c.relrowsecurity THEN 'ROW LEVEL SECURITY' END,
        CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END
    ], NULL)
    FROM tables t JOIN pg_class c ON c.oid = t.oid";
/// From PostgreSQL 18 on, NOT NULL is a constraint that may not hold for older rows or for child tables.
const COLUMNS: &str = "
    SELECT t.name, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        CASE a.attgenerated WHEN '' THEN NULL ELSE pg_get_expr(d.adbin, d.adrelid) END,
        CASE a.attgenerated WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END,
        CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
        (SELECT quote_ident(l.collname) FROM pg_collation l JOIN pg_type y ON y.oid = a.atttypid
         WHERE l.oid = a.attcollation AND l.oid <> y.typcollation),
        coalesce((SELECT CASE WHEN n.connoinherit THEN ' NO INHERIT' ELSE '' END
                      || CASE WHEN n.convalidated THEN '' ELSE ' NOT VALID' END
                  FROM pg_constraint n
                  WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]), '')
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    ORDER BY t.name, a.attnum";
/// The triggers that enforce a foreign key are internal triggers on both tables.
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
        coalesce(pg_get_expr(c.conbin, c.conrelid, true), ''),
        CASE c.contype WHEN 'f' THEN
            replace(pg_get_constraintdef(c.oid, true), ' REFERENCES ' || c.confrelid::regclass || '(',
                    ' REFERENCES ' || c.confrelid::regclass || ' (')
        ELSE pg_get_constraintdef(c.oid, true) END,
        NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgenabled IN ('D', 'R'))
    FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c', 'x')
    ORDER BY t.name, c.conname";
const INDEXES: &str = "
    SELECT t.name, i.relname::text,
        ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts::int) k ORDER BY k),
        x.indisunique, pg_get_expr(x.indpred, x.indrelid, true), m.amname::text,
        x.indisvalid AND x.indisready AND x.indislive,
        pg_get_indexdef(x.indexrelid, 0, true)
    FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_am m ON m.oid = i.relam
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u', 'x'))
    ORDER BY t.name, i.relname";
const TRIGGERS: &str = "
    SELECT t.name, g.tgname::text, pg_get_triggerdef(g.oid, true), g.tgenabled::text
    FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    ORDER BY t.name, g.tgname";
const RULES: &str = "
    SELECT t.name, r.rulename::text, rtrim(pg_get_ruledef(r.oid, true), ';')
        || CASE r.ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED REPLICA' WHEN 'A' THEN ' ENABLED ALWAYS'
           ELSE '' END
    FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'
    ORDER BY t.name, r.rulename";
const POLICIES: &str = "
    SELECT t.name, p.polname::text, concat_ws(' ',
        CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
        'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                  ELSE 'ALL' END,
        'TO ' || array_to_string(ARRAY(SELECT CASE one WHEN 0 THEN 'PUBLIC' ELSE one::regrole::text END
                                       FROM unnest(p.polroles) one ORDER BY 1), ', '),
        'USING (' || pg_get_expr(p.polqual, p.polrelid, true) || ')',
        'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid, true) || ')')
    FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
    ORDER BY t.name, p.polname";
const VIEWS: &str = "
    SELECT c.relname::text, pg_get_viewdef(c.oid, true) FROM pg_class c
    WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
/// Other named objects of the schema that belong to no extension, column or type.
const OBJECTS: &str = "
    WITH relations AS (
        SELECT 'pg_class'::regclass AS class, c.oid, c.relkind::text AS kind, c.relname::text AS name,
            CASE c.relkind
                WHEN 'S' THEN (SELECT format('AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s',
                                   format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                                   CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
                               FROM pg_sequence s WHERE s.seqrelid = c.oid)
                WHEN 'm' THEN pg_get_viewdef(c.oid, true)
                ELSE (SELECT format('%s(%s)', CASE c.relkind WHEN 'c' THEN 'AS ' ELSE '' END, string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
                                                       ', ' ORDER BY a.attnum))
                      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
            END AS definition
        FROM pg_class c WHERE c.relkind IN ('S', 'm', 'f', 'c') AND c.relnamespace = current_schema()::regnamespace
    ), types AS (
        SELECT 'pg_type'::regclass AS class, y.oid, 't' AS kind, y.typname::text AS name,
            CASE y.typtype
                WHEN 'e' THEN (SELECT format('AS ENUM (%s)', string_agg(quote_literal(e.enumlabel), ', '
                                                                        ORDER BY e.enumsortorder))
                               FROM pg_enum e WHERE e.enumtypid = y.oid)
                WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(y.typbasetype, y.typtypmod),
                                  CASE WHEN y.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || y.typdefault,
                                  (SELECT string_agg(pg_get_constraintdef(d.oid, true), ' ' ORDER BY d.conname)
                                   FROM pg_constraint d WHERE d.contypid = y.oid AND d.contype = 'c'))
                WHEN 'r' THEN (SELECT format('AS RANGE (SUBTYPE = %s)', format_type(r.rngsubtype, NULL))
                               FROM pg_range r WHERE r.rngtypid = y.oid)
                ELSE 'a base type'
            END AS definition
        FROM pg_type y
        WHERE y.typtype IN ('e', 'd', 'r', 'b') AND y.typnamespace = current_schema()::regnamespace AND y.typelem = 0
    ), routines AS (
        SELECT 'pg_proc'::regclass AS class, p.oid, 'r' AS kind,
            format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
            CASE p.prokind WHEN 'a' THEN 'an aggregate'
            ELSE replace(pg_get_functiondef(p.oid), quote_ident(current_schema()) || '.', '') END AS definition
        FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
    ), every AS (SELECT * FROM relations UNION ALL SELECT * FROM types UNION ALL SELECT * FROM routines)
    SELECT kind, name, coalesce(definition, '') FROM every
    WHERE NOT EXISTS (SELECT 1 FROM pg_depend d
                      WHERE d.classid = every.class AND d.objid = every.oid
                      AND (d.deptype = 'e' OR d.deptype = 'i' AND every.kind <> 'c' OR d.deptype = 'a' AND every.kind = 'S'))
    ORDER BY kind, name";

pub(super) async fn read(url: &DatabaseUrl) -> Result<Schema, String> {
    let client = connect(url).await?;
    read_from(&client).await.map_err(|error| error.to_string())
}

/// Reads the first schema of the connection's search path.
pub(super) async fn read_from(client: &Client) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for row in client.query(&format!("{TABLES} SELECT name FROM tables"), &[]).await? {
        schema.tables.insert(row.try_get(0)?, Table { strict: true, ..Table::default() });
    }
    for row in client.query(VIEWS, &[]).await? {
        schema.views.insert(row.try_get(0)?, row.try_get(1)?);
    }
    for row in client.query(OBJECTS, &[]).await? {
        let part = match row.try_get(0)? {
            "S" => SchemaPart::Sequence,
            "m" => SchemaPart::MaterializedView,
            "f" => SchemaPart::ForeignTable,
            "r" => SchemaPart::Function,
            // A composite type is a relation as well.
            _ => SchemaPart::Type,
        };
        schema.objects.insert((part, row.try_get(1)?), row.try_get(2)?);
    }
    for (query, add) in [
        (MARKS, add_marks as fn(&Row, &mut Table) -> Result<(), Error>),
        (COLUMNS, add_column),
        (CONSTRAINTS, add_constraint),
        (INDEXES, add_index),
        (TRIGGERS, add_trigger),
        (RULES, add_rule),
        (POLICIES, add_policy),
    ] {
        for row in client.query(&format!("{TABLES} {query}"), &[]).await? {
            add(&row, schema.tables.entry(row.try_get(0)?).or_default())?;
        }
    }
    Ok(schema)
}

fn add_marks(row: &Row, table: &mut Table) -> Result<(), Error> {
    table.marks = row.try_get(1)?;
    Ok(())
}

fn add_column(row: &Row, table: &mut Table) -> Result<(), Error> {
    let declared: String = row.try_get(2)?;
    let (kind, declared) = match declared.as_str() {
        "uuid" => (ColumnKind::Uuid, "UUID"),
        "text" => (ColumnKind::Text, "TEXT"),
        "integer" => (ColumnKind::Integer, "INTEGER"),
        "boolean" => (ColumnKind::Boolean, "BOOLEAN"),
        "timestamp with time zone" => (ColumnKind::Instant, "TIMESTAMPTZ"),
        "date" => (ColumnKind::Day, "DATE"),
        "bytea" => (ColumnKind::Bytes, "BYTEA"),
        other => (ColumnKind::Other(other.to_owned()), other),
    };
    let nullable: bool = row.try_get(3)?;
    let (default, generated): (Option<String>, Option<String>) = (row.try_get(4)?, row.try_get(5)?);
    let (kept, not_null): (String, String) = (row.try_get(6)?, row.try_get(9)?);
    let (identity, collation): (Option<String>, Option<String>) = (row.try_get(7)?, row.try_get(8)?);
    let mut definition = declared.to_owned();
    definition.extend(collation.map(|name| format!(" COLLATE {name}")));
    definition.push_str(if nullable { "" } else { " NOT NULL" });
    definition.push_str(&not_null);
    definition.extend(default.as_ref().map(|sql| format!(" DEFAULT {sql}")));
    definition.extend(generated.as_ref().map(|sql| format!(" GENERATED ALWAYS AS ({sql}) {kept}")));
    definition.extend(identity.map(|when| format!(" GENERATED {when} AS IDENTITY")));
    table.columns.push(Column { name: row.try_get(1)?, kind, nullable, default, generated, definition });
    Ok(())
}

fn add_constraint(row: &Row, table: &mut Table) -> Result<(), Error> {
    let (name, columns): (String, Vec<String>) = (row.try_get(1)?, row.try_get(3)?);
    let definition: String = row.try_get(11)?;
    let behind = |kind: &str| definition.strip_prefix(kind).unwrap_or(&definition).trim_start().to_owned();
    match row.try_get(2)? {
        "p" => table.primary_key = Some(KeyConstraint { name, columns, definition: behind("PRIMARY KEY") }),
        "u" => table.uniques.push(KeyConstraint { name, columns, definition: behind("UNIQUE") }),
        "x" => table.exclusions.push(Clause { name, definition: behind("EXCLUDE") }),
        "f" => table.foreign_keys.push(ForeignKey {
            name,
            columns,
            table: row.try_get(4)?,
            references: row.try_get(5)?,
            on_delete: action(row.try_get(6)?),
            on_update: action(row.try_get(7)?),
            deferrable: row.try_get(8)?,
            definition: behind("FOREIGN KEY"),
            validated: row.try_get(9)?,
            enforced: row.try_get(12)?,
        }),
        _ => table.checks.push(Check {
            name,
            expression: row.try_get(10)?,
            definition: behind("CHECK"),
            validated: row.try_get(9)?,
        }),
    }
    Ok(())
}

/// Translates the one-letter action of `pg_constraint`.
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
    let definition: String = row.try_get(2)?;
    let state = match row.try_get(3)? {
        "D" => "DISABLED",
        "R" => "ENABLED REPLICA",
        "A" => "ENABLED ALWAYS",
        _ => "",
    };
    table.triggers.push(Trigger { name: row.try_get(1)?, meaning: definition.clone(), definition, state });
    Ok(())
}

fn add_rule(row: &Row, table: &mut Table) -> Result<(), Error> {
    table.rules.push(Clause { name: row.try_get(1)?, definition: row.try_get(2)? });
    Ok(())
}

fn add_policy(row: &Row, table: &mut Table) -> Result<(), Error> {
    table.policies.push(Clause { name: row.try_get(1)?, definition: row.try_get(2)? });
    Ok(())
}
