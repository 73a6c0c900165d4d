//! The `Range` header (RFC 9110, section 14.2).

use std::ops::Range;

use axum::http::HeaderValue;

#[derive(Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole content. A header that is not a single range of bytes is ignored.
    Whole,
    /// At least one byte.
    Part(Range<u64>),
    /// A range beyond the end.
    Unsatisfiable,
}

impl ByteRange {
    /// Parses the header for content of `length` bytes.
    pub fn parse(header: &HeaderValue, length: u64) -> Self {
        header.to_str().ok().and_then(|text| Self::read(text, length)).unwrap_or(Self::Whole)
    }

    fn read(text: &str, length: u64) -> Option<Self> {
        let (unit, set) = text.split_once('=')?;
        let (first, last) = set.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // A number that does not fit is beyond the end anyway.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let range = match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
            (Some(first), None) if last.is_empty() => first..length,
            (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
            _ => return None,
        };
        Some(if range.is_empty() { Self::Unsatisfiable } else { Self::Part(range) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_ranges_are_parsed() {
        let part = |text: &'static str| ByteRange::parse(&HeaderValue::from_static(text), 10);
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("Bytes = 2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=9-99", 9..10),
            ("bytes=0-99999999999999999999", 0..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
        ] {
            assert_eq!(part(text), ByteRange::Part(range), "{text}");
        }
        for text in ["bytes=10-", "bytes=10-12", "bytes=99999999999999999999-", "bytes=-0"] {
            assert_eq!(part(text), ByteRange::Unsatisfiable, "{text}");
        }
        for text in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "bytes=a-b", "bytes=+1-2", "lines=0-1"]
        {
            assert_eq!(part(text), ByteRange::Whole, "{text}");
        }
        assert_eq!(ByteRange::parse(&HeaderValue::from_static("bytes=0-"), 0), ByteRange::Unsatisfiable);
    }
}
