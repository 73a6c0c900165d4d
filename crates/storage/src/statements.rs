//! Measures how long SQL statements take, and removes users' data from their texts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most texts that are kept separately. There are about a hundred. More would mean that texts contain values, which
/// must not fill the memory.
const MAX_TEXTS: usize = 512;
/// The text under which all further statements are counted.
const OTHER_STATEMENTS: &str = "(other statements)";
/// The longest text of a statement in bytes; the rest is cut off.
const MAX_TEXT_BYTES: usize = 4000;
/// The prefix of statements that measure the database's health. These are not timed, because monitoring must not raise
/// alerts.
macro_rules! mark {
    () => {
        "/* health */ "
    };
}
pub(crate) use mark;

/// The run times of statements, by their text. [`Self::add`] holds the lock for one look-up.
#[derive(Default)]
pub struct Timings(Mutex<HashMap<Box<str>, Timing>>);

/// The measurements of one statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// The number of runs.
    pub calls: u64,
    /// The total time of the runs.
    pub time: Duration,
    /// The number of rows that full table scans read.
    pub scanned: u64,
    /// The engine's own value of that counter at the last run.
    seen: u64,
}

impl Timings {
    /// Adds one run. `scanned` is a counter that the engine keeps for each prepared statement, and that restarts with a
    /// new one.
    pub fn add(&self, text: &str, time: Duration, scanned: u64) {
        if text.starts_with(mark!()) {
            return;
        }
        let mut timings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The look-up by reference allocates only for a new text.
        if let Some(timing) = timings.get_mut(text) {
            timing.add(time, scanned);
            return;
        }
        let text = if timings.len() < MAX_TEXTS { text } else { OTHER_STATEMENTS };
        timings.entry(text.into()).or_default().add(time, scanned);
    }

    /// Adds the measurements of each text to `sum`.
    pub fn sum_into(&self, sum: &mut HashMap<Box<str>, Timing>) {
        let timings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, timing) in timings.iter() {
            let total = sum.entry(text.clone()).or_default();
            total.calls += timing.calls;
            total.time += timing.time;
            total.scanned += timing.scanned;
        }
    }
}

impl Timing {
    fn add(&mut self, time: Duration, scanned: u64) {
        self.calls += 1;
        self.time += time;
        self.scanned += scanned.checked_sub(self.seen).unwrap_or(scanned);
        self.seen = scanned;
    }

    /// The total time in milliseconds.
    pub fn total_ms(&self) -> f64 {
        self.time.as_secs_f64() * 1000.0
    }
}

/// Returns the text on one line, without comments, and with `?` for each literal. Sotto's statements pass values as
/// parameters, so their literals are harmless, but PostgreSQL also lists the statements of other programs in the same
/// database.
pub fn without_values(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len().min(MAX_TEXT_BYTES));
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let token = token(rest);
        match first {
            _ if out.len() >= MAX_TEXT_BYTES => {
                out.push('…');
                break;
            }
            _ if literal(rest).is_some() => out.push('?'),
            '0'..='9' => out.push('?'),
            '$' if token.len() > 1 && !token[1..].starts_with(|c: char| c.is_ascii_digit()) => out.push('?'),
            _ if first.is_whitespace() || token.starts_with("--") || token.starts_with("/*") => {
                if !out.ends_with(' ') && !out.is_empty() {
                    out.push(' ');
                }
            }
            _ => out.push_str(token),
        }
        rest = &rest[token.len()..];
    }
    out.truncate(out.trim_end().len());
    out
}

