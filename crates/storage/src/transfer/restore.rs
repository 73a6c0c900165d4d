//! Checks a backup, and brings an empty database, and the files beside it, to what it holds.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::attachments::Attachments;
use super::draft::{Draft, make_folder};
use super::error::{Result, TransferError, file};
use super::fill::{Filler, compare};
use super::layout::Table;
use super::manifest::{Header, Manifest, Sum};
use super::mark::Mark;
use super::on_a_thread;
use super::package::{ATTACHMENTS, Content, Package, Visitor};
use super::snapshot::Migrations;
use super::target::{self, Plan};
use super::value::Row;
use super::watch::{Meter, Stage, Watch};
use crate::DatabaseUrl;
use crate::hex::hex;

/// Where a backup is restored to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// An empty database, or one in which the same restore was begun before.
    pub database: DatabaseUrl,
    /// Where attachments go; a folder is made if there are any.
    pub attachments: Attachments,
    /// The file of the server's keys. One that exists stays.
    pub keys: PathBuf,
    /// Whether to delete what an unfinished restore or copy has left in the database.
    pub restart: bool,
    /// Where revisions come from.
    pub migrations: Migrations,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// What became of the keys.
    pub keys: Keys,
}

/// What became of the server's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The backup holds none.
    NotInBackup,
    /// They were put in place.
    Restored,
    /// The same ones were there.
    Same,
    /// Other ones were there, and stay.
    OthersKept,
}

/// Reads a backup from end to end and holds it to its manifest. Nothing is changed.
///
/// # Errors
/// [`TransferError::Damaged`], which names what is wrong.
pub async fn verify(package: &Package, watch: &Watch) -> Result<Manifest> {
    let (package, watch) = (package.clone(), watch.clone());
    on_a_thread(move |_| check(&package, &watch)).await
}

/// Restores a backup. All of it is checked before anything is changed, and read back and compared at the end; the
/// database is at the backup's revision then, or, after an error, what it was before or marked as a part.
///
/// # Errors
/// If the backup is damaged or newer than this program, or the database holds rows or does not take them.
pub async fn restore(package: &Package, to: &Destination, watch: &Watch) -> Result<Restored> {
    let (package, to, watch) = (package.clone(), to.clone(), watch.clone());
    on_a_thread(move |runtime| carry_out(&package, &to, &watch, runtime)).await
}

fn check(package: &Package, watch: &Watch) -> Result<Manifest> {
    let mut checker = Checker(Meter::new(watch, Stage::Checking, None));
    package.read(&mut checker)
}

fn carry_out(package: &Package, to: &Destination, watch: &Watch, runtime: &Handle) -> Result<Restored> {
    let manifest = check(package, watch)?;
    let header = &manifest.header;
    let layout = to.migrations.layout_of(&header.revision)?.map_err(|known| {
        let reason = format!(
            "it is of revision {}, which this version of Sotto does not know ({known}): use the version that made \
             it ({}), or a newer one",
            header.revision, header.sotto
        );
        TransferError::damaged(package.name(), reason)
    })?;
    if layout != header.layout {
        let reason = format!("its tables are not those of its revision {}", header.revision);
        return Err(TransferError::damaged(package.name(), reason));
    }
    refuse_other_attachments(&manifest, &to.attachments, runtime)?;

    let mark = Mark { purpose: "restore", identity: identity(&manifest)?, source: package.name().to_owned() };
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
        filler: Filler::new(target.as_mut(), watch, Some(manifest.rows())),
        attachments: &to.attachments,
        runtime,
        keys: None,
    };
    if package.read(&mut restorer)? != manifest {
        return Err(TransferError::damaged(package.name(), "it was replaced while it was restored"));
    }
    restorer.filler.flush()?;
    let keys = restorer.keys;
    let expected: Vec<Sum> = manifest.tables.iter().map(|table| table.sum.clone()).collect();
    let advice = "The database is not to be trusted: look after its disk, and restore again with --restart";
    compare(target.as_mut(), &layout, &expected, watch, advice)?;
    let keys = keys.map_or(Ok(Keys::NotInBackup), |keys| put_keys(&keys, &to.keys))?;
    target.finish()?;
    Ok(Restored { manifest, keys })
}

/// Tells this backup from every other.
fn identity(manifest: &Manifest) -> Result<String> {
    let text = serde_json::to_vec(manifest).map_err(|error| TransferError::Refused(error.to_string()))?;
    Ok(hex(&Sha256::digest(text)))
}

/// Before anything is changed: a file of the same name and another content would have to be overwritten.
fn refuse_other_attachments(manifest: &Manifest, attachments: &Attachments, runtime: &Handle) -> Result<()> {
    for attachment in &manifest.attachments {
        let name = attachment.name.trim_start_matches(ATTACHMENTS);
        if attachments.holds(name, attachment, runtime)? == Some(false) {
            let path = attachments.path(name);
            let sentence = format!("{} exists and is not what the backup holds: move it away first", path.display());
            return Err(TransferError::Refused(sentence));
        }
    }
    Ok(())
}

fn put_keys(keys: &[u8], path: &Path) -> Result<Keys> {
    match fs::read(path) {
        Ok(there) if there == keys => Ok(Keys::Same),
        Ok(_) => Ok(Keys::OthersKept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                make_folder(folder)?;
            }
            let mut draft = Draft::create(path)?;
            draft.write_all(keys).map_err(file(path, "written"))?;
            draft.publish()?;
            Ok(Keys::Restored)
        }
        Err(error) => Err(file(path, "read")(error)),
    }
}

/// Looks, and changes nothing.
struct Checker<'w>(Meter<'w>);

impl Visitor for Checker<'_> {
    fn header(&mut self, _: &Header) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, table: &Table, _: Row, _: &[u8]) -> Result<()> {
        self.0.row(&table.name)
    }

    fn attachment(&mut self, name: &str, _: &mut Content<'_>) -> Result<()> {
        self.0.tell(name)
    }

    fn keys(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Puts everything in place.
struct Restorer<'r> {
    filler: Filler<'r>,
    attachments: &'r Attachments,
    runtime: &'r Handle,
    keys: Option<Vec<u8>>,
}

impl Visitor for Restorer<'_> {
    fn header(&mut self, _: &Header) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, table: &Table, row: Row, line: &[u8]) -> Result<()> {
        self.filler.row(table, row, line.len())
    }

    fn attachment(&mut self, name: &str, content: &mut Content<'_>) -> Result<()> {
        self.filler.flush()?;
        // One that is there was compared at the beginning.
        if self.attachments.has(name, self.runtime)? {
            return Ok(());
        }
        self.attachments.put(name, content, self.runtime)
    }

    fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.keys = Some(keys.to_vec());
        Ok(())
    }
}
