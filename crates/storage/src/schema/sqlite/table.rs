//! Parses `CREATE TABLE` statements: <https://www.sqlite.org/lang_createtable.html>.

use super::tokens::{Token, depth_after, split_at_commas, split_at_parentheses, text, tokens};
use crate::schema::{Check, ForeignKey, KeyConstraint};

/// The parts of the statement, of which the pragmas report only some.
#[derive(Default)]
pub(super) struct Definition {
    /// Each column's name and the text after it.
    columns: Vec<(String, String)>,
    pub(super) primary_key: Option<KeyConstraint>,
    pub(super) uniques: Vec<KeyConstraint>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Checks of the table. Checks of a column are part of the column's definition.
    pub(super) checks: Vec<Check>,
}

impl Definition {
    pub(super) fn parse(statement: &str) -> Self {
        let mut definition = Self::default();
        let tokens = tokens(statement);
        for item in split_at_parentheses(&tokens).map(|(_, inside, _)| split_at_commas(inside)).unwrap_or_default() {
            let (column, clauses) = match item {
                [first, ..] if starts_constraint(first) => (None, item),
                [name, rest @ ..] => (Some(name.name()), rest),
                [] => continue,
            };
            if let Some(column) = column {
                definition.columns.push((column.to_owned(), text(clauses)));
            }
            for clause in split_constraints(clauses) {
                definition.add(column, clause);
            }
        }
        definition.uniques.sort();
        definition.foreign_keys.sort();
        definition.checks.sort();
        definition
    }

    /// The text after a column's name.
    pub(super) fn column(&self, name: &str) -> Option<&str> {
        let found = self.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
        found.map(|(_, definition)| definition.as_str())
    }

    /// Adds a constraint of the table, or of `column`.
    fn add(&mut self, column: Option<&str>, clause: &[Token]) {
        let (name, clause) = match clause {
            [first, name, rest @ ..] if first.is("CONSTRAINT") => (name.name().to_owned(), rest),
            all => (String::new(), all),
        };
        let [rule, rest @ ..] = clause else { return };
        let rest = if rest.first().is_some_and(|next| next.is("KEY")) { &rest[1..] } else { rest };
        // A constraint of one column is treated as a constraint of the table on that column.
        let (columns, definition) = match (column, split_at_parentheses(rest)) {
            (Some(column), _) => (
                vec![column.to_owned()],
                format!("({column}) {}", text(if rule.is("REFERENCES") { clause } else { rest })),
            ),
            (None, Some((_, inside, _))) => (column_names(inside), text(rest)),
            (None, None) => return,
        };
        let definition = definition.trim_end().to_owned();
        if rule.is("PRIMARY") {
            self.primary_key = Some(KeyConstraint { name, columns, definition });
        } else if rule.is("UNIQUE") {
            self.uniques.push(KeyConstraint { name, columns, definition });
        } else if rule.is("FOREIGN") || rule.is("REFERENCES") {
            self.foreign_keys.extend(foreign_key(name, columns, definition, clause));
        } else if rule.is("CHECK") && column.is_none() {
            let expression = split_at_parentheses(rest).map(|(_, inside, _)| text(inside)).unwrap_or_default();
            self.checks.push(Check { name, expression, definition, validated: true });
        }
    }
}

fn foreign_key(name: String, columns: Vec<String>, definition: String, clause: &[Token]) -> Option<ForeignKey> {
    let at = clause.iter().position(|token| token.is("REFERENCES"))?;
    let target = &clause[at + 1..];
    let references = match split_at_parentheses(target) {
        Some(([_], inside, _)) => column_names(inside),
        // Without a list, the key refers to the other table's primary key.
        _ => Vec::new(),
    };
    Some(ForeignKey {
        name,
        columns,
        table: target.first()?.name().to_ascii_lowercase(),
        references,
        on_delete: action(target, "DELETE"),
        on_update: action(target, "UPDATE"),
        deferrable: deferrable(target).to_owned(),
        definition,
        validated: true,
        enforced: true,
    })
}

/// The action of `ON DELETE` or `ON UPDATE`.
fn action(tokens: &[Token], event: &str) -> String {
    let at = tokens.windows(2).position(|pair| pair[0].is("ON") && pair[1].is(event));
    match at.map(|at| &tokens[at + 2..]) {
        Some([first, second, ..]) if first.is("SET") || first.is("NO") => text(&[first.clone(), second.clone()]),
        Some([first, ..]) => text(std::slice::from_ref(first)),
        _ => "NO ACTION".to_owned(),
    }
}

