//! Settings: flags first, then `SOTTO_*` variables, then `sotto.toml`, then defaults. Unknown ones are errors, so that a
//! typing mistake is not a silent default.

mod alerts;
mod oidc;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{env, fs, io};

use clap::{Args, Command, ValueEnum};
use ipnet::IpNet;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use sotto_domain::attachment::MAX_BYTES;
use sotto_server::config::AUDIO_LIMIT;
use sotto_server::{Config, Registration, web_files};
use sotto_storage::DatabaseUrl;
use tracing_subscriber::EnvFilter;

use crate::attachments::Place;
use crate::error::{CliError, Result};
use alerts::Alerts;
use oidc::Oidc;

/// Settings of every command.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct Common {
    /// The file with settings [default: sotto.toml, if it exists]
    #[arg(long, env = "SOTTO_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The folder for database and keys [default: ./sotto-data]
    #[arg(long, env = "SOTTO_DATA_DIR", global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// sqlite:PATH or postgres://… [default: journal.db in the data folder]
    #[arg(long, env = "SOTTO_DATABASE", global = true, value_name = "URL", hide_env_values = true)]
    #[serde(deserialize_with = "parsed")]
    database: Option<DatabaseUrl>,
    /// Where recordings are kept: a folder, or s3://bucket/prefix with the usual AWS_ variables [default: attachments in the
    /// data folder]
    #[arg(long, env = "SOTTO_ATTACHMENTS", global = true, value_name = "PLACE")]
    #[serde(deserialize_with = "parsed")]
    attachments: Option<Place>,
    /// What to log: error, warn, info, debug, or a filter such as info,sotto_server=debug [default: info]
    #[arg(long, env = "SOTTO_LOG", global = true, value_name = "FILTER", value_parser = filter)]
    #[serde(deserialize_with = "checked_filter")]
    pub log: Option<String>,
    /// How to log [default: text]
    #[arg(long, env = "SOTTO_LOG_FORMAT", global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How to log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of `sotto serve`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct Serving {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "SOTTO_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The address that people type, such as https://journal.example.org
    #[arg(long, env = "SOTTO_PUBLIC_URL", value_name = "URL", value_parser = web_address)]
    #[serde(deserialize_with = "checked_address")]
    public_url: Option<String>,
    /// Who may sign up [default: open]
    #[arg(long, env = "SOTTO_REGISTRATION", value_name = "WHO")]
    registration: Option<SignUp>,
    /// Networks of proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, env = "SOTTO_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = network)]
    #[serde(deserialize_with = "networks")]
    trusted_proxies: Option<Vec<IpNet>>,
    /// If set, /metrics asks for it as a bearer token
    #[arg(long, env = "SOTTO_METRICS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    metrics_token: Option<String>,
    /// Limits on sign-up and login; off is for load tests [default: on]
    #[arg(long, env = "SOTTO_RATE_LIMITS", value_name = "ON|OFF")]
    rate_limits: Option<Switch>,
    /// The longest recording, in bytes [default: 67108864, which is 64 MiB]
    #[arg(long, env = "SOTTO_AUDIO_LIMIT", value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BYTES)))]
    #[serde(deserialize_with = "audio_limit")]
    audio_limit: Option<u32>,
    /// How many bytes of recordings one user may have [default: any number]
    #[arg(long, env = "SOTTO_AUDIO_QUOTA", value_name = "BYTES")]
    audio_quota: Option<u64>,
    /// The server's secret keys, made on first run [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Serve even if secret tags were made with keys that are lost: their recovery keys open them [default: false]
    #[arg(long, env = "SOTTO_ACCEPT_LOST_KEYS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub accept_lost_keys: Option<bool>,
    /// Upgrade an older schema at start [default: false]
    #[arg(long, env = "SOTTO_AUTO_UPGRADE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub auto_upgrade: Option<bool>,
    /// Serve the web app from this folder instead of the binary
    #[arg(long, env = "SOTTO_WEB_DIR", value_name = "DIR", value_parser = web_app)]
    #[serde(deserialize_with = "checked_web_app")]
    web_dir: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    alerts: Alerts,
    /// The provider of flags and variables.
    #[command(flatten)]
    #[serde(skip)]
    oidc: Oidc,
    /// The providers of the file.
    #[arg(skip)]
    #[serde(rename = "oidc")]
    providers: Vec<Oidc>,
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignUp {
    /// Everybody who can reach the server.
    Open,
    /// Nobody; accounts are made with `sotto user create`.
    Closed,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    On,
    Off,
}

