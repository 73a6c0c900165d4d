//! A progress bar for commands that take long.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sotto_storage::transfer::{Observer, Progress, Stage};

/// Creates an observer that moves a bar on standard error. The bar is invisible without a terminal, and if `quiet`.
pub fn show(quiet: bool) -> (Observer, ProgressBar) {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.enable_steady_tick(Duration::from_millis(200));
    let moved = bar.clone();
    let observer = Observer::new(move |progress: Progress<'_>| {
        let doing = match progress.stage {
            Stage::Reading => "Reading",
            Stage::Checking => "Checking",
            Stage::Writing => "Writing",
            Stage::Comparing => "Comparing",
        };
        let template = match progress.total {
            Some(total) => {
                moved.set_length(total);
                "{prefix:9} [{bar:30}] {pos} of {len} rows  {wide_msg}"
            }
            None => "{prefix:9} {spinner} {pos} rows  {wide_msg}",
        };
        if moved.prefix() != doing {
            // Only a mistake in the two templates above would make this fail.
            moved.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            moved.set_prefix(doing);
        }
        moved.set_position(progress.done);
        moved.set_message(progress.what.to_owned());
    });
    (observer, bar)
}
