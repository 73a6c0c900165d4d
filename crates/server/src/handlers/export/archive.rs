//! A zip archive that is sent while it is written. Only its directory stays in memory: a few hundred bytes per file.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use jiff::civil::Date;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The archive. Writing to it appends to the file that was started last.
pub struct Archive {
    zip: ZipWriter<StreamWriter<Buffer>>,
    buffered: Buffer,
}

/// Bytes that are written and not yet sent.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Archive {
    pub fn new() -> Self {
        let buffered = Buffer::default();
        Self { zip: ZipWriter::new_stream(buffered.clone()), buffered }
    }

    /// Starts a text file with the date of this day.
    pub fn start_file(&mut self, name: &str, day: Option<Date>) -> io::Result<()> {
        // The length of the journal is not known in advance. A single entry is never that long.
        let options = SimpleFileOptions::default().large_file(day.is_none());
        self.start_with(name, day, options.compression_method(CompressionMethod::Deflated))
    }

    /// Starts a recording of at most [`MAX_BYTES`](sotto_domain::attachment::MAX_BYTES). It is stored uncompressed:
    /// sound is compressed already, and encrypted data cannot be.
    pub fn start_recording(&mut self, name: &str, day: Date) -> io::Result<()> {
        self.start_with(name, Some(day), SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
    }

    fn start_with(&mut self, name: &str, day: Option<Date>, options: SimpleFileOptions) -> io::Result<()> {
        // Dates in a zip archive start in 1980.
        let time = day.and_then(|day| {
            let (month, of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
            DateTime::from_date_and_time(day.year().unsigned_abs(), month, of_month, 0, 0, 0).ok()
        });
        Ok(self.zip.start_file(name, options.last_modified_time(time.unwrap_or_default()))?)
    }

    /// Bytes that wait to be sent.
    pub fn buffered(&self) -> usize {
        self.buffered.lock().len()
    }

    pub fn take_buffered(&self) -> Bytes {
        std::mem::take(&mut *self.buffered.lock()).into()
    }

    /// Completes the archive, and returns its last bytes.
    pub fn finish(self) -> io::Result<Bytes> {
        self.zip.finish()?;
        Ok(std::mem::take(&mut *self.buffered.lock()).into())
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

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
