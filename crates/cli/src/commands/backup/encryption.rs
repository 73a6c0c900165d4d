//! Encrypts and decrypts backups in the format of age (<https://age-encryption.org/v1>), which the program `age` can
//! read as well.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::stream::StreamWriter;
use age::{Decryptor, Encryptor, Identity, IdentityFile, scrypt, x25519};
use clap::Args;
use sotto_storage::transfer::{Package, TransferError};

use crate::error::{CliError, Result};

/// The first bytes of an encrypted file.
const AGE_HEADER: &[u8; 21] = b"age-encryption.org/v1";
/// The highest accepted work factor of scrypt, as a power of 2, so that a malicious file cannot demand more than 4 GiB
/// of memory. The program `age` has the same limit.
const MAX_WORK_FACTOR: u8 = 22;

/// The shortest accepted passphrase, which is as long as the shortest password. An attacker with a copy of the backup
/// has unlimited time to guess.
const MIN_PASSPHRASE_CHARACTERS: usize = 8;

/// The options for encrypting a backup.
#[derive(Args)]
#[group(id = "encrypted", multiple = true)]
pub struct EncryptionArgs {
    /// Encrypt the backup for the owner of this public key (age1…, from age-keygen); may be repeated
    #[arg(long, value_name = "RECIPIENT", value_parser = parse_recipient)]
    encrypt_to: Vec<x25519::Recipient>,
    /// Encrypt the backup with a passphrase; asks for it twice
    #[arg(long, conflicts_with = "encrypt_to")]
    passphrase: bool,
    /// Encrypt the backup with a passphrase from the first line of standard input
    #[arg(long, conflicts_with_all = ["encrypt_to", "passphrase"])]
    passphrase_stdin: bool,
}

/// The options for decrypting a backup.
#[derive(Args)]
pub struct DecryptionArgs {
    /// The file with the secret key of an encrypted backup (AGE-SECRET-KEY-1…, from age-keygen); may be repeated
    #[arg(long, short, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// Read the passphrase of an encrypted backup from the first line of standard input, instead of asking
    #[arg(long)]
    passphrase_stdin: bool,
}

/// How a backup is encrypted.
pub enum Encryption {
    /// Not encrypted.
    None,
    /// Encrypted for the owners of these keys.
    ToKeys(Vec<x25519::Recipient>),
    /// Encrypted with a passphrase.
    Passphrase(SecretString),
}

/// The output of a backup, encrypted or plain.
pub enum Output<W: Write> {
    Plain(W),
    Encrypted(StreamWriter<W>),
}

impl EncryptionArgs {
    /// Whether encryption was requested.
    pub fn is_requested(&self) -> bool {
        !self.encrypt_to.is_empty() || self.passphrase || self.passphrase_stdin
    }

    /// Returns the requested encryption; asks for the passphrase if necessary.
    pub fn encryption(&self) -> Result<Encryption> {
        if self.passphrase || self.passphrase_stdin {
            let passphrase = read_passphrase(self.passphrase_stdin, true)?;
            if passphrase.expose_secret().chars().count() < MIN_PASSPHRASE_CHARACTERS {
                return Err(CliError::Refused(format!(
                    "the passphrase is too short: use {MIN_PASSPHRASE_CHARACTERS} characters or more, such as four words"
                )));
            }
            return Ok(Encryption::Passphrase(passphrase));
        }
        Ok(if self.encrypt_to.is_empty() { Encryption::None } else { Encryption::ToKeys(self.encrypt_to.clone()) })
    }
}

impl Encryption {
    /// Wraps `out` in the encryption.
    pub fn wrap<W: Write>(&self, out: W, path: &Path) -> Result<Output<W>> {
        let encryptor = match self {
            Self::None => return Ok(Output::Plain(out)),
            Self::Passphrase(passphrase) => Encryptor::with_user_passphrase(passphrase.clone()),
            Self::ToKeys(recipients) => {
                Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
                    .map_err(|error| CliError::Refused(format!("the backup cannot be encrypted: {error}")))?
            }
        };
        Ok(Output::Encrypted(encryptor.wrap_output(out).map_err(|error| cannot_write(path, error))?))
    }
}

