//! A log line that an attacker cannot multiply.

use std::time::{Duration, Instant};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_mins(1);

/// Allows one line a minute, and counts the others.
#[derive(Default)]
pub(super) struct Occasional {
    last: Option<Instant>,
    suppressed: u64,
}

impl Occasional {
    /// The number of lines that were suppressed since the last one, if it is time for another line.
    pub(super) fn line(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_says_how_many_there_were() {
        let mut log = Occasional::default();
        let start = Instant::now();
        assert_eq!(log.line(start), Some(0));
        assert_eq!((log.line(start), log.line(start + INTERVAL / 2)), (None, None));
        assert_eq!(log.line(start + INTERVAL), Some(2));
        assert_eq!(log.line(start + 2 * INTERVAL), Some(0));
    }
}