impl Common {
    /// Fills in what the file says where flags and variables are silent, and hands back the file's part for `serve`.
    pub fn with_file(self) -> Result<(Self, Serving)> {
        let (file, serving) = read(self.config.as_deref())?;
        let common = Self {
            config: self.config,
            data_dir: self.data_dir.or(file.data_dir),
            database: self.database.or(file.database),
            attachments: self.attachments.or(file.attachments),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
        };
        Ok((common, serving))
    }

    /// The folder for database and keys.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("sotto-data"))
    }

    /// Where the journal is kept.
    pub fn database(&self) -> DatabaseUrl {
        self.database.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(self.data_dir().join("journal.db")))
    }

    /// Where recordings are kept.
    pub fn attachments(&self) -> Place {
        self.attachments.clone().unwrap_or_else(|| Place::Folder(self.data_dir().join("attachments")))
    }

    /// Makes the data folder, for its owner only, if it is missing.
    pub fn make_data_dir(&self) -> Result<()> {
        self.make_folder("").map(drop)
    }

    /// Makes a folder in the data folder, for its owner only, if it is missing.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.data_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(CliError::DataFolder { path, source }),
        }
    }
}

impl Serving {
    /// Fills in what the file says where flags and variables are silent.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            listen: self.listen.or(file.listen),
            public_url: self.public_url.or(file.public_url),
            registration: self.registration.or(file.registration),
            trusted_proxies: self.trusted_proxies.or(file.trusted_proxies),
            metrics_token: self.metrics_token.or(file.metrics_token),
            rate_limits: self.rate_limits.or(file.rate_limits),
            audio_limit: self.audio_limit.or(file.audio_limit),
            audio_quota: self.audio_quota.or(file.audio_quota),
            key_file: self.key_file.or(file.key_file),
            accept_lost_keys: self.accept_lost_keys.or(file.accept_lost_keys),
            auto_upgrade: self.auto_upgrade.or(file.auto_upgrade),
            web_dir: self.web_dir.or(file.web_dir),
            alerts: self.alerts.or(file.alerts),
            oidc: self.oidc,
            providers: file.providers,
        }
    }

    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into())
    }

    /// Where the keys are.
    pub fn key_file(&self, common: &Common) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| common.data_dir().join("keys.json"))
    }

    /// What the server needs to know.
    pub fn to_config(&self) -> Result<Config> {
        Ok(Config {
            public_url: self.public_url.clone(),
            registration: match self.registration {
                Some(SignUp::Closed) => Registration::Closed,
                Some(SignUp::Open) | None => Registration::Open,
            },
            rate_limits: self.rate_limits != Some(Switch::Off),
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            metrics_token: self.metrics_token.clone(),
            audio_limit: self.audio_limit.unwrap_or(AUDIO_LIMIT),
            audio_quota: self.audio_quota,
            monitoring: self.alerts.to_monitoring(),
            web_dir: self.web_dir.clone(),
            providers: oidc::providers(self.oidc.clone(), self.providers.clone(), self.public_url.as_deref())?,
        })
    }
}

/// Variables that begin with `SOTTO_` and are no settings: the keys themselves, and those of the tests.
const OTHER_VARIABLES: [&str; 5] =
    ["SOTTO_KEYS", "SOTTO_TEST_POSTGRES", "SOTTO_POSTGRES_BIN", "SOTTO_POSTGRES_BUFFERS", "SOTTO_POSTGRES_OPTIONS"];

