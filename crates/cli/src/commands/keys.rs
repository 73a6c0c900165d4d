//! `sotto keys`: commands for the server's secret keys.

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sotto_crypto::Fingerprint;
use sotto_domain::storage::Storage;
use sotto_server::Keys;
use sotto_server::keys::KeysError;
use sotto_server::system::SystemRandom;
use sotto_storage::migrate::State;

use super::{announce, expect_schema, print_line, state};
use crate::error::{CliError, Result};
use crate::settings::{CommonSettings, ServeSettings};

/// The variable with the contents of a key file, which replaces the file.
const KEYS_VARIABLE: &str = "SOTTO_KEYS";

/// The commands for keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Create the key file, or add keys that an older one lacks. `sotto serve` does this at its start
    Init(KeyFile),
    /// Show the fingerprints of the OPAQUE keys, and nothing secret
    Show(KeyFile),
    /// Add new OPAQUE keys for new secret tags. The former keys are kept for the secret tags that use them; each tag
    /// moves to the new keys when it is next unlocked. Restart every server afterwards
    Rotate(KeyFile),
    /// Print the contents of the key file on one line, for SOTTO_KEYS on other servers. They are secret
    Export(KeyFile),
    /// Read the output of `export` from standard input and write it to the key file. Refused if secret tags need keys
    /// that it lacks
    Import {
        #[command(flatten)]
        file: KeyFile,
        /// Import the keys even if secret tags need keys that they lack: such tags can then only be opened with their
        /// recovery keys
        #[arg(long)]
        abandon_phrases: bool,
    },
}

/// The option for the key file.
#[derive(Args)]
pub struct KeyFile {
    /// The server's secret keys [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeysCommand {
    pub async fn run(self, common: &CommonSettings, settings: ServeSettings) -> Result<()> {
        match self {
            Self::Init(file) => {
                refuse_variable()?;
                common.make_data_dir()?;
                let path = file.path(common, settings);
                let keys = Keys::load_or_create(&path, &SystemRandom)?;
                print_line(&format!("The keys are in {}.", path.display()))?;
                show(&keys)
            }
            Self::Show(file) => show(&file.read(common, settings)?),
            Self::Rotate(file) => {
                refuse_variable()?;
                let path = file.path(common, settings);
                let keys = Keys::rotate(&path, &SystemRandom).map_err(|error| missing_or(error, &path))?;
                show(&keys)?;
                print_line("Restart every server with these keys.")
            }
            Self::Export(file) => print_line(&file.read(common, settings)?.to_text().map_err(io::Error::from)?),
            Self::Import { file, abandon_phrases } => {
                import(common, file.path(common, settings), abandon_phrases).await
            }
        }
    }
}

impl KeyFile {
    fn path(&self, common: &CommonSettings, mut settings: ServeSettings) -> PathBuf {
        settings.key_file = self.key_file.clone().or(settings.key_file);
        settings.key_file(common)
    }

    fn read(&self, common: &CommonSettings, settings: ServeSettings) -> Result<Keys> {
        if let Some(keys) = from_environment()? {
            return Ok(keys);
        }
        let path = self.path(common, settings);
        let keys = Keys::load(&path).map_err(|error| missing_or(error, &path))?;
        warn_of_readers(&path);
        Ok(keys)
    }
}

/// The keys to serve with: from SOTTO_KEYS, for several nodes, or from the key file.
pub fn load(common: &CommonSettings, serving: &ServeSettings) -> Result<Keys> {
    if let Some(keys) = from_environment()? {
        return Ok(keys);
    }
    let path = serving.key_file(common);
    let keys = Keys::load_or_create(&path, &SystemRandom)?;
    warn_of_readers(&path);
    Ok(keys)
}

/// Warns if other users can read or change the key file. This is no error, because secrets in a container are often
/// readable for all of its users.
fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            tracing::warn!(
                "other users of this machine have access to the key file {path} (mode {mode:04o}), and can sign in as \
                 any user with its keys: chmod 600 {path}"
            );
        }
    }
}

/// Refuses keys if secret tags in the database need keys that they lack, because the phrases of those tags would no
/// longer work.
pub async fn ensure_phrases_work(storage: &dyn Storage, keys: &Keys, way_out: &str) -> Result<()> {
    let missing = keys.secret_tags.missing(&storage.secret_tags().server_keys().await?);
    if missing.is_empty() {
        return Ok(());
    }
    let fingerprints: Vec<String> = missing.iter().map(Fingerprint::to_string).collect();
    Err(CliError::Refused(format!(
        "secret tags in the database need OPAQUE keys that are missing here: {}. Restore the key file with these keys \
         from a backup. If there is none, the passphrases of these secret tags no longer work, and only their recovery \
         keys open them: {way_out}",
        fingerprints.join(", ")
    )))
}

async fn import(common: &CommonSettings, path: PathBuf, abandon_phrases: bool) -> Result<()> {
    refuse_variable()?;
    let mut text = String::new();
    io::stdin()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|error| CliError::Refused(format!("the keys could not be read from standard input: {error}")))?;
    let keys = Keys::parse(&text, "standard input")?;
    common.make_data_dir()?;
    announce(common, &common.database());
    // Before there is a database, no secret tag needs any key.
    if !abandon_phrases && ![State::Missing, State::Empty].contains(&state(common).await?) {
        expect_schema(common).await?;
        let storage = common.database().open().await?;
        let outcome =
            ensure_phrases_work(&*storage, &keys, "to continue with these keys, import them with --abandon-phrases")
                .await;
        storage.close().await;
        outcome?;
    }
    keys.store(&path)?;
    print_line(&format!("The keys are in {}.", path.display()))?;
    show(&keys)
}

/// Explains a missing key file, which is normal before the first start.
fn missing_or(error: KeysError, path: &Path) -> CliError {
    match error {
        KeysError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => CliError::Refused(format!(
            "there are no keys yet, because {} does not exist: `sotto serve` creates them at its first start, and \
             `sotto keys init` creates them now. If they are in another place, set --key-file or --data-dir",
            path.display()
        )),
        other => other.into(),
    }
}

fn show(keys: &Keys) -> Result<()> {
    print_line(&format!("{}  current", keys.secret_tags.current.fingerprint()))?;
    keys.secret_tags.former.iter().try_for_each(|keys| print_line(&format!("{}  former", keys.fingerprint())))
}

fn from_environment() -> Result<Option<Keys>> {
    let text = env::var(KEYS_VARIABLE).ok();
    Ok(text.map(|text| Keys::parse(&text, "the variable SOTTO_KEYS")).transpose()?)
}

fn refuse_variable() -> Result<()> {
    if env::var_os(KEYS_VARIABLE).is_some() {
        let message = "SOTTO_KEYS is set, so no key file is used: change the variable, or unset it";
        return Err(CliError::Refused(message.into()));
    }
    Ok(())
}
