//! Settings of the monitor: how often it measures, and when it raises alerts.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sotto_domain::health::Thresholds;
use sotto_server::{Monitoring, Webhook};

use super::checks::{in_file, web_address};

/// The settings of the monitor. The founding document gives the defaults.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "they are the names of flags and keys")]
pub struct AlertSettings {
    /// The seconds between two readings of the database's health [default: 60]
    #[arg(long, env = "SOTTO_ALERT_INTERVAL", value_name = "SECONDS", value_parser = interval)]
    #[serde(deserialize_with = "checked_interval")]
    alert_interval: Option<u32>,
    /// The average duration in milliseconds above which a statement is slow [default: 100]
    #[arg(long, env = "SOTTO_ALERT_STATEMENT_MS", value_name = "MILLISECONDS", value_parser = statement)]
    #[serde(deserialize_with = "checked_statement")]
    alert_statement_ms: Option<u32>,
    /// The share of reads of a big table that should use an index, in per cent [default: 90]
    #[arg(long, env = "SOTTO_ALERT_INDEX_USAGE", value_name = "PERCENT", value_parser = percent)]
    #[serde(deserialize_with = "checked_percent")]
    alert_index_usage: Option<u32>,
    /// The number of rows above which a table is big [default: 10000]
    #[arg(long, env = "SOTTO_ALERT_TABLE_ROWS", value_name = "ROWS", value_parser = rows)]
    #[serde(deserialize_with = "checked_rows")]
    alert_table_rows: Option<u32>,
    /// How many bad readings in a row raise an alert about speed [default: 3]
    #[arg(long, env = "SOTTO_ALERT_RAISE_AFTER", value_name = "READINGS", value_parser = readings)]
    #[serde(deserialize_with = "checked_readings")]
    alert_raise_after: Option<u32>,
    /// How many good readings in a row clear an alert [default: 5]
    #[arg(long, env = "SOTTO_ALERT_CLEAR_AFTER", value_name = "READINGS", value_parser = readings)]
    #[serde(deserialize_with = "checked_readings")]
    alert_clear_after: Option<u32>,
    /// The days without a backup after which an alert is raised, or off [default: off]
    #[arg(long, env = "SOTTO_ALERT_BACKUP_DAYS", value_name = "DAYS|off", value_parser = days)]
    #[serde(deserialize_with = "checked_days")]
    alert_backup_days: Option<Days>,
    /// The URL to which a notice is posted when an alert is raised or cleared
    #[arg(long, env = "SOTTO_ALERT_WEBHOOK", value_name = "URL", value_parser = web_address, hide_env_values = true)]
    #[serde(deserialize_with = "in_file::web_address")]
    alert_webhook: Option<String>,
}

impl AlertSettings {
    /// The keys in `sotto.toml`, with the expected values.
    pub const KEYS: [(&str, &str); 8] = [
        ("alert_interval", "a whole number of seconds, without quotes"),
        ("alert_statement_ms", "a whole number of milliseconds, without quotes"),
        ("alert_index_usage", "a whole number of per cent, without quotes"),
        ("alert_table_rows", "a whole number of rows, without quotes"),
        ("alert_raise_after", "a whole number of readings, without quotes"),
        ("alert_clear_after", "a whole number of readings, without quotes"),
        ("alert_backup_days", "a whole number of days, without quotes, or \"off\""),
        ("alert_webhook", "an address in quotes, such as \"https://example.org/hook\""),
    ];

    /// Adds the settings of the file where flags and variables set nothing.
    pub fn or(self, file: Self) -> Self {
        Self {
            alert_interval: self.alert_interval.or(file.alert_interval),
            alert_statement_ms: self.alert_statement_ms.or(file.alert_statement_ms),
            alert_index_usage: self.alert_index_usage.or(file.alert_index_usage),
            alert_table_rows: self.alert_table_rows.or(file.alert_table_rows),
            alert_raise_after: self.alert_raise_after.or(file.alert_raise_after),
            alert_clear_after: self.alert_clear_after.or(file.alert_clear_after),
            alert_backup_days: self.alert_backup_days.or(file.alert_backup_days),
            alert_webhook: self.alert_webhook.or(file.alert_webhook),
        }
    }

    /// The configuration of the server's monitor.
    pub fn to_monitoring(&self) -> Monitoring {
        let usual = Monitoring::default();
        let Thresholds { statement_ms, index_usage_percent, big_table_rows } = usual.thresholds;
        Monitoring {
            every: self.alert_interval.map_or(usual.every, |seconds| Duration::from_secs(seconds.into())),
            thresholds: Thresholds {
                statement_ms: self.alert_statement_ms.map_or(statement_ms, Into::into),
                index_usage_percent: self.alert_index_usage.map_or(index_usage_percent, Into::into),
                big_table_rows: self.alert_table_rows.map_or(big_table_rows, Into::into),
            },
            raise_after: self.alert_raise_after.unwrap_or(usual.raise_after),
            clear_after: self.alert_clear_after.unwrap_or(usual.clear_after),
            webhook: self.alert_webhook.clone().map(Webhook::new),
            backup_days: self.alert_backup_days.and_then(|Days(days)| days),
            ..usual
        }
    }
}

/// Days without a backup; `None` for `off`, which differs from a missing setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days(Option<u32>);

type Checked = std::result::Result<u32, String>;

fn interval(text: &str) -> Checked {
    between(text, 1, 86_400)
}

fn statement(text: &str) -> Checked {
    between(text, 1, 3_600_000)
}

fn percent(text: &str) -> Checked {
    between(text, 1, 100)
}

fn rows(text: &str) -> Checked {
    between(text, 0, u32::MAX)
}

fn readings(text: &str) -> Checked {
    between(text, 1, 1000)
}

fn days(text: &str) -> std::result::Result<Days, String> {
    match text {
        "off" => Ok(Days(None)),
        number => between(number, 1, 3650).map(|days| Days(Some(days))).map_err(|error| format!("{error}, or off")),
    }
}

fn between<T: FromStr + PartialOrd + Display>(text: &str, least: T, most: T) -> std::result::Result<T, String> {
    let value = text.parse().ok().filter(|value| *value >= least && *value <= most);
    value.ok_or_else(|| format!("'{text}' is not a whole number from {least} to {most}"))
}

// The same checks for the settings file.

fn checked<'de, D: Deserializer<'de>>(deserializer: D, check: fn(&str) -> Checked) -> Result<Option<u32>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    check(&value.to_string()).map(Some).map_err(D::Error::custom)
}

fn checked_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, interval)
}

fn checked_statement<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, statement)
}

fn checked_percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, percent)
}

fn checked_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, rows)
}

fn checked_readings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    checked(deserializer, readings)
}

fn checked_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Days>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    days(&text).map(Some).map_err(D::Error::custom)
}
