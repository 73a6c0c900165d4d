//! Finds and parses the settings file. An error names the line and the expected value, but never the actual value,
//! which may be a secret.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::DeserializeOwned;

use super::alerts::AlertSettings;
use super::{CommonSettings, ServeSettings, unknown};
use crate::error::{CliError, Result};

/// Where to look for a file if none is named. The first that exists is read.
const DEFAULT_PATHS: [&str; 2] = ["sotto.toml", "/etc/sotto/sotto.toml"];

const FOLDER: &str = "a folder in quotes";
const TRUTH: &str = "true or false";

/// The keys with the expected values.
const KEYS: [(&str, &str); 24] = [
    ("data_dir", FOLDER),
    ("database", "\"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST:PORT/NAME\""),
    ("connections_per_client", "a whole number, without quotes"),
    ("database_connections", "a whole number, without quotes"),
    ("database_wait", "a whole number of seconds, without quotes"),
    ("attachments", "a folder in quotes, or \"s3://bucket/prefix\""),
    ("audio_limit", "a whole number of bytes, without quotes"),
    ("audio_quota", "a whole number of bytes, without quotes"),
    ("log", "\"error\", \"warn\", \"info\", \"debug\", or a filter in quotes"),
    ("log_format", "\"text\" or \"json\""),
    ("audit_addresses", TRUTH),
    ("listen", "an IP address and a port in quotes, such as \"127.0.0.1:8080\""),
    ("drain_seconds", "a whole number of seconds, without quotes"),
    ("public_url", "an address in quotes, such as \"https://journal.example.org\""),
    ("hsts_subdomains", TRUTH),
    ("registration", "\"first\", \"open\" or \"closed\""),
    ("trusted_proxies", "a list of networks in quotes, such as [\"10.0.0.0/8\"]"),
    ("metrics_token", "a text in quotes"),
    ("rate_limits", "\"on\" or \"off\""),
    ("key_file", "a file in quotes"),
    ("accept_lost_keys", TRUTH),
    ("auto_upgrade", TRUTH),
    ("web_dir", FOLDER),
    ("oidc", "a table for each provider, under a line [[oidc]]"),
];

/// The contents of the settings file.
#[derive(Debug, Default)]
pub struct SettingsFile {
    /// The path; `None` if there is no file.
    pub path: Option<PathBuf>,
    /// The settings of every command.
    pub common: CommonSettings,
    /// The settings of `sotto serve`.
    pub serving: ServeSettings,
}

impl SettingsFile {
    /// Reads the named file, or the first in the usual places; empty if there is none.
    pub fn read(named: Option<&Path>) -> Result<Self> {
        match named {
            Some(path) => {
                Self::read_path(path)?.ok_or_else(|| CliError::Settings(format!("there is no file {}", path.display())))
            }
            None => Self::first(&DEFAULT_PATHS.map(Path::new)),
        }
    }

    fn first(places: &[&Path]) -> Result<Self> {
        for path in places {
            if let Some(file) = Self::read_path(path)? {
                return Ok(file);
            }
        }
        Ok(Self::default())
    }

    /// `None` if there is no such file.
    fn read_path(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(CliError::Settings(format!(
                    "the settings file {} cannot be read: {error}",
                    path.display()
                )));
            }
        };
        let (common, serving) = parse(&text, path)?;
        Ok(Some(Self { path: Some(path.to_owned()), common, serving }))
    }
}

fn parse(text: &str, path: &Path) -> Result<(CommonSettings, ServeSettings)> {
    let wrong = |Mistake { line, sentence }| {
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        CliError::Settings(format!("the settings file {}{line}: {sentence}", path.display()))
    };
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| wrong(Mistake { line: line_of(text, &error), sentence: error.message().to_owned() }))?;
    // `serde_ignored` cannot find unknown keys here: each of three types reads the file, and ignores the keys of the
    // others.
    let known = || KEYS.iter().chain(&AlertSettings::KEYS).map(|(key, _)| *key);
    if let Some(key) = table.keys().find(|key| !known().any(|known| known == *key)) {
        return Err(unknown(&format!("in the settings file {}, the key", path.display()), key, known()));
    }
    let common = deserialize(text).map_err(wrong)?;
    let serving = ServeSettings { alerts: deserialize(text).map_err(wrong)?, ..deserialize(text).map_err(wrong)? };
    Ok((common, serving))
}

