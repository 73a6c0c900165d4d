//! A backup as one file: a tar archive (POSIX.1-1988, "ustar") that contains only plain files.
//!
//! The reader accepts exactly the bytes that the writer creates. It rejects a header with anything else, such as a
//! link, another owner or an extension, and any bytes after the end.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::{Members, Source};

const BLOCK: usize = 512;

/// Writes members to an archive.
pub struct ArchiveWriter<W> {
    out: W,
    /// Seconds since 1970: the modification time of each member.
    time: u64,
    size: u64,
}

impl<W: Write> ArchiveWriter<W> {
    pub fn new(out: W, time: u64) -> Self {
        Self { out, time, size: 0 }
    }

    /// Ends the archive and returns the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Members for ArchiveWriter<W> {
    fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.size = size;
        self.out.write_all(header(name, size, self.time)?.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        let padding = [0; BLOCK];
        self.out.write_all(&padding[..padding_of(self.size)])
    }
}

/// Reads members from an archive.
pub struct ArchiveReader<R> {
    input: R,
    /// Bytes of the current member that are not read yet.
    left: u64,
    padding: usize,
}

impl<R: Read> ArchiveReader<R> {
    pub fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0 }
    }

    fn zeros(&mut self, count: usize) -> Result<(), String> {
        let mut block = [0; BLOCK];
        let block = &mut block[..count];
        self.input.read_exact(block).map_err(|error| read_failure(&error))?;
        if block.iter().all(|byte| *byte == 0) { Ok(()) } else { Err("there are bytes between two files".into()) }
    }
}

impl<R: Read> Source for ArchiveReader<R> {
    fn next(&mut self) -> Result<Option<(String, u64)>, String> {
        if self.left > 0 {
            return Err("a file is longer than it should be".into());
        }
        self.zeros(self.padding)?;
        self.padding = 0;
        let mut block = Header::new_old();
        self.input.read_exact(block.as_mut_bytes()).map_err(|error| read_failure(&error))?;
        if block.as_bytes().iter().all(|byte| *byte == 0) {
            self.zeros(BLOCK)?;
            return match self.input.read(&mut [0]) {
                Ok(0) => Ok(None),
                Ok(_) => Err("there are bytes after its end".into()),
                Err(error) => Err(read_failure(&error)),
            };
        }
        let foreign = || "it is not an archive that Sotto has written, or it is damaged".to_owned();
        let name = String::from_utf8(block.path_bytes().into_owned()).map_err(|_| foreign())?;
        let (size, time) = (block.entry_size(), block.mtime());
        let (size, time) = size.and_then(|size| Ok((size, time?))).map_err(|_| foreign())?;
        let expected = header(&name, size, time).map_err(|_| foreign())?;
        if expected.as_bytes() != block.as_bytes() {
            return Err(foreign());
        }
        (self.left, self.padding) = (size, padding_of(size));
        Ok(Some((name, size)))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// The only valid header for a member.
fn header(name: &str, size: u64, time: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

fn padding_of(size: u64) -> usize {
    let block = BLOCK as u64;
    // The padding is shorter than a block.
    usize::try_from((block - size % block) % block).unwrap_or_default()
}

/// Describes a read error as a clause.
pub(super) fn read_failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it was cut off before its end".into(),
        _ => format!("it cannot be read: {error}"),
    }
}
