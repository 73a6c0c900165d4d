//! Detects casts that change values. PostgreSQL reports no error when an explicit cast cuts a text or rounds a number,
//! so values are compared as text before and after.

/// A condition for the values of a column that would change as another type; never true for NULL.
pub(crate) fn would_change(column: &str, from: &str, to: &str) -> String {
    format!("{} <> {}", text_of(column, from), text_of(&format!("{column}::{to}"), to))
}

/// A value as text, without insignificant zeros at the end of a fraction.
pub(super) fn text_of(value: &str, kind: &str) -> String {
    if kind.starts_with("numeric") && !kind.ends_with("[]") {
        format!("trim_scale({value})::text")
    } else {
        format!("({value})::text")
    }
}
