//! `sotto keys`: the server's secret keys, for the operator.

use std::env;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use sotto_crypto::Fingerprint;
use sotto_domain::storage::Storage;
use sotto_server::Keys;
use sotto_server::system::SystemRandom;

use super::{ensure_schema, say};
use crate::error::{CliError, Result};
use crate::settings::{Common, Serving};

/// Holds the contents of a key file, instead of the file.
const VARIABLE: &str = "SOTTO_KEYS";

/// What to do with the keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make the key file, or add what an older one lacks. `sotto serve` does so by itself
    Init(KeyFile),
    /// Show the fingerprints of the OPAQUE keys, and nothing secret
    Show(KeyFile),
    /// Put new OPAQUE keys in front. The former ones are kept for the secret tags that were made with them, which move to the
    /// new ones when they are next opened. Restart every server afterwards
    Rotate(KeyFile),
    /// Print the contents of the key file, in one line, for SOTTO_KEYS on other servers. They are secret
    Export(KeyFile),
    /// Read what `export` printed from standard input, and make it the key file. Refused if secret tags depend on keys that
    /// are not in it
    Import {
        #[command(flatten)]
        file: KeyFile,
        /// Even if secret tags depend on keys that are not in it: those open by their recovery keys only from then on
        #[arg(long)]
        abandon_phrases: bool,
    },
}

/// Which file.
#[derive(Args)]
pub struct KeyFile {
    /// The server's secret keys [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeysCommand {
    /// Does it.
    pub async fn run(self, common: &Common, settings: Serving) -> Result<()> {
        match self {
            Self::Init(file) => {
                refuse_variable()?;
                common.make_data_dir()?;
                let path = file.path(common, settings);
                let keys = Keys::load_or_create(&path, &SystemRandom)?;
                say(&format!("The keys are in {}.", path.display()))?;
                show(&keys)
            }
            Self::Show(file) => show(&file.read(common, settings)?),
            Self::Rotate(file) => {
                refuse_variable()?;
                let keys = Keys::rotate(&file.path(common, settings), &SystemRandom)?;
                show(&keys)?;
                say("Restart every server with these keys.")
            }
            Self::Export(file) => say(&file.read(common, settings)?.to_text().map_err(io::Error::from)?),
            Self::Import { file, abandon_phrases } => {
                import(common, file.path(common, settings), abandon_phrases).await
            }
        }
    }
}

impl KeyFile {
    fn path(&self, common: &Common, mut settings: Serving) -> PathBuf {
        settings.key_file = self.key_file.clone().or(settings.key_file);
        settings.key_file(common)
    }

    fn read(&self, common: &Common, settings: Serving) -> Result<Keys> {
        Ok(given()?.map_or_else(|| Keys::load(&self.path(common, settings)), Ok)?)
    }
}

/// The keys to serve with: from the variable, for several nodes, or from the file.
pub fn load(common: &Common, serving: &Serving) -> Result<Keys> {
    Ok(given()?.map_or_else(|| Keys::load_or_create(&serving.key_file(common), &SystemRandom), Ok)?)
}

/// Refuses keys without which secret tags in the database can no longer be opened by their phrases.
pub async fn ensure_phrases_work(storage: &dyn Storage, keys: &Keys, way_out: &str) -> Result<()> {
    let missing = keys.secret_tags.missing(&storage.secret_tags().server_keys().await?);
    if missing.is_empty() {
        return Ok(());
    }
    let fingerprints: Vec<String> = missing.iter().map(Fingerprint::to_string).collect();
    Err(CliError::Refused(format!(
        "there are secret tags in the database that were made with OPAQUE keys that are not among these: {}. Restore the key file that has them from a backup. If there is none, no phrase opens these secret tags any more, but their owners' recovery keys do: {way_out}",
        fingerprints.join(", ")
    )))
}

async fn import(common: &Common, path: PathBuf, abandon_phrases: bool) -> Result<()> {
    refuse_variable()?;
    let mut text = String::new();
    io::stdin()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|error| CliError::Refused(format!("the keys could not be read from standard input: {error}")))?;
    let keys = Keys::parse(&text, "standard input")?;
    common.make_data_dir()?;
    if !abandon_phrases {
        ensure_schema(common, false).await?;
        let storage = common.database().open().await?;
        let outcome =
            ensure_phrases_work(&*storage, &keys, "to go on with these keys, import them with --abandon-phrases").await;
        storage.close().await;
        outcome?;
    }
    keys.store(&path)?;
    say(&format!("The keys are in {}.", path.display()))?;
    show(&keys)
}

fn show(keys: &Keys) -> Result<()> {
    say(&format!("{}  current", keys.secret_tags.current.fingerprint()))?;
    keys.secret_tags.former.iter().try_for_each(|keys| say(&format!("{}  former", keys.fingerprint())))
}

fn given() -> Result<Option<Keys>> {
    let text = env::var(VARIABLE).ok();
    Ok(text.map(|text| Keys::parse(&text, "the variable SOTTO_KEYS")).transpose()?)
}

fn refuse_variable() -> Result<()> {
    if env::var_os(VARIABLE).is_some() {
        let message = "SOTTO_KEYS is set, so no key file is used: change what it is set from, or unset it";
        return Err(CliError::Refused(message.into()));
    }
    Ok(())
}
