//! File systems that tests mount, which requires root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;

/// A mounted file system. It is unmounted when this value is dropped, also after a panic.
pub struct Disk {
    pub place: PathBuf,
}

impl Disk {
    /// A file system in memory of this size.
    pub fn in_memory(place: PathBuf, bytes: u64) -> Self {
        fs::create_dir_all(&place).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs", text(&place)]);
        Self { place }
    }

    /// An ext4 file system in a file.
    pub fn ext4(image: &Path, place: PathBuf) -> Self {
        fs::create_dir_all(&place).unwrap();
        if !image.exists() {
            File::create(image).unwrap().set_len(32 * MIB).unwrap();
            run("mkfs.ext4", &["-q", text(image)]);
        }
        run("mount", &["-o", "loop", text(image), text(&place)]);
        Self { place }
    }

    /// Uses all free space.
    pub fn fill_up(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for length in [1 << 16, 1 << 12, 1] {
            let piece = vec![b'.'; length];
            // A running server frees some space at times, so the free space is not assumed to be constant.
            while file.write_all(&piece).is_ok() {}
        }
        // A file system in memory counts the last pages only when they are used.
        let _ = file.sync_all();
    }

    /// Frees the space again.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    pub fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }

    /// Makes an ext4 read-only as the kernel does after a disk error, even with files open for writing.
    pub fn abort(&self) {
        run("mount", &["-o", "remount,abort", text(&self.place)]);
    }

    /// Remounts the file system with these options. To become read-only, no file may be open for writing.
    pub fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), text(&self.place)]);
    }

    pub fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.place).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "ballast" && name != ".journal.db.lock").collect();
        names.sort();
        names
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let place = text(&self.place);
        if !Command::new("umount").arg(place).status().is_ok_and(|done| done.success()) {
            // After a panic, files may still be open.
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