struct Mistake {
    line: Option<usize>,
    sentence: String,
}

fn deserialize<T: DeserializeOwned>(text: &str) -> std::result::Result<T, Mistake> {
    let mistake = |error: &toml::de::Error, sentence: String| Mistake { line: line_of(text, error), sentence };
    let reader = toml::Deserializer::parse(text).map_err(|error| mistake(&error, error.message().to_owned()))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = error.path().to_string();
        mistake(error.inner(), explain(&path, error.inner().message()))
    })
}

/// Describes the expected value. Serde's own message mentions Rust types and shows the actual value.
fn explain(path: &str, message: &str) -> String {
    let of_serde =
        ["invalid type", "invalid value", "invalid length", "wanted "].iter().any(|start| message.starts_with(start));
    // The position in a list does not matter.
    let key = path.trim_end_matches(|c: char| c.is_ascii_digit() || "[]".contains(c));
    let wanted = KEYS.iter().chain(&AlertSettings::KEYS).find(|(known, _)| *known == key).map(|(_, wanted)| *wanted);
    match wanted {
        Some(wanted) if of_serde || message.starts_with("unknown variant") => format!("{key} must be {wanted}"),
        None if of_serde => {
            let wanted = if path.ends_with("scopes") { "a list of texts in quotes" } else { "a text in quotes" };
            format!("{path} must be {wanted}")
        }
        _ => format!("{path}: {message}"),
    }
}

fn line_of(text: &str, error: &toml::de::Error) -> Option<usize> {
    error.span().map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_this_folder_overrides_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let (here, machine) = (folder.path().join("sotto.toml"), folder.path().join("etc.toml"));
        let read = || SettingsFile::first(&[&here, &machine]).unwrap();
        assert_eq!(read().path, None);
        fs::write(&machine, "log = \"warn\"\ndata_dir = \"/srv/sotto\"").unwrap();
        assert_eq!((read().path.as_ref(), read().common.log.as_deref()), (Some(&machine), Some("warn")));
        // Two files are never mixed.
        fs::write(&here, "log = \"debug\"").unwrap();
        let file = read();
        assert_eq!((file.path.as_ref(), file.common.log.as_deref()), (Some(&here), Some("debug")));
        assert_eq!(file.common.data_dir, None);
        assert_eq!(DEFAULT_PATHS, ["sotto.toml", "/etc/sotto/sotto.toml"]);
    }

    #[test]
    fn an_invalid_value_is_reported_with_the_expected_form() {
        for (key, wanted) in KEYS.iter().chain(&AlertSettings::KEYS) {
            for value in ["{ a = 1979-05-27 }", "[[1.5]]"] {
                let text = format!("# a comment\n\n{key} = {value}\n");
                let error = parse(&text, Path::new("sotto.toml")).unwrap_err().to_string();
                // Bounded whole numbers have their own message.
                if !error.contains("is not a whole number from") {
                    assert_eq!(error, format!("the settings file sotto.toml, line 3: {key} must be {wanted}"));
                }
                assert!(error.contains("line 3") && !error.contains("1.5\u{60}"), "{error}");
            }
        }
    }

    #[test]
    fn error_messages_contain_no_secret() {
        for text in [
            "metrics_token = 12345",
            "[[oidc]]\nclient_secret = 12345",
            "database = 12345",
            "database = \"postgres//ada:12345@db/sotto\"",
        ] {
            let error = parse(text, Path::new("sotto.toml")).unwrap_err().to_string();
            assert!(error.contains(", line ") && !error.contains("12345"), "{error}");
        }
    }
}
