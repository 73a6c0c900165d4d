//! Private PostgreSQL servers that tests can freeze, kill and restart.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sotto_storage::testing::wait_until_blocking;
use tempfile::TempDir;

/// A server in a separate folder, with `fsync` on. Stops when this value is dropped.
pub struct Cluster {
    folder: TempDir,
    port: u16,
}

impl Cluster {
    pub fn start() -> Self {
        let cluster = Self::new();
        cluster
            .run("initdb", &["--username=sotto", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        cluster.start_again();
        cluster
    }

    /// Adds a standby; from now on this server acknowledges nothing without it.
    pub fn with_standby(&self) -> Self {
        let standby = Self::new();
        let port = self.port.to_string();
        standby.run(
            "pg_basebackup",
            &["--host=127.0.0.1", "--port", &port, "--username=sotto", "--write-recovery-conf", "--checkpoint=fast"],
        );
        standby.start_again();
        self.psql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.psql("SELECT pg_reload_conf()");
        let count = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        wait_until_blocking("the standby is synchronous", || self.psql(count) == "1");
        standby
    }

    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        chown(folder.path(), Some(owner()), None).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port }
    }

    /// Starts the server, also after it was killed.
    pub fn start_again(&self) {
        // No socket in a folder, because its lock would outlive a kill, as `postmaster.pid` does.
        let options = format!("-c port={} -c listen_addresses=127.0.0.1 -c unix_socket_directories=", self.port);
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["--wait", "--silent", "--log", log.to_str().unwrap(), "--options", &options, "start"]);
    }

    /// Makes the standby accept writes.
    pub fn promote(&self) {
        self.run("pg_ctl", &["--wait", "--silent", "promote"]);
    }

    /// Creates a database with these options of `CREATE DATABASE`, and returns its address.
    pub fn database(&self, name: &str, options: &str) -> String {
        self.psql(&format!("CREATE DATABASE {name} {options}"));
        format!("postgres://sotto@{}/{name}", self.address())
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a statement and returns its output.
    pub fn psql(&self, sql: &str) -> String {
        let port = self.port.to_string();
        let arguments = ["--no-psqlrc", "-qAtX", "-h", "127.0.0.1", "-p", &port, "-U", "sotto", "-c", sql, "postgres"];
        let output = Command::new(program("psql")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Suspends every process of the server: connections stay open, the kernel accepts new ones, and none gets
    /// a response.
    pub fn freeze(&self) {
        signal("STOP", &children(self.stop_postmaster()));
    }

    /// The process that starts all others; suspended, it starts no more.
    fn stop_postmaster(&self) -> u32 {
        let postmaster = self.postmaster().expect("it runs");
        signal("STOP", &[postmaster]);
        wait_until_blocking("the postmaster is suspended", || {
            state_and_parent(postmaster).is_none_or(|(state, _)| state == "T")
        });
        postmaster
    }

    /// Resumes a frozen server.
    pub fn thaw(&self) {
        let postmaster = self.postmaster().expect("it runs");
        signal("CONT", &children(postmaster));
        signal("CONT", &[postmaster]);
    }

    /// Kills every process of the server at once.
    pub fn kill(&self) {
        let postmaster = self.stop_postmaster();
        let children = children(postmaster);
        signal("KILL", &children);
        signal("KILL", &[postmaster]);
        let processes = [children, vec![postmaster]].concat();
        wait_until_blocking("the killed server has ended", || !processes.iter().any(|process| is_running(*process)));
        // In a container the dead process may never be reaped. Then its number stays in use, and it is mistaken for a
        // running server.
        fs::remove_file(self.data().join("postmaster.pid")).unwrap();
    }

    /// Kills the process of one connection of Sotto's. The server then ends all others and recovers by itself.
    pub fn kill_one_connection(&self) {
        let found = self.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'sotto' LIMIT 1");
        signal("KILL", &[found.parse().unwrap()]);
    }

    fn postmaster(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a PostgreSQL program on the server's data, as its owner.
    fn run(&self, name: &str, arguments: &[&str]) {
        // A file, because the server inherits it: a pipe would never be closed.
        let output = self.folder.path().join("output");
        let file = fs::File::create(&output).unwrap();
        let mut command = Command::new(program(name));
        command.arg("--pgdata").arg(self.data()).args(arguments).current_dir(self.folder.path());
        command.uid(owner()).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let done = command.status().unwrap();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(done.success(), "{name}: {}{log}", fs::read_to_string(output).unwrap());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(postmaster) = self.postmaster() else { return };
        let processes = [children(postmaster), vec![postmaster]].concat();
        let ids = processes.iter().map(ToString::to_string);
        let _ = Command::new("kill").args(["-s", "KILL"]).args(ids).stderr(Stdio::null()).status();
        // A second panic would end all tests of the program.
        if !std::thread::panicking() {
            let ended = || !processes.iter().any(|process| is_running(*process));
            wait_until_blocking("the killed server has ended", ended);
        }
    }
}

/// The user who runs PostgreSQL, which refuses to run as root: then `postgres`, or `nobody`.
pub fn owner() -> u32 {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    match id(&["-u"]) {
        Some(0) => id(&["-u", "postgres"]).or_else(|| id(&["-u", "nobody"])).unwrap(),
        own => own.unwrap(),
    }
}

fn program(name: &str) -> PathBuf {
    let own = std::env::var_os("SOTTO_POSTGRES_BIN").map(PathBuf::from);
    // `scripts/with-postgres` adds the programs of its own server to the path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.map(|folder| folder.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let folders = own.into_iter().chain(std::env::split_paths(&path)).chain(versions.into_iter().rev());
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} of PostgreSQL is needed: `scripts/tools postgres` installs it"))
}

fn signal(name: &str, processes: &[u32]) {
    if !processes.is_empty() {
        let ids = processes.iter().map(ToString::to_string);
        // One of them may have ended by itself.
        let _ = Command::new("kill").args(["-s", name]).args(ids).stderr(Stdio::null()).status().unwrap();
    }
}

/// The state and the parent of a process (proc(5), `/proc/pid/stat`).
fn state_and_parent(process: u32) -> Option<(String, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn is_running(process: u32) -> bool {
    state_and_parent(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|item| item.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| state_and_parent(*process).is_some_and(|(_, of)| of == parent)).collect()
}
