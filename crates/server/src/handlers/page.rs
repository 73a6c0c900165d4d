//! Keyset pages: how each list is cut, and how the next page is found.

use axum::http::{HeaderMap, HeaderValue, header};
use sotto_domain::entry::PAGE_BYTES;
use sotto_domain::storage::Position;
use sotto_domain::{Flaw, UserId};

use crate::app::App;
use crate::cursor::Place;
use crate::error::ApiError;

/// Rows on a page when nothing is said.
pub const DEFAULT_LIMIT: u32 = 100;
/// Rows on a page, at most.
pub const MAX_LIMIT: u32 = 1000;

/// A page that was asked for.
pub struct Page<P = Position> {
    /// Rows on it, at most.
    pub limit: u32,
    /// What it begins after.
    pub after: Option<P>,
    list: String,
}

impl<P: Place> Page<P> {
    /// `path` and `filters` (each a name and a value as they stand in the query) tell one list from another: a cursor is
    /// good for the list that it came from.
    ///
    /// # Errors
    /// If the limit is out of range, or the cursor is not of this user's same list.
    pub fn parse(
        app: &App,
        user: UserId,
        path: &str,
        filters: &[(&str, Option<&str>)],
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Self, ApiError> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::invalid("query", "limit", &Flaw::OutOfRange { min: 1, max: MAX_LIMIT }));
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in filters {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let list = format!("{path}?{}", query.finish());
        let after = cursor.map(|cursor| {
            let place = app.cursors.read(user, &list, cursor);
            place.ok_or_else(|| ApiError::invalid("query", "cursor", &Flaw::UnknownCursor))
        });
        Ok(Self { limit, after: after.transpose()?, list })
    }

    /// How many rows to read: one more than the page holds tells whether there is another.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts the rows to the page, and says in a `Link` header (RFC 8288) where the next one is, if there is one.
    pub fn cut<T>(&self, app: &App, user: UserId, rows: &mut Vec<T>, place: impl Fn(&T) -> P) -> HeaderMap {
        self.cut_texts(app, user, rows, 0, place)
    }

    /// The same, for rows whose texts have so many bytes: a page that ends early because of them is not the last one.
    pub fn cut_texts<T>(
        &self,
        app: &App,
        user: UserId,
        rows: &mut Vec<T>,
        bytes: usize,
        place: impl Fn(&T) -> P,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let limit = self.limit as usize;
        if rows.len() > limit || bytes >= PAGE_BYTES {
            rows.truncate(limit);
            if let Some(last) = rows.last() {
                let cursor = app.cursors.write(user, &self.list, &place(last));
                let separator = if self.list.ends_with('?') { "" } else { "&" };
                let link = format!("<{}{separator}limit={limit}&cursor={cursor}>; rel=\"next\"", self.list);
                headers.extend(HeaderValue::try_from(link).ok().map(|link| (header::LINK, link)));
            }
        }
        headers
    }
}
