//! An entry as a Markdown file: YAML front matter, an empty line, and the unchanged text.

use std::fmt::Write as _;
use std::io::{self, Write};

use sotto_domain::entry::Entry;

/// Writes the file of an entry. `recording` is the name of the recording beside it. Each value of the front matter is a
/// quoted string in one line, so a title can neither end the front matter nor be read as YAML.
pub fn write(out: &mut impl Write, entry: &Entry, recording: Option<&str>) -> io::Result<()> {
    writeln!(out, "---")?;
    writeln!(out, "id: {}", quoted(&entry.id.to_string()))?;
    if let Some(title) = &entry.body.title {
        writeln!(out, "title: {}", quoted(title))?;
    }
    writeln!(out, "date: {}", quoted(&entry.body.date.moment.to_string()))?;
    writeln!(out, "zone: {}", quoted(entry.body.date.zone.name()))?;
    let tags: Vec<_> = entry.tags.iter().map(|tag| quoted(&tag.name)).collect();
    writeln!(out, "tags: [{}]", tags.join(", "))?;
    if let Some(address) = &entry.body.audio_url {
        writeln!(out, "audio: {}", quoted(address))?;
    }
    if let Some(name) = recording {
        writeln!(out, "recording: {}", quoted(name))?;
    }
    writeln!(out, "created: {}", quoted(&entry.created_at.to_string()))?;
    writeln!(out, "updated: {}", quoted(&entry.updated_at.to_string()))?;
    write!(out, "---\n\n{}", entry.body.content)
}

/// A double-quoted scalar that is the same in YAML 1.1, YAML 1.2 (section 7.3.1) and JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // Characters that YAML does not count as printable, or treats as a line break or byte order mark.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_valid_json() {
        for text in [
            "",
            "plain",
            "\"quoted\" \\ and 'so'",
            "---\nid: 1\n...",
            "# no: comment",
            "\u{85}\u{2028}\u{feff}\0",
            "👩‍👩‍👧‍👦 é: [x]",
        ] {
            let quoted = quoted(text);
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            assert!(!quoted.contains(char::is_control) && quoted.lines().count() == 1, "{quoted}");
        }
    }
}
