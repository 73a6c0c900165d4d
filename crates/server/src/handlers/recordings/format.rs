//! The format of a recording, detected from its first bytes. The declared content type must match it.

use sotto_crypto::recording;
use sotto_domain::Flaw;

use crate::http::error::ApiError;

/// Bytes needed to detect the format.
pub const DETECTION_BYTES: usize = 512;

/// The content type of clients that do not know the format.
const UNKNOWN: &str = "application/octet-stream";

/// Formats that browsers can play.
const PLAYABLE: [Format; 6] = [Format::WebM, Format::Ogg, Format::Mp4, Format::Mp3, Format::Wav, Format::Flac];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Encrypted by the client.
    Sealed,
    WebM,
    /// With any codec.
    Ogg,
    Mp4,
    Mp3,
    Wav,
    Flac,
}

impl Format {
    /// Detects the format from the first bytes. A different declared content type is an error.
    pub fn detect(beginning: &[u8], declared: Option<&str>, sealed: bool) -> Result<Self, ApiError> {
        if sealed {
            return Self::detect_sealed(beginning, declared);
        }
        let found = infer::get(beginning).and_then(|kind| match kind.mime_type() {
            "video/webm" | "audio/webm" => Some(Self::WebM),
            "audio/ogg" | "audio/opus" | "video/ogg" | "application/ogg" => Some(Self::Ogg),
            "audio/m4a" | "video/mp4" | "video/x-m4v" => Some(Self::Mp4),
            "audio/mpeg" => Some(Self::Mp3),
            "audio/x-wav" => Some(Self::Wav),
            "audio/x-flac" => Some(Self::Flac),
            _ => None,
        });
        let found =
            found.ok_or(ApiError::UnsupportedMediaType("Send a recording as WebM, Ogg, MP4, MP3, WAV or FLAC."))?;
        if declared.is_none_or(|declared| declared == UNKNOWN || found.names().contains(&declared)) {
            return Ok(found);
        }
        Err(ApiError::UnsupportedMediaType("The recording does not match its Content-Type."))
    }

    fn detect_sealed(beginning: &[u8], declared: Option<&str>) -> Result<Self, ApiError> {
        if declared != Some(UNKNOWN) {
            return Err(ApiError::UnsupportedMediaType(
                "The entry is sealed: encrypt its recording, and send it as application/octet-stream.",
            ));
        }
        if beginning.first() != Some(&recording::VERSION) {
            return Err(not_sealed());
        }
        Ok(Self::Sealed)
    }

    pub fn media_type(self) -> &'static str {
        self.names()[0]
    }

    /// The file extension for a media type. Encrypted recordings have none, because no program opens them.
    pub fn extension(media_type: &str) -> &'static str {
        match PLAYABLE.into_iter().find(|kind| kind.names().contains(&media_type)) {
            Some(Self::WebM) => ".webm",
            Some(Self::Ogg) => ".ogg",
            Some(Self::Mp4) => ".m4a",
            Some(Self::Mp3) => ".mp3",
            Some(Self::Wav) => ".wav",
            Some(Self::Flac) => ".flac",
            Some(Self::Sealed) | None => "",
        }
    }

    /// Checks the length of a sealed recording, and converts it.
    pub fn checked_length(self, length: u64) -> Result<u32, ApiError> {
        if self == Self::Sealed && recording::plain_length(length).is_none() {
            return Err(not_sealed());
        }
        u32::try_from(length).map_err(ApiError::internal)
    }

    /// The media types of the format, the standard one first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Sealed => &[UNKNOWN],
            Self::WebM => &["audio/webm", "video/webm"],
            Self::Ogg => &["audio/ogg", "application/ogg", "audio/opus", "audio/vorbis", "video/ogg"],
            Self::Mp4 => &["audio/mp4", "audio/m4a", "audio/x-m4a", "audio/aac", "video/mp4"],
            Self::Mp3 => &["audio/mpeg", "audio/mp3"],
            Self::Wav => &["audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"],
            Self::Flac => &["audio/flac", "audio/x-flac"],
        }
    }
}

fn not_sealed() -> ApiError {
    let message = "must be a complete recording as described in docs/protocol.md: version, head and chunks";
    ApiError::invalid("body", "", &Flaw::Malformed(message.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(beginning: &[u8], declared: Option<&str>) -> Option<&'static str> {
        Format::detect(beginning, declared, false).ok().map(Format::media_type)
    }

    #[test]
    fn the_content_decides_the_format_unless_the_declared_type_contradicts() {
        let webm = [b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm".as_slice(), &[0; 300]].concat();
        let ogg = [b"OggS".as_slice(), &[0; 24], b"OpusHead"].concat();
        for (beginning, name, other) in [
            (webm.as_slice(), "audio/webm", "video/webm"),
            (&ogg, "audio/ogg", "audio/opus"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0", "audio/ogg", "application/ogg"),
            (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42", "audio/mp4", "audio/x-m4a"),
            (b"\0\0\0\x1cftypiso5\0\0\x02\0iso5iso6mp41", "audio/mp4", "video/mp4"),
            (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg", "audio/mp3"),
            (b"\xff\xfb\x90\x64\0\0", "audio/mpeg", "audio/mpeg"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "audio/vnd.wave"),
            (b"fLaC\0\0\0\x22", "audio/flac", "audio/x-flac"),
        ] {
            for declared in [None, Some(name), Some(other), Some(UNKNOWN)] {
                assert_eq!(of(beginning, declared), Some(name), "{declared:?}");
            }
            assert_eq!(of(beginning, Some("image/png")), None);
        }
        assert_eq!(of(&webm, Some("audio/ogg")), None);
        for nothing in [b"".as_slice(), b"<html><script>", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\0\0\0\x14ftypqt  "] {
            assert_eq!(of(nothing, Some("audio/webm")), None);
        }
    }
}
