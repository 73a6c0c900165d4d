//! Pages of lists: keyset pagination with a `Link` header for the next page.

use axum::http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use sotto_domain::entry::PAGE_BYTES;
use sotto_domain::storage::Position;
use sotto_domain::{Flaw, UserId};
use utoipa::IntoParams;

use crate::app::App;
use crate::http::cursor::SortKey;
use crate::http::error::ApiError;

pub const DEFAULT_LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Rows per page; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The cursor from the `Link` header of the previous page.
    pub cursor: Option<String>,
}

/// A requested page of a list.
pub struct Page<P = Position> {
    pub limit: u32,
    /// The position of the last row of the previous page.
    pub after: Option<P>,
    list: String,
}

impl<P: SortKey> Page<P> {
    /// `path` and `filters` (names and values as in the query) identify the list, because a cursor is valid for one
    /// list only.
    ///
    /// # Errors
    /// If the limit is out of range, or the cursor belongs to another user or list.
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
            let sort_key = app.cursors.read(user, &list, cursor);
            sort_key.ok_or_else(|| ApiError::invalid("query", "cursor", &Flaw::UnknownCursor))
        });
        Ok(Self { limit, after: after.transpose()?, list })
    }

    /// Rows to read. One more than the limit shows whether there is a next page.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// Truncates the rows to the page, and returns a `Link` header (RFC 8288) if there is a next page.
    pub fn paginate<T>(&self, app: &App, user: UserId, rows: &mut Vec<T>, sort_key: impl Fn(&T) -> P) -> HeaderMap {
        self.paginate_texts(app, user, rows, 0, sort_key)
    }

    /// Like [`Self::paginate`], for rows with `bytes` of text. Storage ends a page early when its texts are large, so
    /// it may not be the last one.
    pub fn paginate_texts<T>(
        &self,
        app: &App,
        user: UserId,
        rows: &mut Vec<T>,
        bytes: usize,
        sort_key: impl Fn(&T) -> P,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let limit = self.limit as usize;
        if rows.len() > limit || bytes >= PAGE_BYTES {
            rows.truncate(limit);
            if let Some(last) = rows.last() {
                let cursor = app.cursors.write(user, &self.list, &sort_key(last));
                let separator = if self.list.ends_with('?') { "" } else { "&" };
                let link = format!("<{}{separator}limit={limit}&cursor={cursor}>; rel=\"next\"", self.list);
                headers.extend(HeaderValue::try_from(link).ok().map(|link| (header::LINK, link)));
            }
        }
        headers
    }
}
