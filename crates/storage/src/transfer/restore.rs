//! Checks a backup, and brings an empty database, and the files beside it, to what it holds.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::draft::{Draft, make_folder};
use super::error::{Result, TransferError, file};
use super::fill::{Filler, compare};
use super::layout::Table;
use super::manifest::{FileSum, Header, Manifest, Sum};
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
    /// The folder of attachments; it is made if there are any.
    pub attachments: PathBuf,
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
    refuse_other_attachments(&manifest, &to.attachments)?;

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
fn refuse_other_attachments(manifest: &Manifest, folder: &Path) -> Result<()> {
    for attachment in &manifest.attachments {
        let path = folder.join(attachment.name.trim_start_matches(ATTACHMENTS));
        if path.exists() && !holds(&path, attachment)? {
            let sentence = format!("{} exists and is not what the backup holds: move it away first", path.display());
            return Err(TransferError::Refused(sentence));
        }
    }
    Ok(())
}

fn holds(path: &Path, sum: &FileSum) -> Result<bool> {
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut file = File::open(path).map_err(self::file(path, "read"))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(self::file(path, "read"))?;
        if count == 0 {
            return Ok(size == sum.size && hex(&hash.finalize()) == sum.sha256);
        }
        hash.update(&buffer[..count]);
        size += count as u64;
    }
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
    attachments: &'r Path,
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
        let path = self.attachments.join(name);
        // It was compared at the beginning.
        if path.exists() {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let mut draft = Draft::create(&path)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = content.read_some(&mut buffer)?;
            if count == 0 {
                return draft.publish();
            }
            draft.write_all(&buffer[..count]).map_err(file(&path, "written"))?;
        }
    }

    fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.keys = Some(keys.to_vec());
        Ok(())
    }
}
