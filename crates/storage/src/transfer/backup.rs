//! Writes what a database holds, and the files that belong to it, to a backup.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use tokio::runtime::Handle;

use super::attachments::Attachments;
use super::draft::Draft;
use super::error::{Result, file};
use super::manifest::{FORMAT, Header, Manifest};
use super::on_a_thread;
use super::package::archive::ArchiveWriter;
use super::package::folder::FolderWriter;
use super::package::{Members, PackageWriter};
use super::snapshot::Migrations;
use super::watch::{Meter, Stage, Watch};
use crate::DatabaseUrl;

/// What goes into a backup beside the rows.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Where attachments are.
    pub attachments: Option<Attachments>,
    /// The file with the server's keys. They are secret: whoever has them can sign in as anybody.
    pub keys: Option<PathBuf>,
    /// When the backup is made.
    pub created_at: Timestamp,
    /// Where revisions come from.
    pub migrations: Migrations,
}

impl Contents {
    /// The rows alone.
    pub fn rows(created_at: Timestamp) -> Self {
        Self { attachments: None, keys: None, created_at, migrations: Migrations::default() }
    }
}

/// Backs a database up to an archive at `target`, at whatever revision it is, while others go on using it. The file
/// appears under its name when it is whole and on the disk; only its owner may read it.
///
/// # Errors
/// If the name is taken, something cannot be read, or the disk does not take it. Then nothing is left.
pub async fn backup(url: &DatabaseUrl, target: &Path, contents: &Contents, watch: &Watch) -> Result<Manifest> {
    let draft = Draft::create(target)?;
    let (manifest, draft) = backup_into(url, draft, target, contents, watch).await?;
    draft.publish()?;
    Ok(manifest)
}

/// The same, to whatever takes bytes, such as an encryption. `name` is how errors call it.
///
/// # Errors
/// As [`backup`]. What was written by then is no backup.
pub async fn backup_into<W: Write + Send + 'static>(
    url: &DatabaseUrl,
    out: W,
    name: &Path,
    contents: &Contents,
    watch: &Watch,
) -> Result<(Manifest, W)> {
    let (url, name, contents, watch) = (url.clone(), name.to_owned(), contents.clone(), watch.clone());
    on_a_thread(move |runtime| {
        let time = u64::try_from(contents.created_at.as_micros() / 1_000_000).unwrap_or_default();
        let mut archive = ArchiveWriter::new(BufWriter::with_capacity(64 << 10, out), time);
        let manifest = write(&url, &mut archive, &name, &contents, &watch, runtime)?;
        let out = archive.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        Ok((manifest, out.map_err(file(&name, "written"))?))
    })
    .await
}

/// The same, to a folder of plain files.
///
/// # Errors
/// As [`backup`].
pub async fn backup_to_folder(
    url: &DatabaseUrl,
    target: &Path,
    contents: &Contents,
    watch: &Watch,
) -> Result<Manifest> {
    let (url, target, contents, watch) = (url.clone(), target.to_owned(), contents.clone(), watch.clone());
    on_a_thread(move |runtime| {
        let mut folder = FolderWriter::create(&target)?;
        let manifest = write(&url, &mut folder, &target, &contents, &watch, runtime)?;
        folder.publish()?;
        Ok(manifest)
    })
    .await
}

fn write(
    url: &DatabaseUrl,
    members: &mut dyn Members,
    name: &Path,
    contents: &Contents,
    watch: &Watch,
    runtime: &Handle,
) -> Result<Manifest> {
    let mut opened = contents.migrations.open(url, runtime)?;
    let header = Header {
        format: FORMAT,
        sotto: env!("CARGO_PKG_VERSION").into(),
        engine: match url {
            DatabaseUrl::Sqlite(_) => "sqlite".into(),
            DatabaseUrl::Postgres(_) => "postgres".into(),
        },
        revision: opened.revision.revision(),
        created_at: contents.created_at.to_string(),
        layout: opened.layout.clone(),
    };
    let mut total = 0;
    for table in &opened.layout.tables {
        total += opened.snapshot.count(table)?;
    }
    let mut package = PackageWriter::begin(members, name, header)?;
    let mut meter = Meter::new(watch, Stage::Reading, Some(total));
    for table in &opened.layout.tables {
        meter.tell(&table.name)?;
        opened.snapshot.rows(table, &mut |row| {
            package.row(&row)?;
            meter.row(&table.name)
        })?;
        package.end_table()?;
    }
    if let Some(attachments) = &contents.attachments {
        put(attachments, &mut package, &meter, runtime)?;
    }
    if let Some(path) = &contents.keys {
        package.keys(&fs::read(path).map_err(file(path, "read"))?)?;
    }
    package.finish()
}

fn put(attachments: &Attachments, package: &mut PackageWriter<'_>, meter: &Meter<'_>, runtime: &Handle) -> Result<()> {
    for name in attachments.names(runtime)? {
        meter.tell(&name)?;
        // If it is not there, it was deleted since it was listed.
        if let Some((size, mut content)) = attachments.open(&name, runtime)? {
            package.attachment(&name, size, &mut content, &attachments.path(&name))?;
        }
    }
    Ok(())
}
