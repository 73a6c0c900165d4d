//! Recordings on their way from the store into the archive.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::civil::Date;
use sotto_domain::EntryId;
use sotto_domain::attachment::Attachment;

use super::{Export, Stopped};
use crate::handlers::audio::format::Format;
use crate::sha256;

/// Where the archive says what is not in it whole. Without anything to say, there is no such file.
const MISSING: &str = "missing.txt";

/// A recording that the store has begun to give.
pub struct Found {
    /// What its file is called.
    pub name: String,
    attachment: Attachment,
    stream: BoxStream<'static, Result<Bytes, object_store::Error>>,
}

impl Export {
    /// The recording of an entry, for a file of this name and the ending that fits; `None` if the entry has none. If it has one
    /// and the store does not give it, that is noted.
    pub async fn find(&mut self, entry: EntryId, sealed: bool, name: &str) -> Result<Option<Found>, Stopped> {
        let mut gone = None;
        loop {
            let attachment = self.app.storage.attachments().get(self.user, entry).await?;
            // One that is not as its entry was has come since that was read.
            let Some(attachment) = attachment.filter(|attachment| attachment.sealed == sealed) else { return Ok(None) };
            let name = format!("{name}{}", Format::ending(&attachment.media_type));
            let whole = 0..u64::from(attachment.byte_length);
            match self.app.recordings.read(self.user, attachment.id, whole).await {
                Ok(Some(stream)) => return Ok(Some(Found { name, attachment, stream })),
                // Another one has taken its place just now.
                Ok(None) if gone != Some(attachment.id) => gone = Some(attachment.id),
                Ok(None) => {
                    self.miss(&name, &attachment, "it is gone");
                    return Ok(None);
                }
                Err(error) => {
                    tracing::warn!(%error, "a recording cannot be read");
                    self.miss(&name, &attachment, "it could not be read");
                    return Ok(None);
                }
            }
        }
    }

    /// Takes a recording along, as far as the store gives it. If that is not what was stored, it is noted.
    pub async fn take(&mut self, found: Found, day: Date) -> Result<(), Stopped> {
        let Found { name, attachment, mut stream } = found;
        self.archive.begin_recording(&name, day)?;
        let mut hash = sha256::begin();
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
        if sha256::end(hash) != attachment.sha256 {
            let why = match attachment.byte_length {
                all if length == all as usize => "it is not as it was stored".to_owned(),
                all => format!("of its {all} bytes, {length} are here"),
            };
            self.miss(&name, &attachment, &why);
        }
        Ok(())
    }

    /// The last file, for those who have to know that something is not in the archive.
    pub fn say_what_is_missing(&mut self) -> Result<(), Stopped> {
        if self.missing.is_empty() {
            return Ok(());
        }
        self.archive.begin(MISSING, None)?;
        write!(
            self.archive,
            "The server could not give these recordings, or not as they were stored. Whoever runs it may have them in a backup.\n\
             All else is in this archive.\n\n{}",
            self.missing
        )?;
        Ok(())
    }

    fn miss(&mut self, name: &str, attachment: &Attachment, why: &str) {
        let (user, recording) = (self.user, attachment.id);
        tracing::error!(%user, %recording, why, "an export is without a recording");
        let _ = writeln!(self.missing, "{name}: {why}");
    }
}
