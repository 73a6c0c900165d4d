//! Writes the rows of a database, its attachments and its keys to a backup.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use sotto_files::Draft;
use tokio::runtime::Handle;

use super::attachments::Attachments;
use super::comparison::deleted_meanwhile;
use super::error::{Result, file};
use super::manifest::{FORMAT, Header, Manifest};
use super::on_a_thread;
use super::package::archive::ArchiveWriter;
use super::package::folder::FolderWriter;
use super::package::{Members, PackageWriter};
use super::progress::{Meter, Observer, Stage};
use super::snapshot::Migrations;
use crate::DatabaseUrl;

/// The options of a backup besides the rows.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The attachments; `None` leaves them out.
    pub attachments: Option<Attachments>,
    /// The file with the server's keys. The keys are secret: with them one can sign in as any user.
    pub keys: Option<PathBuf>,
    pub created_at: Timestamp,
    /// The known revisions.
    pub migrations: Migrations,
}

impl BackupOptions {
    /// A backup of the rows alone.
    pub fn rows(created_at: Timestamp) -> Self {
        Self { attachments: None, keys: None, created_at, migrations: Migrations::default() }
    }
}

/// Backs a database up to an archive at `target`, at any revision, while others use the database. The file gets its
/// name when it is complete and stored; only its owner can read it.
///
/// # Errors
/// If the name is taken, something cannot be read, or the file cannot be written. Nothing is left then.
pub async fn backup(
    url: &DatabaseUrl,
    target: &Path,
    options: &BackupOptions,
    observer: &Observer,
) -> Result<Manifest> {
    let draft = Draft::create(target)?;
    let (manifest, draft) = backup_into(url, draft, target, options, observer).await?;
    draft.publish()?;
    Ok(manifest)
}

/// Like [`backup`], but writes to `out`, for example to an encryption. `name` is the backup's name in errors.
///
/// # Errors
/// As [`backup`]. The bytes written so far are no backup.
pub async fn backup_into<W: Write + Send + 'static>(
    url: &DatabaseUrl,
    out: W,
    name: &Path,
    options: &BackupOptions,
    observer: &Observer,
) -> Result<(Manifest, W)> {
    let (url, name, options, observer) = (url.clone(), name.to_owned(), options.clone(), observer.clone());
    on_a_thread(move |runtime| {
        let time = u64::try_from(options.created_at.as_micros() / 1_000_000).unwrap_or_default();
        let mut archive = ArchiveWriter::new(BufWriter::with_capacity(64 << 10, out), time);
        let manifest = write(&url, &mut archive, &name, &options, &observer, runtime)?;
        let out = archive.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        Ok((manifest, out.map_err(file(&name, "written"))?))
    })
    .await
}

/// Like [`backup`], but writes a folder of plain files.
///
/// # Errors
/// As [`backup`].
pub async fn backup_to_folder(
    url: &DatabaseUrl,
    target: &Path,
    options: &BackupOptions,
    observer: &Observer,
) -> Result<Manifest> {
    let (url, target, options, observer) = (url.clone(), target.to_owned(), options.clone(), observer.clone());
    on_a_thread(move |runtime| {
        let mut folder = FolderWriter::create(&target)?;
        let manifest = write(&url, &mut folder, &target, &options, &observer, runtime)?;
        folder.publish()?;
        Ok(manifest)
    })
    .await
}

fn write(
    url: &DatabaseUrl,
    members: &mut dyn Members,
    name: &Path,
    options: &BackupOptions,
    observer: &Observer,
    runtime: &Handle,
) -> Result<Manifest> {
    let mut opened = options.migrations.open(url, runtime)?;
    let header = Header {
        format: FORMAT,
        sotto: env!("CARGO_PKG_VERSION").into(),
        engine: match url {
            DatabaseUrl::Sqlite(_) => "sqlite".into(),
            DatabaseUrl::Postgres(_) => "postgres".into(),
        },
        revision: opened.revision.revision(),
        created_at: options.created_at.to_string(),
        layout: opened.layout.clone(),
    };
    let mut total = 0;
    for table in &opened.layout.tables {
        total += opened.snapshot.count(table)?;
    }
    let mut package = PackageWriter::begin(members, name, header)?;
    let mut meter = Meter::new(observer, Stage::Reading, Some(total));
    for table in &opened.layout.tables {
        meter.report(&table.name)?;
        opened.snapshot.rows(table, &mut |row| {
            package.row(&row)?;
            meter.row(&table.name)
        })?;
        package.end_table()?;
    }
    match &options.attachments {
        Some(attachments) => {
            add_attachments(attachments, &mut package, &meter, runtime)?;
            let deleted = deleted_meanwhile(url, &opened.layout, &package.gaps(), runtime)?;
            package.record_deleted(deleted);
        }
        None => package.leave_attachments_out(),
    }
    if let Some(path) = &options.keys {
        package.keys(&fs::read(path).map_err(file(path, "read"))?)?;
    }
    package.finish()
}

fn add_attachments(
    attachments: &Attachments,
    package: &mut PackageWriter<'_>,
    meter: &Meter<'_>,
    runtime: &Handle,
) -> Result<()> {
    let places = attachments.places(|name| package.is_named(name), runtime)?;
    for (name, place) in places {
        meter.report(&name)?;
        // A missing attachment was deleted after it had been listed.
        if let Some((size, mut content)) = attachments.open(&place, runtime)? {
            package.attachment(&name, size, &mut content, &attachments.path(&place))?;
        }
    }
    Ok(())
}
