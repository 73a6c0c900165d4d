//! Embeds new migrations: cargo does not see a file that appears in a folder read by a macro.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
