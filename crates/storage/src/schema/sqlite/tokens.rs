//! Normalizes SQLite's SQL, so that statements that mean the same compare as equal: keywords in capitals, names without
//! needless quotes, no comments, and blanks by fixed rules.

use sqlite3_parser::lexer::Scanner;
use sqlite3_parser::lexer::sql::{TokenType, Tokenizer};

/// Names written in capitals although they are no keywords: types, truth values, collations and table options.
const CAPITALS: [&str; 13] = [
    "INTEGER", "INT", "TEXT", "BLOB", "REAL", "ANY", "NUMERIC", "TRUE", "FALSE", "NOCASE", "BINARY", "STORED", "STRICT",
];

/// A keyword, a name, a literal or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The normalized text.
    text: String,
    /// The original text, without the quotes of a name.
    word: String,
    kind: TokenKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Keyword,
    Name,
    Literal,
    Sign,
}

impl Token {
    /// Whether the token is this keyword or sign.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, TokenKind::Keyword | TokenKind::Sign) && self.text == text
    }

    /// The token as a name: without quotes, in its original case.
    pub(super) fn name(&self) -> &str {
        &self.word
    }
}

/// The tokens of a statement. Text that the tokenizer rejects, although SQLite has accepted it, becomes one token.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut tokens = Vec::new();
    let mut end = 0;
    loop {
        match scanner.scan(sql.as_bytes()) {
            Ok((start, Some((_, kind)), after)) => {
                tokens.extend(sql.get(start..after).map(|written| token(written, kind)));
                end = after;
            }
            Ok((_, None, _)) => return tokens,
            Err(_) => {
                let rest = sql.get(end..).unwrap_or_default().trim();
                tokens.push(Token { text: rest.to_owned(), word: rest.to_owned(), kind: TokenKind::Literal });
                return tokens;
            }
        }
    }
}

/// Joins tokens, with blanks by fixed rules.
pub(super) fn text(tokens: &[Token]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && !is_glued(&tokens[..at], token) {
            text.push(' ');
        }
        text.push_str(&token.text);
    }
    text
}

/// Normalizes a statement.
pub(super) fn normalized(sql: &str) -> String {
    let tokens = tokens(sql);
    text(&tokens).trim_end_matches(';').to_owned()
}

/// Splits a list at its commas, except inside of parentheses.
pub(super) fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let mut items: Vec<_> = tokens
        .split(|token| {
            depth = depth_after(depth, token);
            depth == 0 && token.is(",")
        })
        .collect();
    items.retain(|item| !item.is_empty());
    items
}

/// The tokens before, inside and after the first pair of parentheses.
pub(super) fn split_at_parentheses(tokens: &[Token]) -> Option<(&[Token], &[Token], &[Token])> {
    let open = tokens.iter().position(|token| token.is("("))?;
    let mut depth = 0;
    let close = tokens[open..].iter().position(|token| {
        depth = depth_after(depth, token);
        depth == 0
    })?;
    Some((&tokens[..open], &tokens[open + 1..open + close], &tokens[open + close + 1..]))
}

/// The depth of parentheses after a token.
pub(super) fn depth_after(depth: usize, token: &Token) -> usize {
    match token.text.as_str() {
        "(" if token.kind == TokenKind::Sign => depth + 1,
        ")" if token.kind == TokenKind::Sign => depth.saturating_sub(1),
        _ => depth,
    }
}

fn token(written: &str, kind: TokenType) -> Token {
    let quote = written.chars().next().unwrap_or_default();
    let unquoted = || {
        let close = if quote == '[' { ']' } else { quote };
        let inside = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
        inside.replace(&format!("{close}{close}"), &close.to_string())
    };
    let token = |text: String, word: String, kind| Token { text, word, kind };
    match (quote, kind) {
        ('"' | '`' | '[', _) => token(name(&unquoted(), true), unquoted(), TokenKind::Name),
        ('\'', _) => token(written.to_owned(), unquoted(), TokenKind::Literal),
        (_, TokenType::TK_ID) => token(name(written, false), written.to_owned(), TokenKind::Name),
        (_, TokenType::TK_BLOB | TokenType::TK_INTEGER | TokenType::TK_FLOAT) => {
            token(written.to_ascii_lowercase(), written.to_owned(), TokenKind::Literal)
        }
        _ if quote.is_ascii_alphabetic() => token(written.to_ascii_uppercase(), written.to_owned(), TokenKind::Keyword),
        // Both have two spellings.
        (_, TokenType::TK_EQ) => token("=".to_owned(), written.to_owned(), TokenKind::Sign),
        (_, TokenType::TK_NE) => token("<>".to_owned(), written.to_owned(), TokenKind::Sign),
        _ => token(written.to_owned(), written.to_owned(), TokenKind::Sign),
    }
}

