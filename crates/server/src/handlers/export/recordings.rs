//! Copies recordings from the store into the archive.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::civil::Date;
use sotto_domain::EntryId;
use sotto_domain::attachment::Attachment;

use super::{Export, Stopped};
use crate::handlers::recordings::format::Format;
use crate::sha256;

/// Lists what is missing from the archive. A complete archive has no such file.
const MISSING: &str = "missing.txt";

/// A recording whose bytes the store has begun to send.
pub struct OpenRecording {
    /// The name of its file.
    pub name: String,
    attachment: Attachment,
    stream: BoxStream<'static, Result<Bytes, object_store::Error>>,
}

impl Export {
    /// Opens the recording of an entry, for a file of this name with the right extension. Returns `None` if the entry
    /// has no recording, or if the store cannot deliver it, which is noted.
    pub async fn open_recording(
        &mut self,
        entry: EntryId,
        sealed: bool,
        name: &str,
    ) -> Result<Option<OpenRecording>, Stopped> {
        let mut replaced = None;
        loop {
            let attachment = self.app.storage.attachments().get(self.user, entry).await?;
            // A recording that differs from its entry here is newer than the entry that was read.
            let Some(attachment) = attachment.filter(|attachment| attachment.sealed == sealed) else { return Ok(None) };
            let name = format!("{name}{}", Format::extension(&attachment.media_type));
            let whole = 0..u64::from(attachment.byte_length);
            match self.app.attachments.read(self.user, attachment.id, whole).await {
                Ok(Some(stream)) => return Ok(Some(OpenRecording { name, attachment, stream })),
                // The recording was replaced at this moment.
                Ok(None) if replaced != Some(attachment.id) => replaced = Some(attachment.id),
                Ok(None) => {
                    self.note_missing(&name, &attachment, "it is missing");
                    return Ok(None);
                }
                Err(error) => {
                    tracing::warn!(%error, "a recording cannot be read");
                    self.note_missing(&name, &attachment, "it could not be read");
                    return Ok(None);
                }
            }
        }
    }

    /// Adds a recording as far as the store delivers it. Differences from what was stored are noted.
    pub async fn add_recording(&mut self, found: OpenRecording, day: Date) -> Result<(), Stopped> {
        let OpenRecording { name, attachment, mut stream } = found;
        self.archive.start_recording(&name, day)?;
        let mut hash = sha256::new_context();
        let mut length = 0;
        while let Some(bytes) = stream.next().await {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) => {
                    tracing::warn!(%error, "a recording cannot be read to its end");
                    break;
                }
            };
            hash.update(&bytes);
            length += bytes.len();
            self.archive.write_all(&bytes)?;
            self.send().await?;
        }
        if sha256::finish(hash) != attachment.sha256 {
            let why = match attachment.byte_length {
                all if length == all as usize => "its content has changed".to_owned(),
                all => format!("only {length} of its {all} bytes could be read"),
            };
            self.note_missing(&name, &attachment, &why);
        }
        Ok(())
    }

    /// The last file of the archive.
    pub fn write_missing_list(&mut self) -> Result<(), Stopped> {
        if self.missing.is_empty() {
            return Ok(());
        }
        self.archive.start_file(MISSING, None)?;
        write!(
            self.archive,
            "The server could not read these recordings, or not completely. Its operator may have them in a backup.\n\
             Everything else is in this archive.\n\n{}",
            self.missing
        )?;
        Ok(())
    }

    fn note_missing(&mut self, name: &str, attachment: &Attachment, why: &str) {
        let (user, recording) = (self.user, attachment.id);
        tracing::error!(%user, %recording, why, "a recording is missing from an export");
        let _ = writeln!(self.missing, "{name}: {why}");
    }
}