impl<W: Write> Output<W> {
    /// Writes the last bytes and returns the inner output.
    pub fn finish(self, path: &Path) -> Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Encrypted(out) => {
                let mut out = out.finish().map_err(|error| cannot_write(path, error))?;
                out.flush().map_err(|error| cannot_write(path, error))?;
                Ok(out)
            }
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Encrypted(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Encrypted(out) => out.flush(),
        }
    }
}

impl DecryptionArgs {
    /// Opens the backup at `source`, decrypting it if necessary.
    pub fn package(&self, source: &Path) -> Result<Package> {
        let refused = |reason: String| CliError::Refused(format!("the backup {} {reason}", source.display()));
        if source.is_dir() || !is_encrypted(source).map_err(|error| refused(format!("cannot be read: {error}")))? {
            return Ok(Package::from_path(source));
        }
        let open = |path: &Path| Decryptor::new_buffered(BufReader::new(File::open(path)?)).map_err(io::Error::other);
        let with_passphrase =
            open(source).map_err(|error| refused(format!("cannot be decrypted: {error}")))?.is_scrypt();
        let identities: Arc<Vec<Box<dyn Identity + Send + Sync>>> = Arc::new(if with_passphrase {
            let mut identity = scrypt::Identity::new(read_passphrase(self.passphrase_stdin, false)?);
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            vec![Box::new(identity)]
        } else {
            self.identities(source)?
        });
        let path = source.to_owned();
        let package = Package::archive(source.display().to_string(), move || {
            let identities = identities.iter().map(|identity| &**identity as &dyn Identity);
            let plain = open(&path)?.decrypt(identities).map_err(io::Error::other)?;
            Ok(Box::new(BufReader::new(plain)))
        });
        Ok(package)
    }

    fn identities(&self, source: &Path) -> Result<Vec<Box<dyn Identity + Send + Sync>>> {
        if self.identity.is_empty() {
            return Err(CliError::Refused(format!(
                "the backup {} is encrypted: pass the file with the secret key with --identity",
                source.display()
            )));
        }
        let mut identities = Vec::new();
        for path in &self.identity {
            let read = IdentityFile::from_file(path.display().to_string());
            let file =
                read.map_err(|error| TransferError::File { path: path.clone(), doing: "read", source: error })?;
            let found = file.into_identities();
            identities.extend(found.map_err(|error| CliError::Refused(format!("{}: {error}", path.display())))?);
        }
        Ok(identities)
    }
}

fn is_encrypted(source: &Path) -> io::Result<bool> {
    let mut header = Vec::new();
    File::open(source)?.take(AGE_HEADER.len() as u64).read_to_end(&mut header)?;
    Ok(header == AGE_HEADER)
}

fn parse_recipient(text: &str) -> std::result::Result<x25519::Recipient, String> {
    text.parse().map_err(|why| format!("expected a public key that begins with age1, as age-keygen prints it ({why})"))
}

fn read_passphrase(from_stdin: bool, twice: bool) -> Result<SecretString> {
    let passphrase = if from_stdin {
        let mut text = String::new();
        // Far more than a passphrase needs; the limit bounds the memory.
        io::stdin().take(4096).read_to_string(&mut text).map_err(CliError::Password)?;
        text.lines().next().unwrap_or_default().to_owned()
    } else if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Passphrase: ").map_err(CliError::Password)?;
        if twice && rpassword::prompt_password("Again: ").map_err(CliError::Password)? != first {
            return Err(CliError::Refused("the two passphrases differ".into()));
        }
        first
    } else {
        return Err(CliError::Refused("there is no terminal to ask for the passphrase: use --passphrase-stdin".into()));
    };
    if passphrase.is_empty() {
        return Err(CliError::Refused("the passphrase is empty".into()));
    }
    Ok(SecretString::from(passphrase))
}

fn cannot_write(path: &Path, source: io::Error) -> CliError {
    TransferError::File { path: path.to_owned(), doing: "written", source }.into()
}
