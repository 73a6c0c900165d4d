//! Readings of the machine's disks, which do not need the database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::app::App;
use crate::disk_space::free_bytes;
use crate::last_backup::LastBackup;

/// A network file system may hang.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct DiskReading {
    /// Free bytes, by the purpose of the folder.
    pub free: BTreeMap<&'static str, u64>,
    pub backup: LastBackup,
}

/// Reads the disks, once at a time: while a read hangs, no other one is started.
#[derive(Debug, Clone, Default)]
pub struct DiskReader(Arc<Mutex<()>>);

impl DiskReader {
    /// `None` without a data folder, or if a disk does not respond in time.
    pub async fn read(&self, app: &App) -> Option<DiskReading> {
        let monitoring = &app.config.monitoring;
        let data_dir = monitoring.data_dir.clone()?;
        let folders = [
            ("data", Some(data_dir.clone())),
            ("database", monitoring.database_dir.clone()),
            ("recordings", app.attachments.folder().map(PathBuf::from)),
        ];
        let turn = self.0.clone().try_lock_owned().ok()?;
        let look = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let folders = folders.into_iter().filter_map(|(name, folder)| Some((name, folder?)));
            let free = folders.filter_map(|(name, folder)| Some((name, free_bytes(&folder).ok()?))).collect();
            DiskReading { free, backup: LastBackup::read(&data_dir) }
        });
        tokio::time::timeout(MEASURE_TIMEOUT, look).await.ok()?.ok()
    }
}
