//! Runs the statements that autogenerate offers for changes of type on a populated PostgreSQL: each keeps every value,
//! or fails and changes nothing.

use std::collections::BTreeMap;
use std::fs;

use tokio_postgres::Client;

use super::project::Project;
use crate::migrate::postgres::connect;
use crate::testing::Scratch;

/// Old type, new type, a value that fits, and one that does not, if there is one.
const TYPES: [(&str, &str, &str, Option<&str>); 22] = [
    ("TEXT", "VARCHAR(20)", "'Grüße'", Some("'a text of more than twenty letters'")),
    ("TEXT", "CHARACTER(5)", "'abc'", Some("'abcdef'")),
    ("VARCHAR(40)", "VARCHAR(4)", "'abcd'", Some("'abcde'")),
    ("VARCHAR(4)", "TEXT", "'abcd'", None),
    ("TEXT", "INTEGER", "'42'", Some("'007'")),
    ("INTEGER", "BIGINT", "42", None),
    ("BIGINT", "INTEGER", "42", Some("9000000000")),
    ("INTEGER", "TEXT", "42", None),
    ("INTEGER", "NUMERIC(6, 2)", "42", Some("123456")),
    ("NUMERIC(10, 4)", "NUMERIC(10, 2)", "1.25", Some("1.2345")),
    ("NUMERIC(10, 2)", "NUMERIC(14, 6)", "1.25", None),
    ("NUMERIC", "DOUBLE PRECISION", "0.5", Some("1.00000000000000000001")),
    ("DOUBLE PRECISION", "REAL", "0.5", Some("0.1234567890123")),
    ("DOUBLE PRECISION", "INTEGER", "2", Some("2.5")),
    ("BIT VARYING(16)", "BIT VARYING(4)", "B'1010'", Some("B'10101'")),
    ("BIT VARYING(16)", "BIT(4)", "B'1010'", Some("B'101'")),
    (
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP(0) WITH TIME ZONE",
        "'2025-01-22T10:00:00Z'",
        Some("'2025-01-22T10:00:00.25Z'"),
    ),
    ("TIMESTAMP WITHOUT TIME ZONE", "DATE", "NULL", Some("'2025-01-22 10:00:00'")),
    ("TIME WITHOUT TIME ZONE", "TIME(0) WITHOUT TIME ZONE", "'10:00:00'", Some("'10:00:00.25'")),
    ("INTERVAL", "INTERVAL DAY TO MINUTE", "'1 day'", Some("'1 second'")),
    ("TEXT[]", "VARCHAR(3)[]", "'{abc,de}'", Some("'{abcd}'")),
    ("NUMERIC(10, 4)[]", "NUMERIC(10, 1)[]", "NULL", Some("'{1.25}'")),
];

fn table(types: impl Iterator<Item = &'static str>) -> String {
    let columns: Vec<String> = types.enumerate().map(|(at, kind)| format!("c{at} {kind}")).collect();
    format!("CREATE TABLE things ({});", columns.join(", "))
}

/// The offered statements for each column: the comment lines after its question, without their dashes.
fn offered_statements(text: &str) -> BTreeMap<usize, String> {
    let mut offers = BTreeMap::new();
    for block in text.split("-- decide: things.c").skip(1) {
        let (column, rest) = block.split_once(' ').unwrap();
        let lines = rest.lines().skip(1).take_while(|line| line.starts_with("-- "));
        offers.insert(column.parse().unwrap(), lines.map(|line| &line[3..]).collect::<Vec<_>>().join("\n"));
    }
    offers
}

async fn value(client: &Client, column: usize) -> Vec<Option<String>> {
    let rows = client.query(&format!("SELECT c{column}::text FROM things"), &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn no_generated_type_change_destroys_a_value() {
    let (from, to) = (TYPES.iter().map(|one| one.0), TYPES.iter().map(|one| one.1));
    let sqlite = "CREATE TABLE things (c0 TEXT) STRICT;";
    let project = Project::with_migration([sqlite, &table(from.clone())], "nothing", [sqlite, &table(to)]);
    let server = Scratch::postgres().await;
    assert!(project.generate(&server.url).await.unwrap().undecided);
    let text = fs::read_to_string(project.migrations().join("postgres/0002_change_it.up.sql")).unwrap();
    let offers = offered_statements(&text);
    assert_eq!(offers.len(), TYPES.len(), "{text}");

    let client = connect(&server.url).await.unwrap();
    for (at, (from_type, to_type, fits, too_much)) in TYPES.into_iter().enumerate() {
        let offer = &offers[&at];
        assert!(offer.contains("This counts the values that would be cut: SELECT count(*) FROM things"), "{offer}");
        for (value_in, kept) in [(Some(fits), true), (too_much, false), (Some("NULL"), true)] {
            let Some(value_in) = value_in else { continue };
            let fresh = format!(
                "DROP TABLE IF EXISTS things; {} INSERT INTO things (c{at}) VALUES ({value_in})",
                table(from.clone())
            );
            client.batch_execute(&fresh).await.unwrap();
            let before = value(&client, at).await;
            // In one transaction, as the runner does.
            let done = client.batch_execute(&format!("BEGIN; {offer} COMMIT")).await;
            if done.is_err() {
                client.batch_execute("ROLLBACK").await.unwrap();
            }
            let what = format!("{value_in} from {from_type} to {to_type}: {done:?}\n{offer}");
            assert_eq!(done.is_ok(), kept, "{what}");
            let after = value(&client, at).await;
            let number = |value: &Option<String>| value.as_ref().and_then(|text| text.parse::<f64>().ok());
            let same = after == before || number(&after[0]).is_some() && number(&after[0]) == number(&before[0]);
            assert!(same, "{before:?} became {after:?}: {what}");
        }
    }
}

/// With a populated server, the file states how many values would be cut.
#[tokio::test]
async fn values_that_a_type_change_would_cut_are_counted() {
    let sqlite = "CREATE TABLE things (c0 TEXT) STRICT;";
    let (from, to) = ("CREATE TABLE things (c0 TEXT DEFAULT 'x');", "CREATE TABLE things (c0 VARCHAR(3) NOT NULL);");
    let project = Project::with_migration([sqlite, from], "nothing", [sqlite, to]);
    let server = Scratch::postgres().await;
    let client = connect(&server.url).await.unwrap();
    client.batch_execute(from).await.unwrap();
    client.batch_execute("INSERT INTO things VALUES ('abc'), ('abcd'), ('abcde'), (NULL)").await.unwrap();
    assert!(project.generate(&server.url).await.unwrap().undecided);
    let text = fs::read_to_string(project.migrations().join("postgres/0002_change_it.up.sql")).unwrap();
    assert!(text.contains("-- -- In the connected database, 2 values would be cut: SELECT count(*)"), "{text}");
    let statement = "-- ALTER TABLE things ALTER COLUMN c0 DROP DEFAULT, ALTER COLUMN c0 TYPE character varying(3) \
                     USING c0::character varying(3), ALTER COLUMN c0 SET NOT NULL;";
    assert!(text.contains(statement), "{text}");
    assert_eq!(value(&client, 0).await.len(), 4);
}
