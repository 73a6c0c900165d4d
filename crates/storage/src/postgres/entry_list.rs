//! The query that lists entries, put together from the filters that are in use.
//!
//! A page without filters is the common case, and runs as a prepared statement whose plan does not depend on its
//! parameters. With filters the best plan does: on how common a word or tag is, on how wide a range of days. Such a
//! statement is planned anew each time (0.3 ms); prepared, its plan for "some word" took 250 ms where the one for
//! this word takes 12.

use std::fmt::Write;

use sotto_domain::UserId;
use sotto_domain::entry::{EntryQuery, MAX_CONTENT, PAGE_BYTES, TagFilter};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::entry_row::{columns, page_of};
use super::values::{Day, Instant};

/// What the index `idx_journal_entries_search` is made of. It must be repeated to the letter for the index to be used.
macro_rules! searchable {
    () => {
        r##"to_tsvector('simple', translate(
            left(coalesce(title, '') || ' ' || content, 200000),
            '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~’',
            '                                 '))"##
    };
}

const OF_USER: &str =
    concat!("SELECT ", columns!(), " FROM journal_entries e WHERE e.user_id = $1 AND e.secret_tag_id IS NULL");

const TAG_ID: &str = "e.id IN (SELECT entry_id FROM journal_entry_tags WHERE user_id = $1 AND tag_id = ";

const TAG_KEY: &str = "e.id IN (SELECT entry_id FROM journal_entry_tags WHERE user_id = $1 AND tag_id =
    (SELECT id FROM tags WHERE user_id = $1 AND name_key = ";

pub(super) const SEARCH: &str = concat!(searchable!(), " @@ to_tsquery('simple', ");

/// Which entries are asked for, as the values that the statement refers to.
pub struct ListQuery<'a> {
    user: Uuid,
    from: Option<Day>,
    to: Option<Day>,
    tag: Option<&'a TagFilter>,
    search: Option<String>,
    after: Option<(Instant, Uuid)>,
    characters: Option<u32>,
    limit: u32,
    count: i64,
}

/// A statement's text, and its parameters with their types.
pub type TypedStatement<'a> = (String, Vec<(&'a (dyn ToSql + Sync), Type)>);

impl<'a> ListQuery<'a> {
    /// The entries of `user` that `query` asks for.
    pub fn new(user: UserId, query: &'a EntryQuery) -> Self {
        Self {
            user: user.0,
            from: query.from.map(Day),
            to: query.to.map(Day),
            tag: query.tag.as_ref(),
            search: (!query.words.is_empty()).then(|| prefixes(&query.words)),
            after: query.after.map(|(date, id)| (Instant(date), id.0)),
            characters: query.characters,
            limit: query.limit,
            count: query.limit.into(),
        }
    }

    /// Whether the best plan depends on the values.
    pub fn is_filtered(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.tag.is_some() || self.search.is_some()
    }

    /// The statement and its parameters.
    pub fn statement(&self) -> TypedStatement<'_> {
        let mut sql = String::with_capacity(1024);
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&self.user, Type::UUID)];
        match self.characters {
            None => sql.push_str(OF_USER),
            Some(count) => {
                sql.push_str(&OF_USER.replacen("e.content", &format!("left(e.content, {count}) AS content"), 1));
            }
        }
        let mut filter = |before: &str, value, kind, after: &str| {
            values.push((value, kind));
            let _ = write!(sql, " AND {before}${}{after}", values.len());
        };
        if let Some(from) = &self.from {
            filter("e.entry_day >= ", from, Type::DATE, "");
        }
        if let Some(to) = &self.to {
            filter("e.entry_day <= ", to, Type::DATE, "");
        }
        match self.tag {
            Some(TagFilter::Id(id)) => filter(TAG_ID, &id.0, Type::UUID, ")"),
            Some(TagFilter::Key(key)) => filter(TAG_KEY, key, Type::TEXT, "))"),
            None => {}
        }
        if let Some(search) = &self.search {
            filter(SEARCH, search, Type::TEXT, ")");
        }
        if let Some((date, id)) = &self.after {
            values.extend([(date as &(dyn ToSql + Sync), Type::TIMESTAMPTZ), (id, Type::UUID)]);
            let _ = write!(sql, " AND (e.entry_date, e.id) < (${}, ${})", values.len() - 1, values.len());
        }
        values.push((&self.count, Type::INT8));
        let limit = values.len();
        if self.is_filtered() {
            let _ = write!(sql, " ORDER BY e.entry_date DESC, e.id DESC LIMIT ${limit}");
            return (self.bounded(sql), values);
        }
        // Of a limit that is a parameter, the planner thinks as a tenth of all rows; so the plan that fits every
        // parameter looks dear beside one for 20 rows, and the statement would be planned anew each time for good.
        // A constant not far above the limit puts that right.
        let bound = self.limit.max(16).checked_next_power_of_two().unwrap_or(u32::MAX);
        let page = format!(
            "SELECT * FROM ({sql} ORDER BY e.entry_date DESC, e.id DESC LIMIT {bound}) page
            ORDER BY entry_date DESC, id DESC LIMIT ${limit}"
        );
        (self.bounded(page), values)
    }

    /// The same, ending early where texts are long. Where they cannot be long enough, the statement stays as it is.
    fn bounded(&self, sql: String) -> String {
        if self.characters.is_some() || self.limit as usize * MAX_CONTENT <= PAGE_BYTES {
            return sql;
        }
        format!(page_of!("content", "{}"), sql)
    }
}

/// A text search query (PostgreSQL manual, section 8.11.2) for entries with a word that begins with each of `words`.
/// Quoted, a word is a word, whatever it is made of.
fn prefixes(words: &[String]) -> String {
    let quoted: Vec<_> =
        words.iter().map(|word| format!("'{}':*", word.replace('\\', r"\\").replace('\'', "''"))).collect();
    quoted.join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_quoted() {
        let words = ["don", "t", "or", "a'b\\c & !d"].map(str::to_owned);
        assert_eq!(prefixes(&words), r"'don':* & 't':* & 'or':* & 'a''b\\c & !d':*");
    }
}