/// Refuses a variable that begins with `SOTTO_` and is none of ours.
pub fn refuse_unknown_variables(command: &Command) -> Result<()> {
    let mut known: BTreeSet<String> = OTHER_VARIABLES.into_iter().map(str::to_owned).collect();
    collect_variables(command, &mut known);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SOTTO_") && !known.contains(name.as_ref()) {
            return Err(unknown("the variable", &name, known.iter().map(String::as_str)));
        }
    }
    Ok(())
}

fn collect_variables(command: &Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())));
    command.get_subcommands().for_each(|inner| collect_variables(inner, known));
}

/// What the file says, in two parts.
fn read(path: Option<&Path>) -> Result<(Common, Serving)> {
    let path = path.map_or_else(|| PathBuf::from("sotto.toml"), Path::to_owned);
    let wrong = |reason: String| CliError::Settings(format!("the settings file {} {reason}", path.display()));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new("sotto.toml") => {
            return Ok(<_>::default());
        }
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(format!("is wrong: {}", error.message())))?;
    let known = || KEYS.into_iter().chain(Alerts::KEYS);
    if let Some(key) = table.keys().find(|key| !known().any(|known| known == *key)) {
        return Err(unknown(&format!("in the settings file {}, the key", path.display()), key, known()));
    }
    let common = part(&table).map_err(&wrong)?;
    let serving = Serving { alerts: part(&table).map_err(&wrong)?, ..part(&table).map_err(&wrong)? };
    Ok((common, serving))
}

fn part<T: DeserializeOwned>(table: &toml::Table) -> std::result::Result<T, String> {
    serde_path_to_error::deserialize(table.clone())
        .map_err(|error| format!("is wrong: {} {}", error.path(), error.inner().message()))
}

const KEYS: [&str; 18] = [
    "data_dir",
    "database",
    "attachments",
    "audio_limit",
    "audio_quota",
    "log",
    "log_format",
    "listen",
    "public_url",
    "registration",
    "trusted_proxies",
    "metrics_token",
    "rate_limits",
    "key_file",
    "accept_lost_keys",
    "auto_upgrade",
    "web_dir",
    "oidc",
];

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let closest = known.map(|known| (strsim::jaro_winkler(name, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match closest {
        Some((likeness, known)) if likeness > 0.8 => format!("; did you mean {known}?"),
        _ => String::new(),
    };
    CliError::Settings(format!("{what} {name} is no setting{hint}"))
}

fn filter(text: &str) -> std::result::Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn web_address(text: &str) -> std::result::Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err("it begins with https:// or http:// and names a host".into());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A folder with the app in it, as Vite builds it.
fn web_app(text: &str) -> std::result::Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    if !folder.join(web_files::INDEX).is_file() {
        return Err(format!("{text} has no {}: build the app with `npm run build` in web/", web_files::INDEX));
    }
    Ok(folder)
}

/// A network such as 10.0.0.0/8, or a single address.
fn network(text: &str) -> std::result::Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| format!("'{text}' is no network such as 10.0.0.0/8 and no IP address"))
}

// In the file, the same checks as on the command line.

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Vec<IpNet>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let networks: std::result::Result<_, String> = texts.iter().map(|text| network(text)).collect();
    networks.map(Some).map_err(D::Error::custom)
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

fn audio_limit<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u32>, D::Error> {
    let limit = u32::deserialize(deserializer)?;
    if (1..=MAX_BYTES).contains(&limit) {
        return Ok(Some(limit));
    }
    Err(D::Error::custom(format!("{limit} is not in 1..={MAX_BYTES}")))
}

fn checked_filter<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    filter(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn checked_address<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    web_address(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn checked_web_app<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<PathBuf>, D::Error> {
    web_app(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}