/// A normalized name: in lower case, because SQLite ignores case, and quoted only if necessary.
fn name(word: &str, quoted: bool) -> String {
    let plain = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let capitals = word.to_ascii_uppercase();
    if !quoted && CAPITALS.contains(&capitals.as_str()) {
        return capitals;
    }
    if plain && (!quoted || !is_keyword(word)) {
        return word.to_ascii_lowercase();
    }
    format!("\"{}\"", word.replace('"', "\"\""))
}

fn is_keyword(word: &str) -> bool {
    let scanned = Scanner::new(Tokenizer::new()).scan(word.as_bytes()).ok().and_then(|(_, token, _)| token);
    !matches!(scanned, Some((_, TokenType::TK_ID)))
}

/// Whether no blank precedes `next`.
fn is_glued(before: &[Token], next: &Token) -> bool {
    let Some(last) = before.last() else { return true };
    let second = before.len().checked_sub(2).map(|at| &before[at]);
    let opens = last.is("(") || last.is(".");
    if opens || [",", ")", ".", ";"].iter().any(|sign| next.is(sign)) {
        return true;
    }
    if next.is("(") {
        // The name is a function's, not that of a table with a list of columns.
        let table = ["REFERENCES", "INTO", "ON", "TABLE", "USING", "UPDATE"];
        let called = last.kind == TokenKind::Name && !second.is_some_and(|one| table.iter().any(|word| one.is(word)));
        return called || last.is("CAST") || last.is("REPLACE");
    }
    // A minus sign that belongs to the following number.
    let starts = |one: &Token| one.kind == TokenKind::Keyword || (one.kind == TokenKind::Sign && !one.is(")"));
    last.is("-") && next.kind == TokenKind::Literal && second.is_none_or(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_meanings_have_one_spelling() {
        for (written, spelled_as) in [
            ("check(LENGTH(`id`)==16)", "CHECK (length(id) = 16)"),
            ("CHECK ( length ( [id] ) = 16 )", "CHECK (length(id) = 16)"),
            ("text Not  Null -- why\n default 'it''s' /* so */", "TEXT NOT NULL DEFAULT 'it''s'"),
            ("CAST(unixepoch('subsec')*1000000 AS integer)", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"),
            (
                "foreign key(\"a\")references [Users](`id`)on delete cascade",
                "FOREIGN KEY (a) REFERENCES users (id) ON DELETE CASCADE",
            ),
            ("x in(0,1) and y!=-1", "x IN (0, 1) AND y <> -1"),
            ("\"order\" \"two words\" \"a\"\"b\"", "\"order\" \"two words\" \"a\"\"b\""),
            ("new.id, x'AB', 1 - 2;", "new.id, x'ab', 1 - 2"),
        ] {
            assert_eq!(normalized(written), spelled_as, "{written}");
        }
    }

    #[test]
    fn different_meanings_stay_different() {
        assert_ne!(normalized("a = 'X'"), normalized("a = 'x'"));
        assert_ne!(normalized("a = 'b  c'"), normalized("a = 'b c'"));
        assert_ne!(normalized("\"a b\""), normalized("a b"));
    }

    #[test]
    fn unparsed_text_is_kept() {
        assert_eq!(normalized("a 'never closed"), "a 'never closed");
        assert_eq!(normalized(""), "");
    }

    #[test]
    fn lists_and_parentheses_are_matched() {
        let all = tokens("t (a CHECK (a IN (')', 'x')), b) STRICT");
        let (before, inside, behind) = split_at_parentheses(&all).unwrap();
        assert_eq!((text(before), text(behind)), ("t".to_owned(), "STRICT".to_owned()));
        assert_eq!(
            split_at_commas(inside).into_iter().map(text).collect::<Vec<_>>(),
            ["a CHECK (a IN (')', 'x'))", "b"]
        );
        assert!(split_at_parentheses(&tokens("t (a")).is_none());
    }
}
