//! Verifies a backup, and restores it into an empty database with its attachments and keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sotto_domain::StoreId;
use sotto_domain::attachment_store::is_bookkeeping;
use sotto_files::{Draft, make_folder};
use tokio::runtime::Handle;

use super::attachments::Attachments;
use super::batches::{BatchWriter, compare};
use super::comparison::{Gap, Problem};
use super::error::{Result, TransferError, file};
use super::layout::Table;
use super::manifest::{Header, Manifest, Sum};
use super::on_a_thread;
use super::package::limits;
use super::package::{ATTACHMENTS, Content, Package, Visitor};
use super::progress::{Meter, Observer, Stage};
use super::snapshot::Migrations;
use super::target::{self, Plan};
use super::unfinished::UnfinishedMark;
use super::value::Row;
use super::verify::check_as_server;
use crate::DatabaseUrl;
use crate::hex::hex;

/// Where a backup is restored to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// An empty database, or one with an unfinished part of the same restore.
    pub database: DatabaseUrl,
    /// The location of attachments. A missing folder is created if there are attachments.
    pub attachments: Attachments,
    /// The key file. An existing one is kept.
    pub keys: PathBuf,
    /// Checks the keys in a backup before anything is changed; the error is a clause without the keys.
    pub check_keys: KeyCheck,
    /// The store identity of the database, if it already uses an attachment store.
    pub identity: Option<StoreId>,
    /// Whether attachments may be written to a store that belongs to another database, which loses it.
    pub adopt: bool,
    /// Whether to delete the part that an unfinished restore or copy has left in the database.
    pub restart: bool,
    /// The known revisions.
    pub migrations: Migrations,
}

/// The result of a restore.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The manifest of the backup.
    pub manifest: Manifest,
    pub keys: KeysOutcome,
    /// Whether the store belonged to another database, and was used because that was allowed or because it was empty.
    pub is_foreign: bool,
    /// Attachments that rows name, and that are neither in the backup nor in the store.
    pub missing: Vec<Gap>,
}

/// What happened to the server's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysOutcome {
    /// The backup contains no keys.
    NotInBackup,
    /// The keys were written.
    Restored,
    /// The same keys existed.
    Same,
    /// Other keys existed and were kept.
    OthersKept,
}

/// Reads a backup from start to end and checks it against its manifest. Changes nothing.
///
/// # Errors
/// [`TransferError::Damaged`], which names the damage.
pub async fn verify(package: &Package, observer: &Observer) -> Result<Manifest> {
    let (package, observer) = (package.clone(), observer.clone());
    on_a_thread(move |_| check(&package, None, &observer)).await
}

/// Restores a backup. The whole backup is checked before anything is changed. At the end the rows are read back and
/// compared, and the database is opened as a server opens it. The database is at the backup's revision then. After an
/// error it is unchanged, or marked as unfinished.
///
/// # Errors
/// If the backup is damaged or newer than this program, or the database contains rows or cannot be written.
pub async fn restore(package: &Package, to: &Destination, observer: &Observer) -> Result<Restored> {
    let (package, to, observer) = (package.clone(), to.clone(), observer.clone());
    on_a_thread(move |runtime| carry_out(&package, &to, &observer, runtime)).await
}

fn check(package: &Package, check_keys: Option<KeyCheck>, observer: &Observer) -> Result<Manifest> {
    let name = package.name();
    package.read(&mut Checker { name, check_keys, meter: Meter::new(observer, Stage::Checking, None) })
}

fn carry_out(package: &Package, to: &Destination, observer: &Observer, runtime: &Handle) -> Result<Restored> {
    let manifest = check(package, Some(to.check_keys), observer)?;
    let header = &manifest.header;
    let layout = to.migrations.layout_of(&header.revision)?.map_err(|known| {
        let reason = format!(
            "it is of revision {}, which this version of Sotto does not know ({known}): use the version that made it \
             ({}), or a newer one",
            header.revision, header.sotto
        );
        TransferError::damaged(package.name(), reason)
    })?;
    if layout != header.layout {
        let reason = format!("its tables are not those of its revision {}", header.revision);
        return Err(TransferError::damaged(package.name(), reason));
    }
    let is_foreign = refuse_foreign_store(&manifest, to, runtime)?;
    refuse_other_attachments(&manifest, &to.attachments, runtime)?;

    let mark = UnfinishedMark { purpose: "restore", identity: identity(&manifest)?, source: package.name().to_owned() };
    let plan = Plan {
        migrations: &to.migrations,
        revision: &header.revision,
        layout: &layout,
        mark,
        restart: to.restart,
        runtime,
    };
    let mut target = target::open(&to.database, &plan)?;
    let mut restorer = Restorer {
        writer: BatchWriter::new(target.as_mut(), observer, Some(manifest.rows())),
        attachments: &to.attachments,
        runtime,
        keys: None,
    };
    if package.read(&mut restorer)? != manifest {
        return Err(TransferError::damaged(package.name(), "it was replaced while it was restored"));
    }
    restorer.writer.flush()?;
    let keys = restorer.keys;
    let expected: Vec<Sum> = manifest.tables.iter().map(|table| table.sum.clone()).collect();
    let advice = "Do not use the database: check its disk, and restore again with --restart";
    compare(target.as_mut(), &layout, &expected, observer, advice)?;
    let keys = keys.map_or(Ok(KeysOutcome::NotInBackup), |keys| write_keys(&keys, &to.keys))?;
    target.finish()?;
    check_as_server(&to.database, &layout, &expected, runtime)?;
    let missing = missing(&manifest, &to.attachments, runtime)?;
    Ok(Restored { manifest, keys, is_foreign, missing })
}

