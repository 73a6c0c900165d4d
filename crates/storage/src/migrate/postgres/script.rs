//! Renders a run as a script for `psql`.

use std::fmt::Write;

use super::super::plan::Direction;
use super::super::script::{Route, body};
use super::super::source::{Loss, Migration};
use super::{FOREIGN, LOCK, MIGRATIONS_TABLE, SESSION};

/// Plain SQL except for `\set`, which makes `psql` stop at the first error.
pub(in super::super) fn render(route: &Route<'_>) -> String {
    let mut text = route.head("PostgreSQL", "psql --no-psqlrc --file=SCRIPT postgres://…");
    if route.steps.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\\set ON_ERROR_STOP on\nSET client_encoding = 'UTF8';\n{SESSION};\n\n{}", start(route));
    // All losses are checked before the first step, so that a refusal changes nothing, and again in each step.
    text.extend(route.steps.iter().map(|step| guards(route, step)));
    for step in &route.steps {
        text.push_str(&route.title(step));
        text.push_str(&one(route, step));
        text.push('\n');
    }
    let _ = writeln!(text, "DO $sotto$ BEGIN PERFORM pg_advisory_unlock({LOCK}); END $sotto$;");
    text
}

/// Takes the migrator's lock and checks that the script fits the database, in one atomic statement.
fn start(route: &Route<'_>) -> String {
    let (from, fits) = (route.from(), route.fits());
    format!(
        "DO $sotto$ BEGIN
    IF NOT pg_try_advisory_lock({LOCK}) THEN
        RAISE EXCEPTION USING MESSAGE = 'another migration is running: wait until it is done, then run this again';
    END IF;
    IF to_regclass('schema_migrations') IS NULL THEN
        IF EXISTS ({FOREIGN}) THEN
            RAISE EXCEPTION USING MESSAGE = 'the database contains tables of another program: give Sotto a separate database';
        END IF;{MIGRATIONS_TABLE};
    END IF;
    IF NOT ({fits}) THEN
        RAISE EXCEPTION USING MESSAGE = 'this script starts at {from}, but the database is at another revision: see `sotto db current`';
    END IF;
END $sotto$;
"
    )
}

fn one(route: &Route<'_>, step: &Migration) -> String {
    let script = step.script(route.direction);
    let (body, record) = (body(script), record(route.direction, step));
    if let Some(index) = &script.concurrent_index {
        let clear = match route.direction {
            Direction::Up => format!("DROP INDEX CONCURRENTLY IF EXISTS {index};\n"),
            Direction::Down => String::new(),
        };
        return format!("SET lock_timeout = 0;\n{clear}{body}{record}\n{SESSION};\n");
    }
    format!("BEGIN;\n{record}\n{}{body}COMMIT;\n", guards(route, step))
}

fn guards(route: &Route<'_>, step: &Migration) -> String {
    match route.direction {
        Direction::Down if !route.allow_data_loss => step.loses.iter().map(guard).collect(),
        _ => String::new(),
    }
}

fn record(direction: Direction, step: &Migration) -> String {
    match direction {
        Direction::Up => format!(
            "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum)\n    VALUES ({}, '{}', '{}', '{}');",
            step.version, step.name, step.up.checksum, step.down.checksum
        ),
        Direction::Down => format!("DELETE FROM schema_migrations WHERE version = {};", step.version),
    }
}

/// Stops if there is data to lose, and locks the table until the step is done.
fn guard(loss: &Loss) -> String {
    let table = &loss.table;
    let column = loss.column.as_ref().map_or_else(|| "attnum > 0".to_owned(), |column| format!("attname = '{column}'"));
    let there = loss.column.as_ref().map_or_else(String::new, |column| format!(" WHERE \"{column}\" IS NOT NULL"));
    format!(
        "DO $sotto$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('{table}') AND NOT attisdropped AND {column}) THEN
        LOCK TABLE \"{table}\" IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT 1 FROM \"{table}\"{there}) THEN
            RAISE EXCEPTION USING MESSAGE = 'this step would destroy {loss}. If you want that, make a backup, and create the script with --allow-data-loss';
        END IF;
    END IF;
END $sotto$;
"
    )
}
