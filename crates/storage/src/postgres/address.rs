//! Splits a `postgres://` address into its parts, even if the password holds characters that should have been
//! percent-encoded.
//!
//! The driver alone would end the credentials at the first `@`, and would look up a part of such a password as a host.

use std::borrow::Cow;

/// The options that the driver supports (`tokio_postgres::Config`).
const OPTIONS: [&str; 19] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// `scheme://user:password@hosts/database?options`. Each part is kept as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// `postgres` or `postgresql`.
    pub scheme: &'a str,
    /// User and password; empty if the address has neither.
    credentials: &'a str,
    /// One host or several, separated by commas, each with an optional port.
    hosts: &'a str,
    /// The database with a leading `/`; empty if the address names none.
    database: &'a str,
    /// The options with a leading `?`; empty if there are none.
    options: &'a str,
}

impl<'a> Address<'a> {
    /// Parses an address. Several `@` may be the end of the credentials: the first one counts after which only hosts, a
    /// database and options follow. Returns `None` if there is no such `@`.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let without_credentials = std::iter::once(("", rest));
        let splits = rest.match_indices('@').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
        without_credentials.chain(splits).find_map(|(credentials, rest)| {
            let (rest, options) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
            let (hosts, database) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let sound = hosts.split(',').all(is_host) && is_database(database) && are_options(options);
            sound.then_some(Self { scheme, credentials, hosts, database, options })
        })
    }

    /// Returns the same address once for each of its hosts, for the driver.
    pub fn each_host(&self) -> Vec<String> {
        // libpq has two stricter modes, which this connector applies whenever it uses TLS. The driver does not know
        // their names.
        let options = self.options.replace("sslmode=verify-full", "sslmode=require");
        let options = options.replace("sslmode=verify-ca", "sslmode=require");
        let (credentials, options) = (encoded(self.credentials), encoded(&options));
        let end = if credentials.is_empty() { "" } else { "@" };
        let one = |host| format!("{}://{credentials}{end}{host}{}{options}", self.scheme, self.database);
        self.hosts.split(',').map(one).collect()
    }

    /// The scheme, user, hosts and database. The options are left out, because one of them may be a password.
    pub fn without_password(&self) -> String {
        let user = self.credentials.split(':').next().unwrap_or_default();
        let end = if user.is_empty() { "" } else { "@" };
        format!("{}://{user}{end}{}{}", self.scheme, self.hosts, self.database)
    }
}

/// Accepts a name, an IPv4 address, an IPv6 address in brackets, or a percent-encoded folder of sockets, each with an
/// optional port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let in_brackets = text.starts_with('[');
    let is_part = |c: char| c.is_alphanumeric() || "-._%".contains(c) || (in_brackets && c == ':');
    host.chars().all(is_part) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_database(text: &str) -> bool {
    !text.contains('@') && text.matches('/').count() <= 1
}

fn are_options(text: &str) -> bool {
    let options = text.strip_prefix('?').unwrap_or_default();
    let known = |option: &str| option.split_once('=').is_some_and(|(name, _)| OPTIONS.contains(&name));
    options.is_empty() || options.split('&').all(known)
}

/// Encodes each `@`, so that the driver does not end the credentials there.
fn encoded(text: &str) -> Cow<'_, str> {
    if text.contains('@') { text.replace('@', "%40").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_contain_unencoded_reserved_characters() {
        for (password, encoded) in [
            ("s3cret", "s3cret"),
            ("s3@cret", "s3%40cret"),
            ("@@", "%40%40"),
            ("s3?cret", "s3?cret"),
            ("s3@c?ret=x", "s3%40c?ret=x"),
            ("5432?cret", "5432?cret"),
            ("5432/cret", "5432/cret"),
            ("s3@c/ret", "s3%40c/ret"),
            ("s3:cret", "s3:cret"),
            ("s3%40cret", "s3%40cret"),
        ] {
            let url = format!("postgres://ada:{password}@one:1,[::1]:2/sotto?sslmode=require");
            let address = Address::parse(&url).unwrap();
            assert_eq!(address.without_password(), "postgres://ada@one:1,[::1]:2/sotto");
            let rest = "/sotto?sslmode=require";
            let expected = ["one:1", "[::1]:2"].map(|host| format!("postgres://ada:{encoded}@{host}{rest}"));
            assert_eq!(address.each_host(), expected, "{password}");
        }
    }

    #[test]
    fn the_driver_reads_the_same_address() {
        for (url, password) in [
            ("postgres://ada:p@s?s@db/sotto", "p@s?s"),
            ("postgres://ada:p%40s@db/sotto", "p@s"),
            ("postgres://db/sotto?user=ada&password=p@s", "p@s"),
            ("postgres://ada@db/sotto?password=p@s", "p@s"),
        ] {
            let config: tokio_postgres::Config = Address::parse(url).unwrap().each_host()[0].parse().unwrap();
            assert_eq!(config.get_password(), Some(password.as_bytes()), "{url}");
            assert_eq!(config.get_user(), Some("ada"), "{url}");
            assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("db".into())], "{url}");
            assert_eq!(config.get_dbname(), Some("sotto"), "{url}");
        }
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        for url in [
            "postgres:/",
            "postgres://ada:s3cret@db:port/sotto",
            "postgres://ada:s3cret@db:99999/sotto",
            "postgres://ada:s3cret",
            "postgres://db/sotto?sslrootcert=/ca",
            "postgres://db/sotto?s3cret",
        ] {
            assert_eq!(Address::parse(url), None, "{url}");
        }
        for url in ["postgres://", "postgres:///sotto?host=/run/pg", "postgres://%2Frun%2Fpg/sotto", "postgresql://db"]
        {
            assert!(Address::parse(url).is_some(), "{url}");
        }
    }
}
