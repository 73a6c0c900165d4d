//! Backups that only some can read, in the format of age (<https://age-encryption.org/v1>): the program `age` opens them.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use age::{Decryptor, Encryptor, Identity, IdentityFile, scrypt, x25519};
use clap::Args;
use sotto_storage::transfer::{Package, TransferError};

use crate::error::{CliError, Result};

/// What an encrypted file begins with.
const BEGINNING: &[u8; 21] = b"age-encryption.org/v1";
/// The most that opening may cost: 2 to this power of blocks, 4 GiB of memory. The program `age` has the same bound.
const HARDEST_PASSPHRASE: u8 = 22;

/// How to encrypt.
#[derive(Args)]
#[group(id = "encrypted", multiple = true)]
pub struct Lock {
    /// Encrypt it so that only the owner of this public key can read it (age1…, from age-keygen); may be repeated
    #[arg(long, value_name = "RECIPIENT", value_parser = recipient)]
    encrypt_to: Vec<x25519::Recipient>,
    /// Encrypt it with a passphrase, which is asked for twice
    #[arg(long, conflicts_with = "encrypt_to")]
    passphrase: bool,
    /// Encrypt it with a passphrase, which is the first line of standard input
    #[arg(long, conflicts_with_all = ["encrypt_to", "passphrase"])]
    passphrase_stdin: bool,
}

/// How to decrypt.
#[derive(Args)]
pub struct Unlocking {
    /// For an encrypted one: a file with the secret key (AGE-SECRET-KEY-1…, from age-keygen); may be repeated
    #[arg(long, short, value_name = "FILE")]
    identity: Vec<PathBuf>,
    /// For one that is encrypted with a passphrase: read it from standard input, its first line, instead of asking
    #[arg(long)]
    passphrase_stdin: bool,
}

/// For whom a backup is.
pub enum Sealed {
    /// Everybody who has the file.
    Open,
    /// The owners of these keys.
    To(Vec<x25519::Recipient>),
    /// Those who know this.
    With(SecretString),
}

/// Where a backup is written to, through an encryption or not.
pub enum Output<W: Write> {
    Open(W),
    Sealed(StreamWriter<W>),
}

impl Lock {
    /// Whether a backup is to be encrypted.
    pub fn is_asked_for(&self) -> bool {
        !self.encrypt_to.is_empty() || self.passphrase || self.passphrase_stdin
    }

    /// Asks for what is needed.
    pub fn sealed(&self) -> Result<Sealed> {
        if self.passphrase || self.passphrase_stdin {
            return Ok(Sealed::With(ask(self.passphrase_stdin, true)?));
        }
        Ok(if self.encrypt_to.is_empty() { Sealed::Open } else { Sealed::To(self.encrypt_to.clone()) })
    }
}

impl Sealed {
    /// A way to `out` for plain bytes.
    pub fn around<W: Write>(&self, out: W, path: &Path) -> Result<Output<W>> {
        let encryptor = match self {
            Self::Open => return Ok(Output::Open(out)),
            Self::With(passphrase) => Encryptor::with_user_passphrase(passphrase.clone()),
            Self::To(recipients) => {
                Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
                    .map_err(|error| CliError::Refused(format!("the backup cannot be encrypted: {error}")))?
            }
        };
        Ok(Output::Sealed(encryptor.wrap_output(out).map_err(|error| unwritten(path, error))?))
    }
}

impl<W: Write> Output<W> {
    /// Writes the last bytes, and hands back where they went.
    pub fn finish(self, path: &Path) -> Result<W> {
        match self {
            Self::Open(out) => Ok(out),
            Self::Sealed(out) => {
                let mut out = out.finish().map_err(|error| unwritten(path, error))?;
                out.flush().map_err(|error| unwritten(path, error))?;
                Ok(out)
            }
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(out) => out.write(bytes),
            Self::Sealed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(out) => out.flush(),
            Self::Sealed(out) => out.flush(),
        }
    }
}

impl Unlocking {
    /// The backup at `source`, through a decryption if it needs one.
    pub fn package(&self, source: &Path) -> Result<Package> {
        let cannot = |reason: String| CliError::Refused(format!("the backup {} {reason}", source.display()));
        if source.is_dir() || !is_encrypted(source).map_err(|error| cannot(format!("cannot be read: {error}")))? {
            return Ok(Package::at(source));
        }
        let open = |path: &Path| Decryptor::new_buffered(BufReader::new(File::open(path)?)).map_err(io::Error::other);
        let with_passphrase =
            open(source).map_err(|error| cannot(format!("cannot be decrypted: {error}")))?.is_scrypt();
        let identities: Arc<Vec<Box<dyn Identity + Send + Sync>>> = Arc::new(if with_passphrase {
            let mut identity = scrypt::Identity::new(ask(self.passphrase_stdin, false)?);
            identity.set_max_work_factor(HARDEST_PASSPHRASE);
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
                "the backup {} is encrypted: name the file with the secret key with --identity",
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
    let mut beginning = Vec::new();
    File::open(source)?.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning == BEGINNING)
}

fn recipient(text: &str) -> std::result::Result<x25519::Recipient, String> {
    text.parse().map_err(|why| format!("it is a public key that begins with age1, as age-keygen prints it ({why})"))
}

fn ask(from_stdin: bool, twice: bool) -> Result<SecretString> {
    let passphrase = if from_stdin {
        let mut text = String::new();
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

fn unwritten(path: &Path, source: io::Error) -> CliError {
    TransferError::File { path: path.to_owned(), doing: "written", source }.into()
}
