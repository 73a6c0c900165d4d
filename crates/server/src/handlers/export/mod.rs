//! The export: all data of a user in one zip archive that is readable without this program.

mod archive;
mod markdown;
mod names;
mod recordings;

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use sotto_domain::entry::{Entry, EntryQuery};
use sotto_domain::secret_tag::{SealedEntry, SecretTag};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::storage::StorageError;
use sotto_domain::{EntryId, SecretTagId, Timestamp, UserId};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::journals::EntryResponse;
use super::reminders::ReminderResponse;
use super::secret_tags::SecretTagResponse;
use super::tags::TagResponse;
use super::users::account::UserResponse;
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::RecentlySignedIn;
use crate::auth::unlock_tokens::Unlocks;
use crate::http::error::ApiError;
use crate::user_slots::UserSlot;

use archive::Archive;
use names::FileNames;

/// Rows read at a time.
const ROWS_PER_QUERY: u32 = 200;
/// Bytes that are buffered before they are sent.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the client.
const QUEUED_CHUNKS: usize = 2;

/// Export all of your data as a zip archive.
///
/// `journal.json` contains your account, tags, reminders, secret tags and entries, in the form of this API. `entries/`
/// contains a Markdown file for each entry that is not sealed and, beside it under the same name, its recording; the
/// front matter names it as `recording`. Sealed entries are included if the request unlocks their secret tag. They stay
/// encrypted: the entries in `journal.json`, their recordings as `sealed/<entry id>`.
///
/// If the store has lost or damaged a recording or cannot be read, the export continues without it. `missing.txt` at
/// the end of the archive lists these recordings, and what could be read of them is in their place. An archive without
/// that file is complete. An archive that breaks off has no directory at its end, and no program opens it.
///
/// You can have one export at a time. It breaks off if you read nothing of it for a minute. It requires a recent sign-in
/// (see `POST /api/auth/confirm`).
#[utoipa::path(get, path = "/api/users/me/export", tag = "users", params(Unlocks), responses(
    (status = 200, description = "The archive.", body = String, content_type = "application/zip", headers(
        ("content-disposition" = String, description = "A name for the file"),
    )),
    (status = 429, description = "Another export of yours is running (code `export_running`).", headers(
        ("retry-after" = String, description = "Seconds to wait"),
    )),
))]
pub async fn export(
    State(app): State<App>,
    origin: Origin,
    signed_in: RecentlySignedIn,
    unlocks: Unlocks,
) -> Result<Response, ApiError> {
    let own = app.exporting_users.try_take(signed_in.id()).ok_or(ApiError::ExportRunning)?;
    let place = Place { _own: own, _shared: app.exports.clone().try_acquire_owned().map_err(|_| ApiError::Busy)? };
    let open = unlocks.tags(&app, &signed_in).await?;
    audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::Exported)).await;
    let today = app.now().day_in(&signed_in.user().time_zone);
    let (pieces, mut arriving) = mpsc::channel(QUEUED_CHUNKS);
    let is_complete = Arc::<AtomicBool>::default();
    let export = Export {
        user: signed_in.id(),
        app,
        open,
        archive: Archive::new(),
        missing: String::new(),
        pieces,
        is_complete: is_complete.clone(),
    };
    // Compression would block a thread of the runtime.
    tokio::task::spawn_blocking(move || Handle::current().block_on(export.run(place)));
    // An export that stopped early must not look like a complete response.
    let end = move || (!is_complete.swap(true, Ordering::SeqCst)).then(|| Err(io::Error::from(ErrorKind::TimedOut)));
    let body = stream::poll_fn(move |context| arriving.poll_recv(context).map(|piece| piece.or_else(&end)));
    let body = Body::from_stream(body);
    let name = format!("attachment; filename=\"sotto-{today}.zip\"");
    let name = HeaderValue::try_from(name).map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static("application/zip");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

/// An export in progress. It reads pages as the client accepts them, so no transaction stays open. Changes during the
/// export may or may not be in it.
struct Export {
    app: App,
    user: UserId,
    /// The unlocked secret tags, whose entries are included.
    open: Vec<SecretTagId>,
    archive: Archive,
    /// One line for each recording that is missing or incomplete.
    missing: String,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    /// Whether the connection has the last piece: the end of the archive, or an error.
    is_complete: Arc<AtomicBool>,
}

/// What an export occupies until it ends.
struct Place {
    _own: UserSlot,
    _shared: OwnedSemaphorePermit,
}

