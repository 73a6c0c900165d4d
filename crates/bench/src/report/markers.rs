//! The lines of a Markdown file between which results are written.

use std::path::Path;

use crate::Result;

/// Two lines that stay in the file.
pub struct Markers {
    pub begin: &'static str,
    pub end: &'static str,
}

impl Markers {
    /// Checks before a run that its results can be written at its end.
    ///
    /// # Errors
    /// If the file has no markers.
    pub fn check(&self, file: &Path) -> Result<()> {
        match std::fs::read_to_string(file) {
            Ok(text) => self.split(&text, file).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Writes results into a file: between its markers, or as the whole of a new file.
    ///
    /// # Errors
    /// If the file cannot be written, or has no markers.
    pub fn write(&self, file: &Path, results: &str) -> Result<()> {
        let results = format!("{}\n\n{results}\n{}", self.begin, self.end);
        let text = match std::fs::read_to_string(file) {
            Ok(text) => {
                let (before, after) = self.split(&text, file)?;
                format!("{before}{results}{after}")
            }
            Err(_) => format!("{results}\n"),
        };
        Ok(std::fs::write(file, text)?)
    }

    /// The text before and after the results.
    fn split<'t>(&self, text: &'t str, file: &Path) -> Result<(&'t str, &'t str)> {
        let parts = text.split_once(self.begin).and_then(|(before, rest)| Some((before, rest.split_once(self.end)?.1)));
        parts.ok_or_else(|| {
            format!("{} has no lines {} and {} to write between", file.display(), self.begin, self.end).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_around_the_results_is_kept() {
        let markers = Markers { begin: "<!-- begin -->", end: "<!-- end -->" };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.md");
        assert!(markers.check(&file).is_ok());
        markers.write(&file, "figures\n").unwrap();
        let alone = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("# Before\n{alone}after\n")).unwrap();
        markers.write(&file, "figures\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("# Before\n{alone}after\n"));
        std::fs::write(&file, "no markers").unwrap();
        assert!(markers.check(&file).is_err());
        assert!(markers.write(&file, "figures\n").is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "no markers");
    }
}
