//! A bar on the terminal for what takes a while.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sotto_storage::transfer::{Progress, Stage, Watch};

/// A watch that moves a bar on standard error. Without a terminal, or if the answer is for a machine, none is seen.
pub fn show(quiet: bool) -> (Watch, ProgressBar) {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.enable_steady_tick(Duration::from_millis(200));
    let moved = bar.clone();
    let watch = Watch::new(move |progress: Progress<'_>| {
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
            // A template that cannot be read would be a slip in the two lines above.
            moved.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            moved.set_prefix(doing);
        }
        moved.set_position(progress.done);
        moved.set_message(progress.what.to_owned());
    });
    (watch, bar)
}
