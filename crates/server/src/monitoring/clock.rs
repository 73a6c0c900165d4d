//! Watches the machine's clock: whether it was set, and how far it differs from the database's clock.
//!
//! Wrong clocks do no lasting harm (ADR 15). But while the clock is doubtful nothing is deleted because of its age, and
//! an alert is raised.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::storage::{self, Storage};
use sotto_domain::{Clock, Timestamp};

/// Smaller differences, in seconds, are not reported. NTP keeps machines closer than this.
const REPORTED_SECONDS: f64 = 5.0;
/// After the clock was set, it is doubtful for this long.
const DOUBT_PERIOD: Duration = Duration::from_hours(1);
/// Shortest time between two log lines about the same difference.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// 2026-01-01T00:00:00Z, in microseconds since 1970. The program is younger, so an earlier time is wrong.
const OLDEST_MICROS: i64 = 1_767_225_600_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClockHealth {
    /// Seconds by which the clock was set within the last hour; negative if it was set back. A suspended machine looks
    /// as if its clock was set forward.
    pub set_by: Option<f64>,
    /// Seconds that the clock is ahead of the database's clock; negative if it is behind. `None` if the database uses
    /// the same clock.
    pub ahead_of_database: Option<f64>,
    /// Seconds that the clock is behind the clock of another server that has signed a token within the last hour.
    pub behind_others: Option<f64>,
    /// Whether the clock shows a time before this program was made.
    pub is_implausible: bool,
}

impl ClockHealth {
    /// One sentence for each problem.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.is_implausible {
            problems.push(
                "The clock shows a time before this program was made: set it, and keep it right with NTP.".to_owned(),
            );
        }
        if let Some(by) = self.set_by {
            let direction = if by > 0.0 { "forward" } else { "back" };
            let by = by.abs();
            problems.push(format!(
                "The clock was set {direction} by {by:.0} seconds within the last hour, or the machine slept."
            ));
        }
        if let Some(ahead) = self.ahead_of_database.filter(|ahead| ahead.abs() > REPORTED_SECONDS) {
            let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
            let by = ahead.abs();
            problems.push(format!(
                "The clock is {by:.0} seconds {direction} that of the database's server: keep both right with NTP."
            ));
        }
        if let Some(behind) = self.behind_others {
            problems.push(format!(
                "The clock is {behind:.0} seconds behind that of another server, which has signed a token: keep both \
                 right with NTP."
            ));
        }
        problems
    }

    /// The largest difference, in seconds.
    pub fn seconds(&self) -> f64 {
        let all = [self.set_by, self.ahead_of_database, self.behind_others];
        all.into_iter().flatten().fold(0.0, |largest, one| largest.max(one.abs()))
    }

    /// Whether ages cannot be trusted, so that nothing may be deleted because of its age.
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    pub fn is_doubtful(&self) -> bool {
        let far = |ahead: f64| ahead.abs() > CLOCK_TOLERANCE as f64;
        self.is_implausible || self.set_by.is_some() || self.ahead_of_database.is_some_and(far)
    }
}

/// Compares the clock with the database's clock once. Only a [`ClockMonitor`] notices that the clock was set.
///
/// # Errors
/// If the database does not respond.
pub async fn examine(clock: &dyn Clock, storage: &dyn Storage) -> storage::Result<ClockHealth> {
    let ahead_of_database = ahead_of_database(clock, storage).await?;
    Ok(ClockHealth { ahead_of_database, is_implausible: is_implausible(clock.now()), ..ClockHealth::default() })
}

/// Compares the clock with earlier readings.
#[derive(Default)]
pub struct ClockMonitor(Mutex<State>);

#[derive(Default)]
struct State {
    /// The clock and the uptime at the last check.
    last: Option<(Timestamp, Duration)>,
    set: Option<(f64, Duration)>,
    ahead_of_database: Option<f64>,
    behind_others: Option<(f64, Duration)>,
    logged_ahead: Option<Duration>,
    logged_token: Option<Duration>,
}

impl ClockMonitor {
    /// Checks whether the clock was set since the last check, and how far it differs from the database's clock.
    ///
    /// # Errors
    /// If the database does not respond. Whether the clock was set is known nevertheless.
    pub async fn check(&self, clock: &dyn Clock, storage: &dyn Storage) -> storage::Result<()> {
        if let Some(by) = self.detect_change(clock) {
            counter!("sotto_clock_sets_total").increment(1);
            tracing::warn!(
                seconds = by,
                "the clock was set, or the machine slept; nothing is deleted because of its age for an hour"
            );
        }
        let ahead = ahead_of_database(clock, storage).await?;
        let mut state = self.state();
        state.ahead_of_database = ahead;
        let Some(ahead) = ahead else { return Ok(()) };
        if ahead.abs() > REPORTED_SECONDS && may_log(&mut state.logged_ahead, clock.uptime()) {
            tracing::warn!(seconds = ahead, "the clock differs from the database's clock; negative if it is behind");
        }
        Ok(())
    }

    /// Notes a token of another server whose clock is this many seconds ahead.
    pub fn note_token_ahead(&self, seconds: f64, clock: &dyn Clock) {
        counter!("sotto_tokens_from_the_future_total").increment(1);
        let mut state = self.state();
        state.behind_others = Some((seconds, clock.uptime()));
        if may_log(&mut state.logged_token, clock.uptime()) {
            tracing::warn!(
                seconds,
                "an access token was refused: it was signed by a clock that is ahead of this one by more than \
                 {CLOCK_TOLERANCE} seconds, so the clock of another server or of this one is wrong, or this one was set back"
            );
        }
    }

