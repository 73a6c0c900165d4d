//! A zip archive that is written from its beginning to its end, and handed on meanwhile. What stays in memory is its directory:
//! some hundred bytes for each file.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use jiff::civil::Date;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The archive. It is written to as a file is that was begun.
pub struct Archive {
    zip: ZipWriter<StreamWriter<Gathered>>,
    gathered: Gathered,
}

/// Bytes that have been written and not yet handed on.
#[derive(Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        let gathered = Gathered::default();
        Self { zip: ZipWriter::new_stream(gathered.clone()), gathered }
    }

    /// Ends the file before, and begins a text that is of this day.
    pub fn begin(&mut self, name: &str, day: Option<Date>) -> io::Result<()> {
        // How long the journal gets is not known when it is begun; a single entry is never so long.
        let options = SimpleFileOptions::default().large_file(day.is_none());
        self.begin_with(name, day, options.compression_method(CompressionMethod::Deflated))
    }

    /// Ends the file before, and begins a recording, of at most [`MAX_BYTES`](sotto_domain::attachment::MAX_BYTES). Sound is
    /// compressed already, and what is encrypted cannot be.
    pub fn begin_recording(&mut self, name: &str, day: Date) -> io::Result<()> {
        self.begin_with(name, Some(day), SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
    }

    fn begin_with(&mut self, name: &str, day: Option<Date>, options: SimpleFileOptions) -> io::Result<()> {
        // The format knows days from 1980 on.
        let time = day.and_then(|day| {
            let (month, of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
            DateTime::from_date_and_time(day.year().unsigned_abs(), month, of_month, 0, 0, 0).ok()
        });
        Ok(self.zip.start_file(name, options.last_modified_time(time.unwrap_or_default()))?)
    }

    /// How many bytes wait to be handed on.
    pub fn gathered(&self) -> usize {
        self.gathered.lock().len()
    }

    /// The bytes that have been gathered.
    pub fn take(&self) -> Bytes {
        std::mem::take(&mut *self.gathered.lock()).into()
    }

    /// Ends the archive, and gives its last bytes.
    pub fn finish(self) -> io::Result<Bytes> {
        self.zip.finish()?;
        Ok(std::mem::take(&mut *self.gathered.lock()).into())
    }
}

impl Write for Archive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
