//! A minimal SQL lexer that finds statements, list items and comments for both engines.

/// Splits `sql` at each `separator` outside of quotes, comments and parentheses. Comments become blanks, parts are
/// trimmed, and empty parts are dropped.
///
/// It supports `--` and (nested) `/* */` comments, `'…'`, `"…"` and `$tag$…$tag$`, but not PostgreSQL's `E'…\'…'`.
pub(crate) fn split(sql: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest);
        let (token, after) = rest.split_at(length);
        rest = after;
        match first {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let current = parts.last_mut().into_iter();
        if depth == 0 && first == separator {
            parts.push(String::new());
        } else if token.starts_with("--") || token.starts_with("/*") {
            current.for_each(|part| part.push(' '));
        } else {
            current.for_each(|part| part.push_str(token));
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The line, counted from 1, of the byte at `offset`.
pub(crate) fn line_at(sql: &str, offset: usize) -> usize {
    1 + sql.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The length in bytes of the comment, quoted text or single character at the start of `sql`.
fn token_length(sql: &str) -> usize {
    let until = |end: &str, from: usize| sql[from..].find(end).map_or(sql.len(), |at| from + at + end.len());
    if sql.starts_with("--") {
        // The line break is not part of the comment: it separates the text around it.
        return sql.find('\n').unwrap_or(sql.len());
    }
    if sql.starts_with("/*") {
        return block_comment_length(sql);
    }
    match sql.chars().next() {
        // A doubled quote ends one token and starts the next, with the same result.
        Some('\'') => until("'", 1),
        Some('"') => until("\"", 1),
        Some('$') => dollar_tag(sql).map_or(1, |tag| until(tag, tag.len())),
        Some(other) => other.len_utf8(),
        None => 0,
    }
}

fn block_comment_length(sql: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < sql.len() {
        let here = &sql.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    sql.len()
}

/// `$$` or `$tag$` at the start of `sql`.
fn dollar_tag(sql: &str) -> Option<&str> {
    let end = sql[1..].find('$')? + 1;
    let name = &sql[1..end];
    let is_name =
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| &sql[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_top_level_separators_count() {
        let sql = "a ';' \";\" /* ; /* ; */ ; */ $$ ; $$ $x$ ; $$ ; $x$ (b; c) -- ;\n d; ;\n e 'it''s;'";
        let parts = split(sql, ';');
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert!(parts[0].starts_with("a ';'") && parts[0].ends_with('d'), "{parts:?}");
        assert_eq!(parts[1], "e 'it''s;'");
        assert!(split("-- only words\n/* and more", ';').is_empty());
        assert_eq!(split("x, f(a, b), 'ü,ß'", ','), ["x", "f(a, b)", "'ü,ß'"]);
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!(line_at("a\nb\nc", 0), 1);
        assert_eq!(line_at("a\nb\nc", 4), 3);
    }
}