    pub fn health(&self, clock: &dyn Clock) -> ClockHealth {
        let (state, uptime) = (self.state(), clock.uptime());
        let recent = |noted: Option<(f64, Duration)>| {
            noted.filter(|(_, at)| uptime.saturating_sub(*at) < DOUBT_PERIOD).map(|(seconds, _)| seconds)
        };
        ClockHealth {
            set_by: recent(state.set),
            ahead_of_database: state.ahead_of_database,
            behind_others: recent(state.behind_others),
            is_implausible: is_implausible(clock.now()),
        }
    }

    /// Seconds by which the clock was set since the last check, if it was.
    fn detect_change(&self, clock: &dyn Clock) -> Option<f64> {
        let (now, uptime) = (clock.now(), clock.uptime());
        let mut state = self.state();
        let (before, uptime_before) = state.last.replace((now, uptime))?;
        let by = now.seconds_since(before) - uptime.saturating_sub(uptime_before).as_secs_f64();
        if by.abs() <= REPORTED_SECONDS {
            return None;
        }
        state.set = Some((by, uptime));
        Some(by)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message that was last logged at `last` may be logged again.
fn may_log(last: &mut Option<Duration>, uptime: Duration) -> bool {
    let may = last.is_none_or(|last| uptime.saturating_sub(last) >= LOG_EVERY);
    if may {
        *last = Some(uptime);
    }
    may
}

/// Seconds that the clock is ahead of the database's clock. A difference within the duration of the query counts as
/// none.
async fn ahead_of_database(clock: &dyn Clock, storage: &dyn Storage) -> storage::Result<Option<f64>> {
    let (now, before) = (clock.now(), clock.uptime());
    let Some(database) = storage.health().clock().await? else { return Ok(None) };
    // The database has read its clock at an unknown moment between request and response.
    let error = clock.uptime().saturating_sub(before).as_secs_f64() / 2.0;
    let ahead = now.seconds_since(database) + error;
    Ok(Some(if ahead.abs() <= error { 0.0 } else { ahead }))
}

fn is_implausible(now: Timestamp) -> bool {
    now.as_micros() < OLDEST_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock for tests, which changes only by calls.
    #[derive(Default)]
    struct Hands(Mutex<(i64, u64)>);

    impl Hands {
        fn pass(&self, seconds: u64) {
            let mut hands = self.0.lock().unwrap();
            *hands = (hands.0 + i64::try_from(seconds).unwrap(), hands.1 + seconds);
        }

        fn set(&self, by: i64) {
            self.0.lock().unwrap().0 += by;
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(OLDEST_MICROS).unwrap().plus_seconds(self.0.lock().unwrap().0)
        }

        fn uptime(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }
    }

    #[test]
    fn a_clock_change_in_either_direction_is_doubted_for_an_hour() {
        for by in [6, -6, 86_400, -3600, 315_360_000] {
            let (hands, watch) = (Hands::default(), ClockMonitor::default());
            hands.set(1_000_000);
            assert_eq!(watch.detect_change(&hands), None);
            hands.pass(60);
            assert_eq!(watch.detect_change(&hands), None);
            hands.set(by);
            hands.pass(60);
            let seen = watch.detect_change(&hands).unwrap();
            assert!((seen - f64::from(i32::try_from(by).unwrap())).abs() < 0.01, "{seen}");
            hands.pass(3599);
            assert_eq!(watch.detect_change(&hands), None);
            assert!(watch.health(&hands).is_doubtful() && watch.health(&hands).problems().len() == 1);
            hands.pass(1);
            assert_eq!(watch.health(&hands), ClockHealth::default());
            assert!(!watch.health(&hands).is_doubtful() && watch.health(&hands).problems().is_empty());
        }
    }

    #[test]
    fn a_clock_before_the_release_is_doubted() {
        let hands = Hands::default();
        assert!(!ClockMonitor::default().health(&hands).is_doubtful());
        hands.set(-1);
        let health = ClockMonitor::default().health(&hands);
        assert!(health.is_doubtful() && health.problems()[0].contains("before this program"));
    }

    #[test]
    fn another_servers_clock_is_logged_once_a_minute() {
        let (hands, watch) = (Hands::default(), ClockMonitor::default());
        watch.note_token_ahead(960.0, &hands);
        let may_log = |uptime| may_log(&mut watch.state().logged_token, uptime);
        assert!(!may_log(Duration::from_secs(59)) && may_log(Duration::from_mins(1)));
        assert!(watch.health(&hands).problems()[0].contains("960 seconds behind"));
        hands.pass(3600);
        assert!(watch.health(&hands).problems().is_empty());
    }

    #[test]
    fn a_clock_difference_is_a_problem_after_seconds_and_doubted_after_two_minutes() {
        let health = |ahead| ClockHealth { ahead_of_database: Some(ahead), ..ClockHealth::default() };
        for (ahead, problems, doubtful) in [(4.0, 0, false), (-6.0, 1, false), (119.0, 1, false), (-121.0, 1, true)] {
            let health = health(ahead);
            assert_eq!((health.problems().len(), health.is_doubtful()), (problems, doubtful), "{ahead}");
        }
        assert!(health(-6.0).problems()[0].contains("behind") && health(6.0).problems()[0].contains("ahead of"));
        assert!((health(-6.0).seconds() - 6.0).abs() < 1e-9);
    }
}
