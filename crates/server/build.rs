//! Embeds a new build of the web app: cargo does not see a file that appears in a folder read by a macro.

use std::path::Path;

fn main() {
    // To cargo, a path that is not there has always changed. The folder above it tells as well when a build appears.
    let built = Path::new("../../web/dist");
    let watched = if built.is_dir() { "../../web/dist" } else { "../../web" };
    println!("cargo::rerun-if-changed={watched}");
}
