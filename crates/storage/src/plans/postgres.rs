//! Reads the plans of PostgreSQL, from `EXPLAIN (FORMAT JSON)`.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::population::{Spelling, statements};
use super::{Cell, Reads, calls, foreign_keys};
use crate::migrate::postgres::connect;
use crate::postgres::Postgres;
use crate::testing::Scratch;
use crate::{DatabaseUrl, migrate, schema};

const SPELLING: Spelling = Spelling {
    numbers: "CREATE TABLE numbers AS SELECT n FROM generate_series(1, 3000) n",
    uuid: |digits| format!("({digits})::uuid"),
    instant: |hours| format!("timestamptz '2025-01-22T10:00:00Z' + ({hours}) * interval '1 hour'"),
    day: |hours| format!("((timestamp '2025-01-22T10:00:00' + ({hours}) * interval '1 hour')::date)"),
    hex: |number| format!("lpad(to_hex({number}), 8, '0')"),
    id_bytes: |uuid| format!("uuid_send({uuid})"),
    bytes: |length| format!("decode(repeat('00', {length}), 'hex')"),
    unhex: |digits| format!("decode({digits}, 'hex')"),
};

pub async fn matrix() -> Vec<Cell> {
    let scratch = Scratch::postgres().await;
    let DatabaseUrl::Postgres(url) = &scratch.url else { unreachable!("it is PostgreSQL") };
    migrate::upgrade(&scratch.url).await.unwrap();
    let admin = connect(&scratch.url).await.unwrap();
    admin.batch_execute(&statements(&SPELLING)).await.unwrap();
    admin.batch_execute("VACUUM ANALYZE").await.unwrap();
    let entries: i64 = admin.query_one("SELECT count(*) FROM journal_entries", &[]).await.unwrap().get(0);
    assert!(entries >= 20_000, "{entries}");
    let (_, name) = url.rsplit_once('/').unwrap();
    // The usual setting for a disk without moving parts.
    admin.batch_execute(&format!("ALTER DATABASE {name} SET random_page_cost = 1.1")).await.unwrap();

    let storage = Postgres::connect(url).await.unwrap();
    let mut seen = Vec::new();
    storage.pool.statement_log.take();
    calls::all(&storage, |method| seen.push((method.to_owned(), storage.pool.statement_log.take()))).await;

    let planner = connect(&scratch.url).await.unwrap();
    planner.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let mut cells = Vec::new();
    for (method, statements) in seen {
        let mut of_this = BTreeSet::new();
        for statement in statements {
            // A statement that is planned for each call may have another plan with other values.
            if statement.custom_plan || of_this.insert(statement.sql.clone()) {
                let plan = match (statement.custom_plan, statement.plan) {
                    (true, plan) => plan.unwrap(),
                    (false, by_value) => plan_chosen_by_server(&planner, &statement.sql, by_value).await,
                };
                cells.push(cell(&method, &statement.sql, &plan));
            }
        }
    }
    for (who, sql) in foreign_keys(&schema::read(&scratch.url).await.unwrap(), |n| format!("${n}")) {
        let plan = generic(&planner, &sql).await;
        cells.push(cell(&who, &sql, &plan));
    }
    cells
}

fn cell(who: &str, sql: &str, plan: &Value) -> Cell {
    let mut reads = Reads::default();
    collect(&plan[0]["Plan"], &mut reads);
    Cell { engine: "postgres", who: who.to_owned(), statement: sql.to_owned(), reads }
}

/// PostgreSQL uses the generic plan of a prepared statement, unless planning for the values at hand is cheaper in the
/// long run (manual, PREPARE).
async fn plan_chosen_by_server(planner: &Client, sql: &str, by_value: Option<Value>) -> Value {
    let generic = generic(planner, sql).await;
    let cost = |plan: &Value| plan[0]["Plan"]["Total Cost"].as_f64().unwrap();
    match by_value {
        Some(by_value) if cost(&by_value) + cost_of_planning(&by_value) < cost(&generic) => by_value,
        _ => generic,
    }
}

/// The estimate of `cached_plan_cost` in the server's `plancache.c`: 1000 `cpu_operator_cost` for each table, and once
/// more.
fn cost_of_planning(plan: &Value) -> f64 {
    let mut tables = 0_u32;
    walk(&plan[0]["Plan"], &mut |node| tables += u32::from(node.get("Relation Name").is_some()));
    1000.0 * 0.0025 * f64::from(tables + 1)
}

/// The generic plan of a statement.
async fn generic(planner: &Client, sql: &str) -> Value {
    let count = (1..20).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
    planner.batch_execute(&format!("PREPARE statement AS {sql}")).await.unwrap();
    let nulls = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
    let lines = planner.simple_query(&format!("EXPLAIN (FORMAT JSON) EXECUTE statement {nulls}")).await.unwrap();
    planner.batch_execute("DEALLOCATE statement").await.unwrap();
    let text = lines.iter().find_map(|line| match line {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(text.unwrap()).unwrap()
}

fn collect(plan: &Value, reads: &mut Reads) {
    walk(plan, &mut |node| {
        let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
        match node["Node Type"].as_str().unwrap_or_default() {
            "Seq Scan" | "Sample Scan" => drop(reads.in_full.insert(text("Relation Name"))),
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
                let name = text("Index Name");
                if node.get("Index Cond").is_some() {
                    reads.indexes.insert(name)
                } else {
                    reads.in_full.insert(name)
                };
            }
            _ => {}
        }
    });
}

fn walk(node: &Value, visit: &mut impl FnMut(&Value)) {
    visit(node);
    node["Plans"].as_array().into_iter().flatten().for_each(|inner| walk(inner, visit));
}
