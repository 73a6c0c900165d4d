//! Runs the measured servers as processes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::Result;
use crate::database::Database;
use crate::http;

/// How long a server may take to start or stop before the run is given up.
const START_OR_STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// A running server. It is killed when this value is dropped.
pub struct Server {
    child: Child,
    log: NamedTempFile,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// From the start of the process to the first good response.
    pub start_time: Duration,
}

/// Memory of a process in bytes (proc(5), `/proc/PID/status`).
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident memory: `VmRSS`.
    pub resident: u64,
    /// Resident memory without pages of files, such as the database's: `RssAnon`.
    pub private: u64,
    /// The peak of the resident memory since the start: `VmHWM`.
    pub peak: u64,
}

impl Server {
    /// Starts `sotto serve` on a database, with an up-to-date schema and no other settings than these.
    ///
    /// # Errors
    /// If the process ends, or does not respond within a minute; with the end of its log.
    pub async fn sotto(binary: &Path, database: &Database) -> Result<Self> {
        Self::sotto_with(binary, database, &[("SOTTO_RATE_LIMITS", "off")]).await
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// As for [`Self::sotto`].
    pub async fn sotto_with(binary: &Path, database: &Database, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .current_dir(database.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SOTTO_DATA_DIR", database.folder())
            .env("SOTTO_DATABASE", database.url())
            .env("SOTTO_REGISTRATION", "open")
            .env("SOTTO_AUTO_UPGRADE", "true")
            .envs(settings.iter().copied());
        Self::start(command).await
    }

    /// Starts a server that reads its address from `SOTTO_LISTEN`, and waits until `/health/live` responds with 200.
    ///
    /// # Errors
    /// As for [`Self::sotto`].
    pub async fn start(mut command: Command) -> Result<Self> {
        tokio::task::spawn_blocking(move || {
            let address = free_address()?;
            let log = NamedTempFile::with_prefix("sotto-bench-log.")?;
            command.env("SOTTO_LISTEN", address.to_string()).stdin(Stdio::null());
            command.stdout(log.reopen()?).stderr(log.reopen()?);
            let began = Instant::now();
            let child = command.spawn().map_err(|error| format!("cannot start the server: {error}"))?;
            let mut server = Self { child, log, address, start_time: Duration::ZERO };
            while !server.is_live() {
                if let Some(status) = server.child.try_wait()? {
                    return Err(server.failure_with_log(&format!("the server ended ({status}) instead of starting")));
                }
                if began.elapsed() > START_OR_STOP_TIMEOUT {
                    return Err(server.failure_with_log("the server does not respond"));
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            server.start_time = began.elapsed();
            Ok(server)
        })
        .await?
    }

    /// The memory of the process.
    ///
    /// # Errors
    /// If it has ended.
    pub fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kibibytes.map(|count| count * 1024).ok_or_else(|| format!("the server has no {name}: it has ended"))
        };
        Ok(Memory { resident: field("VmRSS")?, private: field("RssAnon")?, peak: field("VmHWM")? })
    }

    /// The number of open files and connections of the process (proc(5), `/proc/PID/fd`).
    ///
    /// # Errors
    /// If it has ended.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// The processor time of the process (proc(5), `/proc/PID/stat`), to within 20 ms.
    ///
    /// # Errors
    /// If it has ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name, which may contain spaces; the fields after it are counted from 3.
        let (_, fields) = stat.rsplit_once(')').ok_or("the server has ended")?;
        let field = |number: usize| fields.split_whitespace().nth(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)
            .zip(field(15))
            .map(|(user, system)| user + system)
            .ok_or("the kernel reports no processor time")?;
        // USER_HZ is 100 on every Linux that Rust supports.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Stops the server with SIGTERM, and waits until it has ended.
    ///
    /// # Errors
    /// If it ends with an error, or not within a minute.
    pub async fn stop(mut self) -> Result<()> {
        tokio::task::spawn_blocking(move || {
            Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
            let asked = Instant::now();
            loop {
                match self.child.try_wait()? {
                    Some(status) if status.success() => return Ok(()),
                    Some(status) => return Err(self.failure_with_log(&format!("the server ended badly ({status})"))),
                    None if asked.elapsed() > START_OR_STOP_TIMEOUT => {
                        return Err(self.failure_with_log("the server does not stop"));
                    }
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        })
        .await?
    }

    fn is_live(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(START_OR_STOP_TIMEOUT))?;
            stream.write_all(&http::render("GET", "/health/live", None, None))?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            Ok(status == *b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }

    /// An error with the last lines of the log.
    fn failure_with_log(&self, what: &str) -> crate::Failure {
        let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        format!("{what}\n{}", lines[lines.len().saturating_sub(20)..].join("\n")).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if the process has already ended, which does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An unused loopback address.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_fails_to_start_is_reported_with_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no room >&2; exit 3"]);
        let error = Server::start(command).await.err().unwrap().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no room"), "{error}");
    }
}