fn deferrable(tokens: &[Token]) -> &'static str {
    let Some(at) = tokens.iter().position(|token| token.is("DEFERRABLE")) else { return "" };
    let negated = at > 0 && tokens[at - 1].is("NOT");
    let deferred = tokens[at..].windows(2).any(|pair| pair[0].is("INITIALLY") && pair[1].is("DEFERRED"));
    match (negated, deferred) {
        (true, _) => "",
        (false, true) => "DEFERRABLE INITIALLY DEFERRED",
        (false, false) => "DEFERRABLE",
    }
}

/// The columns of a list, without collations and orders, in lower case because SQLite ignores case.
fn column_names(list: &[Token]) -> Vec<String> {
    split_at_commas(list)
        .into_iter()
        .filter_map(|item| item.first())
        .map(|token| token.name().to_ascii_lowercase())
        .collect()
}

fn starts_constraint(token: &Token) -> bool {
    ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| token.is(word))
}

/// Splits the constraints of a column or a table. SQLite does not require commas between them.
fn split_constraints(tokens: &[Token]) -> Vec<&[Token]> {
    let mut starts = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let named = at.checked_sub(2).is_some_and(|at| tokens[at].is("CONSTRAINT"));
        // Keeps `ON DELETE SET NULL`, `NOT NULL`, `DEFAULT NULL` and `NOT DEFERRABLE` together.
        let inner = before.is_some_and(|one| ["SET", "NOT", "DEFAULT"].iter().any(|word| one.is(word)))
            || tokens.get(at + 1).is_some_and(|next| next.is("DEFERRABLE"));
        let of_column = ["REFERENCES", "NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED", "AS"];
        let in_foreign_key = starts.last().is_some_and(|start| tokens[*start..at].iter().any(|one| one.is("FOREIGN")));
        let starts_one =
            starts_constraint(token) || (!in_foreign_key && of_column.iter().any(|word| token.is(word)) && !inner);
        if depth == 0 && starts_one && !named {
            starts.push(at);
        }
        depth = depth_after(depth, token);
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    starts.iter().zip(ends).map(|(start, end)| &tokens[*start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_parsed_in_every_spelling() {
        let one = Definition::parse(
            "CREATE TABLE t (a TEXT NOT NULL, b INTEGER,
                CONSTRAINT pk_t PRIMARY KEY (a), CONSTRAINT uq_t UNIQUE (a, b) ON CONFLICT REPLACE,
                CONSTRAINT fk_t FOREIGN KEY (b) REFERENCES u (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
                CONSTRAINT ck_t CHECK (b > 0)) STRICT",
        );
        let other = Definition::parse(
            "create table [t]( `a` text not null -- a comment, with a comma
                ,\"b\" integer,constraint `pk_t`
                primary   key([a]) constraint [uq_t] unique(a,B)on conflict replace,
                constraint fk_t foreign key(b)references\"u\"(id)on delete set null deferrable initially deferred
                constraint ck_t check(b>0))strict",
        );
        for definition in [&one, &other] {
            assert_eq!(definition.column("a"), Some("TEXT NOT NULL"));
            let key = definition.primary_key.as_ref().unwrap();
            assert_eq!((key.name.as_str(), key.definition.as_str()), ("pk_t", "(a)"));
            assert_eq!(definition.uniques[0].definition, "(a, b) ON CONFLICT REPLACE");
            let key = &definition.foreign_keys[0];
            assert_eq!((key.name.as_str(), key.table.as_str(), key.on_delete.as_str()), ("fk_t", "u", "SET NULL"));
            assert_eq!(key.deferrable, "DEFERRABLE INITIALLY DEFERRED");
            assert_eq!((key.columns.join(","), key.references.join(",")), ("b".to_owned(), "id".to_owned()));
            assert_eq!(definition.checks[0].definition, "(b > 0)");
        }
    }

    #[test]
    fn constraints_of_a_column_name_it() {
        let one = Definition::parse(
            "CREATE TABLE t (a INTEGER CONSTRAINT pk_t PRIMARY KEY ON CONFLICT IGNORE NOT NULL DEFAULT NULL UNIQUE
                CONSTRAINT fk_t REFERENCES u ON UPDATE SET NULL NOT DEFERRABLE CHECK (a > 0) COLLATE nocase)",
        );
        let key = one.primary_key.unwrap();
        assert_eq!((key.name.as_str(), key.definition.as_str()), ("pk_t", "(a) ON CONFLICT IGNORE"));
        assert_eq!(one.uniques[0].definition, "(a)");
        let key = &one.foreign_keys[0];
        assert_eq!(key.definition, "(a) REFERENCES u ON UPDATE SET NULL NOT DEFERRABLE");
        assert_eq!((key.name.as_str(), key.on_update.as_str(), key.deferrable.as_str()), ("fk_t", "SET NULL", ""));
        assert!(key.references.is_empty() && one.checks.is_empty());
    }
}