impl Export {
    async fn run(mut self, _place: Place) {
        let written = self.write().await;
        let Self { app, user, archive, pieces, is_complete, .. } = self;
        let last = match written {
            Ok(()) => archive.finish(),
            Err(Stopped::Client) => return,
            Err(Stopped::Fault(error)) => Err(error),
        };
        if let Err(error) = &last {
            tracing::error!(%user, %error, "an export broke off");
        }
        if send_piece(&app, &pieces, last).await {
            is_complete.store(true, Ordering::SeqCst);
        }
    }

    async fn write(&mut self) -> Result<(), Stopped> {
        self.archive.start_file("journal.json", None)?;
        self.journal().await?;
        self.entries().await?;
        self.sealed_recordings().await?;
        self.write_missing_list()
    }

    /// Each entry that is not sealed as a file, with its recording beside it.
    async fn entries(&mut self) -> Result<(), Stopped> {
        let mut names = FileNames::default();
        let mut after = None;
        loop {
            let entries = self.plain(after).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = Some((last.body.date.moment, last.id));
            for entry in entries {
                let day = entry.body.date.day();
                let name = names.unique(day, entry.body.title.as_deref());
                let recording = self.open_recording(entry.id, false, &name).await?;
                let beside = recording.as_ref().and_then(|found| found.name.rsplit('/').next());
                self.archive.start_file(&format!("{name}.md"), Some(day))?;
                markdown::write(&mut self.archive, &entry, beside)?;
                self.send().await?;
                if let Some(found) = recording {
                    self.add_recording(found, day).await?;
                }
            }
        }
    }