/// The first token of `sql`, which is not empty.
fn token(sql: &str) -> &str {
    let first = sql.chars().next().unwrap_or_default();
    let while_in = |accept: fn(char) -> bool| {
        let end = sql.char_indices().skip(1).find(|(_, c)| !accept(*c)).map_or(sql.len(), |(at, _)| at);
        &sql[..end]
    };
    let until = |from: usize, end: &str| match sql.get(from..).and_then(|rest| rest.find(end)) {
        Some(at) => &sql[..from + at + end.len()],
        None => sql,
    };
    if let Some(literal) = literal(sql) {
        return literal;
    }
    match first {
        '"' => quoted(sql, 0, false),
        '-' if sql.starts_with("--") => until(2, "\n"),
        '/' if sql.starts_with("/*") => until(2, "*/"),
        '$' | '?' if sql[1..].starts_with(|c: char| c.is_ascii_digit()) => while_in(|c| c.is_ascii_digit()),
        '$' => match sql[1..].find('$') {
            // $tag$ … $tag$
            Some(at) if sql[1..=at].chars().all(|c| c.is_alphanumeric() || c == '_') => until(at + 2, &sql[..at + 2]),
            _ => "$",
        },
        '0'..='9' => while_in(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
        _ if first.is_alphabetic() || first == '_' => while_in(|c| c.is_alphanumeric() || c == '_' || c == '$'),
        _ if first.is_whitespace() => while_in(char::is_whitespace),
        _ => &sql[..first.len_utf8()],
    }
}

/// The literal at the start of `sql`: `'…'`, possibly with a prefix letter.
fn literal(sql: &str) -> Option<&str> {
    let (escapes, prefix) = match sql.as_bytes() {
        [b'\'', ..] => (false, 0),
        // A backslash is an escape only in these literals.
        [b'E' | b'e', b'\'', ..] => (true, 1),
        [b'X' | b'x' | b'B' | b'b' | b'N' | b'n', b'\'', ..] => (false, 1),
        [b'U' | b'u', b'&', b'\'', ..] => (false, 2),
        _ => return None,
    };
    Some(quoted(sql, prefix, escapes))
}

/// The text up to the quote that closes the one at `open`. A doubled quote is an escaped one.
fn quoted(sql: &str, open: usize, escapes: bool) -> &str {
    let mut letters = sql[open..].char_indices().peekable();
    let Some((_, quote)) = letters.next() else { return sql };
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && escapes {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return &sql[..=open + at];
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_texts_contain_no_values() {
        for (sql, text) in [
            ("SELECT  a,\n b FROM t1 WHERE a = $1 AND b = ?2", "SELECT a, b FROM t1 WHERE a = $1 AND b = ?2"),
            ("SELECT 'it''s secret', 42, 4.2e1, x'AB', \"col 1\"", "SELECT ?, ?, ?, ?, \"col 1\""),
            ("SELECT E'a\\'b secret' || U&'d\\0061t'", "SELECT ? || ?"),
            ("SELECT 1 -- secret\n , 2 /* secret */ FROM t", "SELECT ? , ? FROM t"),
            ("SELECT $$secret$$, $tag$ it's secret $tag$, $1", "SELECT ?, ?, $1"),
            ("SELECT 'never closed secret", "SELECT ?"),
            ("SELECT $$never closed secret", "SELECT ?"),
            ("INSERT INTO fts (fts, rank) VALUES ('merge', ?1)", "INSERT INTO fts (fts, rank) VALUES (?, ?1)"),
            ("SELECT ä_ö, 'ü secret' FROM naïve", "SELECT ä_ö, ? FROM naïve"),
            ("SELECT name'secret'", "SELECT name?"),
            (r"SELECT '\', 'secret', E'\' secret'", "SELECT ?, ?, ?"),
        ] {
            assert_eq!(without_values(sql), text, "{sql}");
        }
        assert!(without_values(&"SELECT ä ".repeat(5000)).len() < MAX_TEXT_BYTES + 20);
    }

    #[test]
    fn texts_are_bounded_and_totals_stay_correct() {
        let timings = Timings::default();
        for number in 0..2 * MAX_TEXTS {
            timings.add(&format!("SELECT {number}"), Duration::from_millis(1), 0);
        }
        let mut sum = HashMap::new();
        timings.sum_into(&mut sum);
        assert_eq!(sum.len(), MAX_TEXTS + 1);
        assert_eq!(sum.values().map(|timing| timing.calls).sum::<u64>(), 2 * MAX_TEXTS as u64);
        assert_eq!(sum[OTHER_STATEMENTS].calls, MAX_TEXTS as u64);
    }

    #[test]
    fn scanned_rows_are_counted_across_prepared_statements() {
        let timings = Timings::default();
        for scanned in [10, 25, 25, 7] {
            timings.add("SELECT", Duration::ZERO, scanned);
        }
        let mut sum = HashMap::new();
        timings.sum_into(&mut sum);
        assert_eq!(sum["SELECT"].scanned, 32);
    }

    #[test]
    fn internal_statements_are_not_timed() {
        let timings = Timings::default();
        timings.add(concat!(mark!(), "SELECT 1"), Duration::ZERO, 0);
        let mut sum = HashMap::new();
        timings.sum_into(&mut sum);
        assert!(sum.is_empty());
    }
}
