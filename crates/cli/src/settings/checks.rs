//! Validates values of settings, equally for flags, variables and the settings file.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::MAX_DRAIN;
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sotto_domain::attachment::MAX_BYTES;
use sotto_server::web_files;
use tracing_subscriber::EnvFilter;

type Checked<T> = std::result::Result<T, String>;

/// A filter of the log.
pub fn filter(text: &str) -> Checked<String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// An IP address and a port. Names are refused: a name may have several addresses (`localhost` is `127.0.0.1` and
/// `::1`), and the server listens on one, so the machine would decide which of them works.
pub fn listen(text: &str) -> Checked<SocketAddr> {
    text.parse().map_err(|_| {
        let wanted = "expected an IP address and a port, such as 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080 \
                      or [::]:8080 for all of its addresses";
        match text.strip_prefix("localhost:") {
            Some(port) => format!("{wanted}; for localhost, write 127.0.0.1:{port}"),
            None => wanted.to_owned(),
        }
    })
}

/// An http or https URL.
pub fn web_address(text: &str) -> Checked<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err("expected https:// or http:// followed by a host".into());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A bearer token. An empty one would only seem to protect.
pub fn token(text: &str) -> Checked<String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err("expected one word of ASCII characters, not empty: leave the setting out to serve without a token".into())
}

/// A folder with the web app as Vite builds it.
pub fn web_app(text: &str) -> Checked<PathBuf> {
    let folder = PathBuf::from(text);
    if !folder.join(web_files::INDEX).is_file() {
        return Err(format!("{text} has no {}: build the app with `npm run build` in web/", web_files::INDEX));
    }
    Ok(folder)
}

/// A network such as 10.0.0.0/8, or a single address.
pub fn network(text: &str) -> Checked<IpNet> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| format!("'{text}' is neither a network such as 10.0.0.0/8 nor an IP address"))
}

fn path(text: &str) -> Checked<PathBuf> {
    if text.is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
}

/// The checks above for the settings file.
pub mod in_file {
    use super::*;

    type Read<T, E> = std::result::Result<Option<T>, E>;

    fn checked<'de, D: Deserializer<'de>, T>(deserializer: D, check: fn(&str) -> Checked<T>) -> Read<T, D::Error> {
        check(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
    }

    pub fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Read<T, D::Error> {
        checked(deserializer, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    pub fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Read<String, D::Error> {
        checked(deserializer, super::filter)
    }

    pub fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Read<SocketAddr, D::Error> {
        checked(deserializer, super::listen)
    }

    pub fn web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Read<String, D::Error> {
        checked(deserializer, super::web_address)
    }

    pub fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Read<String, D::Error> {
        checked(deserializer, super::token)
    }

    pub fn web_app<'de, D: Deserializer<'de>>(deserializer: D) -> Read<PathBuf, D::Error> {
        checked(deserializer, super::web_app)
    }

    pub fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Read<PathBuf, D::Error> {
        checked(deserializer, super::path)
    }

    pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| network(text)).collect::<Checked<_>>().map(Some).map_err(D::Error::custom)
    }

    pub fn drain_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u16, D::Error> {
        let seconds = u16::deserialize(deserializer)?;
        if i64::from(seconds) <= MAX_DRAIN {
            return Ok(Some(seconds));
        }
        Err(D::Error::custom(format!("{seconds} is not in 0..={MAX_DRAIN}")))
    }

    pub fn database_connections<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u16, D::Error> {
        let number = u16::deserialize(deserializer)?;
        if (1..=1000).contains(&number) {
            return Ok(Some(number));
        }
        Err(D::Error::custom(format!("{number} is not in 1..=1000")))
    }

    pub fn connections_per_client<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u16, D::Error> {
        let number = u16::deserialize(deserializer)?;
        if number > 0 { Ok(Some(number)) } else { Err(D::Error::custom("0 is not in 1..=65535")) }
    }

    pub fn audio_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u32, D::Error> {
        let limit = u32::deserialize(deserializer)?;
        if (1..=MAX_BYTES).contains(&limit) {
            return Ok(Some(limit));
        }
        Err(D::Error::custom(format!("{limit} is not in 1..={MAX_BYTES}")))
    }
}