    /// The recordings of the sealed entries, as their client has encrypted them.
    async fn sealed_recordings(&mut self) -> Result<(), Stopped> {
        for tag in self.open.clone() {
            let mut after = None;
            loop {
                let entries = self.sealed(tag, after).await?;
                let Some(last) = entries.last() else { break };
                after = Some((last.date.moment, last.id));
                for entry in entries {
                    if let Some(found) = self.open_recording(entry.id, true, &format!("sealed/{}", entry.id)).await? {
                        self.add_recording(found, entry.date.day()).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// One JSON object, with an array for each resource.
    async fn journal(&mut self) -> Result<(), Stopped> {
        let storage = self.app.storage.clone();
        let user = storage.users().get(self.user).await?.ok_or(Stopped::Client)?;
        let preferences = storage.users().preferences(self.user).await?.ok_or(Stopped::Client)?;
        write!(self.archive, "{{\n\"exported_at\": \"{}\",\n\"profile\": ", self.app.now())?;
        self.json(&UserResponse::new(user, preferences))?;

        let mut array = Array::begin(self, "tags")?;
        let mut after = None;
        loop {
            let tags = storage.tags().list(self.user, after, ROWS_PER_QUERY).await?;
            let Some(last) = tags.last() else { break };
            after = Some((last.created_at, last.id.0));
            array.extend(self, tags.into_iter().map(TagResponse::from)).await?;
        }
        let mut array = Array::begin(self, "reminders")?;
        let mut after = None;
        loop {
            let reminders = storage.reminders().list(self.user, after, ROWS_PER_QUERY).await?;
            let Some(last) = reminders.last() else { break };
            after = Some((last.created_at, last.id.0));
            let now = self.app.now();
            array.extend(self, reminders.into_iter().map(|reminder| ReminderResponse::new(reminder, now))).await?;
        }
        let secret_tags = storage.secret_tags().list(self.user).await?;
        let open = self.open.clone();
        let shown = |tag: &SecretTag| SecretTagResponse::new(tag, open.contains(&tag.id));
        Array::begin(self, "secret_tags")?.extend(self, secret_tags.iter().map(shown)).await?;

        let mut array = Array::begin(self, "entries")?;
        let mut after = None;
        loop {
            let entries = self.plain(after).await?;
            let Some(last) = entries.last() else { break };
            after = Some((last.body.date.moment, last.id));
            array.extend(self, entries.into_iter().map(EntryResponse::from)).await?;
        }
        for tag in open {
            let mut after = None;
            loop {
                let entries = self.sealed(tag, after).await?;
                let Some(last) = entries.last() else { break };
                after = Some((last.date.moment, last.id));
                array.extend(self, entries.into_iter().map(EntryResponse::from)).await?;
            }
        }
        write!(self.archive, "\n]\n}}\n")?;
        Ok(())
    }

    async fn plain(&self, after: Option<(Timestamp, EntryId)>) -> Result<Vec<Entry>, Stopped> {
        let query = EntryQuery { after, limit: ROWS_PER_QUERY, ..EntryQuery::default() };
        Ok(self.app.storage.entries().list(self.user, &query).await?)
    }

    async fn sealed(&self, tag: SecretTagId, after: Option<(Timestamp, EntryId)>) -> Result<Vec<SealedEntry>, Stopped> {
        Ok(self.app.storage.sealed_entries().list(self.user, tag, after, ROWS_PER_QUERY).await?)
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Stopped> {
        Ok(serde_json::to_writer(&mut self.archive, value).map_err(io::Error::from)?)
    }

    /// Sends the buffer once it is large enough, and waits while the client is behind.
    async fn send(&mut self) -> Result<(), Stopped> {
        if self.archive.buffered() < CHUNK_BYTES {
            return Ok(());
        }
        let piece = Ok(self.archive.take_buffered());
        if send_piece(&self.app, &self.pieces, piece).await { Ok(()) } else { Err(Stopped::Client) }
    }
}

/// Returns false if the client has accepted nothing for too long, or is gone.
async fn send_piece(app: &App, pieces: &mpsc::Sender<io::Result<Bytes>>, piece: io::Result<Bytes>) -> bool {
    matches!(tokio::time::timeout(app.config.export_timeout, pieces.send(piece)).await, Ok(Ok(())))
}

/// An array in the object. It ends where the next one starts.
struct Array {
    is_empty: bool,
}

impl Array {
    fn begin(export: &mut Export, name: &str) -> Result<Self, Stopped> {
        let end = if name == "tags" { "" } else { "\n]" };
        write!(export.archive, "{end},\n\"{name}\": [")?;
        Ok(Self { is_empty: true })
    }

    async fn extend(&mut self, export: &mut Export, rows: impl Iterator<Item = impl Serialize>) -> Result<(), Stopped> {
        for row in rows {
            export.archive.write_all(if self.is_empty { b"\n" } else { b",\n" })?;
            self.is_empty = false;
            export.json(&row)?;
            export.send().await?;
        }
        Ok(())
    }
}

/// Why an export stops early.
enum Stopped {
    /// The client has disconnected, or the account was deleted.
    Client,
    Fault(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Fault(error)
    }
}

impl From<StorageError> for Stopped {
    fn from(error: StorageError) -> Self {
        Self::Fault(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sotto_domain::entry::EntryBody;
    use sotto_domain::tag::TagRef;
    use sotto_domain::{EntryDate, TagId, Zone};

    use super::*;
    use crate::handlers::recordings::format::Format;

    /// The web app writes the same files for unlocked entries. Its tests read the same JSON file.
    #[test]
    fn generated_files_match_those_of_the_app() {
        let form: Value = serde_json::from_str(include_str!("form.json")).unwrap();
        let mut names = FileNames::default();
        for case in form["entries"].as_array().unwrap() {
            let entry = entry(&case["entry"]);
            assert_eq!(
                names.unique(entry.body.date.day(), entry.body.title.as_deref()),
                case["name"].as_str().unwrap()
            );
            let mut file = Vec::new();
            markdown::write(&mut file, &entry, case["recording"].as_str()).unwrap();
            assert_eq!(String::from_utf8(file).unwrap(), case["markdown"].as_str().unwrap());
        }
        let mut names = FileNames::default();
        for case in form["names"].as_array().unwrap() {
            let day = case["day"].as_str().unwrap().parse().unwrap();
            assert_eq!(names.unique(day, case["title"].as_str()), case["name"].as_str().unwrap());
        }
        for (media_type, ending) in form["endings"].as_object().unwrap() {
            assert_eq!(Format::extension(media_type), ending.as_str().unwrap(), "{media_type}");
        }
    }

    fn entry(fields: &Value) -> Entry {
        let text = |name: &str| fields[name].as_str().unwrap();
        let time = |name: &str| Timestamp::parse(text(name)).unwrap();
        let tag =
            |name: &Value| TagRef { id: TagId(uuid::Uuid::nil()), name: name.as_str().unwrap().into(), color: None };
        Entry {
            id: EntryId(text("id").parse().unwrap()),
            user_id: UserId(uuid::Uuid::nil()),
            body: EntryBody {
                title: fields["title"].as_str().map(Into::into),
                content: text("content").into(),
                audio_url: None,
                date: EntryDate { moment: time("entry_date"), zone: Zone::named(text("entry_zone")).unwrap() },
            },
            tags: fields["tags"].as_array().unwrap().iter().map(tag).collect(),
            revision: 1,
            created_at: time("created_at"),
            updated_at: time("updated_at"),
        }
    }
}
