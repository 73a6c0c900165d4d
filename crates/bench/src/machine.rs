//! Describes the machine of a measurement, without its name and without paths.

use std::fmt;
use std::path::Path;

/// The properties of a machine that affect speed.
pub struct Machine {
    processor: String,
    cores: usize,
    memory: u64,
    kernel: String,
    file_system: String,
}

impl Machine {
    /// This machine, with the file system of `folder`.
    pub fn describe(folder: &Path) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let kibibytes = field(&meminfo, "MemTotal").and_then(|value| value.strip_suffix(" kB")?.parse::<u64>().ok());
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown processor").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory: kibibytes.unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo"), folder).unwrap_or_else(|| "unknown".into()),
        }
    }

    /// Whether the file system is in memory, so that durable writes cost nothing.
    pub fn writes_to_memory(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory, kernel, file_system } = self;
        let gibibytes = *memory as f64 / f64::from(1 << 30);
        write!(f, "{processor}, {cores} cores, {gibibytes:.0} GiB memory, Linux {kernel}, {file_system}")
    }
}

/// The value of a line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim());
    text.lines().find_map(value)
}

/// The type of the file system of a folder (proc(5), `/proc/PID/mountinfo`).
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        folder.starts_with(point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default().to_owned()))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      30 22 0:26 / /tmp rw shared:5 - tmpfs tmpfs rw\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")).as_deref(), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpfile")).as_deref(), Some("ext4"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn a_field_is_found_by_its_complete_name() {
        assert_eq!(field("model\t\t: 85\nmodel name\t: Fast CPU\n", "model name"), Some("Fast CPU"));
        assert_eq!(field("model name\t: Fast CPU\n", "model"), None);
    }
}
