//! Time zones, identified by their IANA names.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// An IANA time zone, such as `Europe/Berlin`.
///
/// Names are looked up in the time zone database that is part of the program, never in the operating system's, so that
/// a name means the same on every machine. A zone keeps the name that was chosen. Links such as `Asia/Calcutta` and
/// `US/Eastern` have the rules of their targets, but are not replaced by them: canonical names change between releases
/// of the database, and an older browser may know only the older name.
///
/// A stored name can be unknown: older versions also accepted names of the operating system, such as `localtime`, and a
/// database may come from a server with newer zones. Such a zone keeps its name and has the rules of UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(Rules);

#[derive(Clone, PartialEq, Eq)]
enum Rules {
    Known(TimeZone),
    Unknown(Box<str>),
}

/// The longest accepted name in bytes. The longest name in the database has 32.
const MAX_NAME: usize = 64;

/// Names in the database that are not real zones.
const PLACEHOLDERS: [&str; 2] = ["Etc/Unknown", "Factory"];

impl Zone {
    /// `UTC`.
    pub fn utc() -> Self {
        Self(Rules::Known(TimeZone::UTC))
    }

    /// The zone with this name, in upper or lower case; the result has the database's spelling. `None` if the database
    /// has no such name, or if the name is a placeholder.
    pub fn named(name: &str) -> Option<Self> {
        // UTC, the default, needs no look-up.
        if name == "UTC" {
            return Some(Self::utc());
        }
        if name.len() > MAX_NAME || PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(name)) {
            return None;
        }
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        zone.iana_name().is_some().then_some(Self(Rules::Known(zone)))
    }

    /// The zone with this stored name. An unknown one keeps its name and has the rules of UTC.
    pub fn stored(name: &str) -> Self {
        Self::named(name).unwrap_or_else(|| Self(Rules::Unknown(name.into())))
    }

    /// The zone of a request: `own` if the request names none, or if it names `own`, which may be unknown.
    ///
    /// # Errors
    /// Any other name, which the caller checks with [`Self::named`].
    pub fn chosen<'a>(sent: Option<&'a str>, own: &Self) -> Result<Self, &'a str> {
        match sent {
            Some(name) if name != own.name() => Err(name),
            _ => Ok(own.clone()),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        match &self.0 {
            Rules::Known(zone) => zone.iana_name().unwrap_or("UTC"),
            Rules::Unknown(name) => name,
        }
    }

    /// The rules that convert instants to local time.
    pub(crate) fn rules(&self) -> TimeZone {
        match &self.0 {
            Rules::Known(zone) => zone.clone(),
            Rules::Unknown(_) => TimeZone::UTC,
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn names_come_only_from_the_bundled_database() {
        // The first three are zones of the operating system, and the paths are files of it.
        for name in [
            "localtime",
            "posixrules",
            "posix/Europe/Berlin",
            "right/UTC",
            "/usr/share/zoneinfo/UTC",
            "../../etc/localtime",
            "Mars/Olympus",
            "Etc/Unknown",
            "etc/unknown",
            "Factory",
            "",
            " UTC",
            "CET-1CEST",
            "+02:00",
            "Europe/Berlin\0",
            &"Europe/".repeat(100),
        ] {
            assert!(Zone::named(name).is_none(), "{name:?}");
        }
        for name in TimeZoneDatabase::bundled().available() {
            let zone = Zone::named(name.as_str());
            assert_eq!(zone.as_ref().map(Zone::name), (name.as_str() != "Factory").then_some(name.as_str()));
        }
    }

    #[test]
    fn an_alias_keeps_its_name_and_has_the_rules_of_its_target() {
        let winter = at("2026-01-15T04:30:00Z");
        for (link, canonical) in
            [("US/Eastern", "America/New_York"), ("Asia/Calcutta", "Asia/Kolkata"), ("Europe/Kiev", "Europe/Kyiv")]
        {
            let [link_zone, zone] = [link, canonical].map(|name| Zone::named(name).unwrap());
            assert_eq!((link_zone.name(), zone.name()), (link, canonical));
            assert_eq!(winter.day_in(&link_zone), winter.day_in(&zone));
        }
        assert_eq!(winter.day_in(&Zone::named("US/Eastern").unwrap()).to_string(), "2026-01-14");
    }

    #[test]
    fn case_does_not_matter() {
        for (name, spelled) in
            [("europe/BERLIN", "Europe/Berlin"), ("utc", "UTC"), ("etc/utc", "Etc/UTC"), ("zulu", "Zulu")]
        {
            assert_eq!(Zone::named(name).unwrap().name(), spelled);
        }
    }

    #[test]
    fn an_unknown_stored_name_is_kept_and_treated_as_utc() {
        let late = at("2026-01-15T23:59:00Z");
        for name in ["localtime", "Mars/Olympus", "", &"x".repeat(500)] {
            let zone = Zone::stored(name);
            assert_eq!((zone.name(), late.day_in(&zone).to_string().as_str()), (name, "2026-01-15"));
            assert_ne!(zone, Zone::utc());
        }
        assert_eq!(Zone::stored("Europe/Berlin"), Zone::named("Europe/Berlin").unwrap());
    }

    #[test]
    fn an_unknown_zone_is_accepted_where_it_is_already_stored() {
        let own = Zone::stored("localtime");
        assert_eq!(Zone::chosen(None, &own).unwrap(), own);
        assert_eq!(Zone::chosen(Some("localtime"), &own).unwrap(), own);
        assert_eq!(Zone::chosen(Some("Europe/Berlin"), &own), Err("Europe/Berlin"));
        assert_eq!(Zone::chosen(Some("localtime"), &Zone::utc()), Err("localtime"));
    }
}