/// Identifies this backup.
fn identity(manifest: &Manifest) -> Result<String> {
    let text = serde_json::to_vec(manifest).map_err(|error| TransferError::Refused(error.to_string()))?;
    Ok(hex(&Sha256::digest(text)))
}

/// Refuses a store that another database uses, before anything is changed: it would receive attachments that its owner
/// does not know, and a server on the restored database would take it over. Returns true for such a store if it may be
/// taken over.
fn refuse_foreign_store(manifest: &Manifest, to: &Destination, runtime: &Handle) -> Result<bool> {
    if to.adopt {
        return Ok(true);
    }
    let remedy = "If that database is still in use, choose another store with SOTTO_ATTACHMENTS (--attachments). If \
                  this database replaces it, add --adopt";
    let place = to.attachments.path("");
    match to.attachments.read_mark(runtime)? {
        Some(mark) if Some(mark.id) == to.identity => Ok(false),
        // An empty store has nothing that the other database could lose.
        Some(_) if to.attachments.places(|_| true, runtime)?.is_empty() => Ok(true),
        Some(_) => Err(TransferError::Refused(format!(
            "the store of attachments {} belongs to another database. {remedy}",
            place.display()
        ))),
        None => {
            // Attachments that an interrupted restore has left are in the backup as well.
            let ours = |name: &String| {
                let ours = manifest.attachments.iter();
                ours.map(|file| file.name.trim_start_matches(ATTACHMENTS)).any(|known| known == name)
            };
            let names = to.attachments.names(runtime)?;
            match names.iter().filter(|name| !ours(name)).count() {
                0 => Ok(false),
                others => Err(TransferError::Refused(format!(
                    "the store of attachments {} holds {others} that are not in the backup, so it may belong to \
                     another database. {remedy}",
                    place.display()
                ))),
            }
        }
    }
}

/// The attachments that are missing or different in the backup, and missing in the store.
fn missing(manifest: &Manifest, attachments: &Attachments, runtime: &Handle) -> Result<Vec<Gap>> {
    let mut missing = Vec::new();
    for gap in &manifest.gaps {
        if attachments.length(&gap.name, runtime)?.is_none() || gap.problem != Problem::Missing {
            missing.push(gap.clone());
        }
    }
    Ok(missing)
}

/// Refuses a store with a different file of the same name, before anything is changed: it would have to be overwritten.
fn refuse_other_attachments(manifest: &Manifest, attachments: &Attachments, runtime: &Handle) -> Result<()> {
    for attachment in &manifest.attachments {
        let name = attachment.name.trim_start_matches(ATTACHMENTS);
        if is_bookkeeping(name) {
            continue;
        }
        let found = attachments.sum(name, runtime)?;
        if found.is_some_and(|found| found.size != attachment.size || found.sha256 != attachment.sha256) {
            let path = attachments.path(name);
            let sentence =
                format!("{} exists and differs from the file in the backup: move it away first", path.display());
            return Err(TransferError::Refused(sentence));
        }
    }
    Ok(())
}

fn write_keys(keys: &[u8], path: &Path) -> Result<KeysOutcome> {
    match fs::read(path) {
        Ok(there) if there == keys => Ok(KeysOutcome::Same),
        Ok(_) => Ok(KeysOutcome::OthersKept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                make_folder(folder)?;
            }
            Draft::create(path)?.publish_with(keys)?;
            Ok(KeysOutcome::Restored)
        }
        Err(error) => Err(file(path, "read")(error)),
    }
}

/// Says what is wrong with the contents of a key file, as a clause without the keys.
pub type KeyCheck = fn(&[u8]) -> std::result::Result<(), String>;

/// Checks a backup without changing anything.
struct Checker<'w> {
    /// The backup's name in errors.
    name: &'w str,
    check_keys: Option<KeyCheck>,
    meter: Meter<'w>,
}

impl Visitor for Checker<'_> {
    fn header(&mut self, _: &Header) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, table: &Table, _: Row, _: &[u8]) -> Result<()> {
        self.meter.row(&table.name)
    }

    fn attachment(&mut self, name: &str, _: &mut Content<'_>) -> Result<()> {
        self.meter.report(name)
    }

    fn keys(&mut self, keys: &[u8]) -> Result<()> {
        limits::check_keys(keys, self.check_keys).map_err(|reason| TransferError::damaged(self.name, reason))
    }
}

/// Writes rows, attachments and keys.
struct Restorer<'r> {
    writer: BatchWriter<'r>,
    attachments: &'r Attachments,
    runtime: &'r Handle,
    keys: Option<Vec<u8>>,
}

impl Visitor for Restorer<'_> {
    fn header(&mut self, _: &Header) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, table: &Table, row: Row, line: &[u8]) -> Result<()> {
        self.writer.row(table, row, line.len())
    }

    fn attachment(&mut self, name: &str, content: &mut Content<'_>) -> Result<()> {
        self.writer.flush()?;
        // An older version backed up the store's own files as attachments. They are valid for the old store only.
        if is_bookkeeping(name) {
            return Ok(());
        }
        // An existing attachment was compared at the start.
        if self.attachments.length(name, self.runtime)?.is_some() {
            return Ok(());
        }
        self.attachments.put(name, content, self.runtime)
    }

    fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.keys = Some(keys.to_vec());
        Ok(())
    }
}
