//! `sotto user`: commands for accounts.

use std::io::{self, IsTerminal, Read};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use sotto_domain::account::{
    self, AccountPatch, Administered, Email, GivenAddress, NewUser, Owner, Password, Revoked, User, UserQuery,
};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::text::{Check, Violations};
use sotto_domain::{Clock, Flaw, UserId, Zone};
use sotto_server::audit::{self, Event, Unstored};
use sotto_server::auth::{addresses, password};
use sotto_server::system::{SystemClock, SystemRandom};

use super::{announce, expect_schema, print_json, print_line};
use crate::attachments::AttachmentLocation;
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The commands for accounts.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Create an account
    Create {
        /// The email address to sign in with
        email: String,
        /// The user's name
        #[arg(long)]
        name: Option<String>,
        /// Make the account a superuser, who can administer this server
        #[arg(long)]
        superuser: bool,
        /// The user's time zone, such as Europe/Berlin
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        time_zone: String,
        /// Read the password from the first line of standard input, instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all accounts
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Deactivate an account within seconds. Its data is kept
    Deactivate {
        /// The account's email address
        email: String,
    },
    /// Activate an account again
    Activate {
        /// The account's email address
        email: String,
    },
    /// Make an account a superuser, who can administer this server
    Promote {
        /// The account's email address
        email: String,
    },
    /// Make a superuser an ordinary account. Refused for the only active superuser
    Demote {
        /// The account's email address
        email: String,
    },
    /// Delete an account with all its data: entries, tags, reminders and recordings. Refused for the only active
    /// superuser. Backups are not changed
    Delete {
        /// The account's email address
        email: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Say that the address of an account is known to be its user's, so that a provider that has verified the same
    /// address signs in to the account
    Verify {
        /// The account's email address
        email: String,
    },
    /// Set the password of an account, and end all its sessions. This also deletes its API tokens and identities at
    /// providers, so that the new password is the only way into the account
    SetPassword {
        /// The account's email address
        email: String,
        /// Whether to delete API tokens and identities too
        #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set)]
        revoke_all: bool,
        /// Read the password from the first line of standard input, instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
}

impl UserCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        announce(common, &common.database());
        expect_schema(common).await?;
        let storage = common.database().open().await?;
        let outcome = self.run_with_storage(&storage, common).await;
        storage.close().await;
        outcome
    }

    async fn run_with_storage(self, storage: &Arc<dyn Storage>, common: &CommonSettings) -> Result<()> {
        let users = storage.users();
        let audit = Audit { storage, addresses: common.audit_addresses() };
        match self {
            Self::Create { email, name, superuser, time_zone, password_stdin } => {
                let (email, full_name, time_zone) =
                    parse_account(&email, name.as_deref(), &time_zone).map_err(refused)?;
                let owner = Owner { email: email.as_str(), full_name: full_name.as_deref() };
                let password_hash = Some(hash(&ask_password(password_stdin, owner)?)?);
                let id = UserId::new(&SystemClock, &SystemRandom);
                let is_superuser = superuser;
                // The operator knows whose address it is.
                let new =
                    NewUser { id, email, email_verified: true, password_hash, full_name, is_superuser, time_zone };
                let created = async {
                    addresses::expect_no_earlier_form(users, &new.email, None).await?;
                    users.create(&new, None, SystemClock.now()).await
                };
                match created.await {
                    Ok(user) => {
                        audit.record(Event::unstored(Some(user.id), Unstored::AccountCreated)).await;
                        print_line(&format!("{} can now sign in.", user.email.as_str()))
                    }
                    Err(StorageError::Conflict { .. }) => {
                        Err(CliError::Refused(format!("{} already has an account", new.email.as_str())))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Self::List { json } => list(storage, json).await,
            Self::Deactivate { email } => {
                let user = find(storage, &email).await?;
                users.set_active(user.id, false, SystemClock.now()).await?;
                audit.change(&user, user.is_active, SecurityEventKind::AccountDeactivated).await;
                print_line(&format!("{} is deactivated.", user.email.as_str()))
            }
            Self::Activate { email } => {
                let user = find(storage, &email).await?;
                users.set_active(user.id, true, SystemClock.now()).await?;
                audit.change(&user, !user.is_active, SecurityEventKind::AccountActivated).await;
                print_line(&format!("{} can sign in again.", user.email.as_str()))
            }
            Self::Promote { email } => {
                let user = find(storage, &email).await?;
                administer(storage, &user, true).await?;
                audit.change(&user, !user.is_superuser, SecurityEventKind::SuperuserGranted).await;
                print_line(&format!("{} is a superuser.", user.email.as_str()))
            }
            Self::Demote { email } => {
                let user = find(storage, &email).await?;
                administer(storage, &user, false).await?;
                audit.change(&user, user.is_superuser, SecurityEventKind::SuperuserRevoked).await;
                print_line(&format!("{} is an ordinary account.", user.email.as_str()))
            }
            Self::Delete { email, yes } => {
                let user = find(storage, &email).await?;
                delete(storage, &user, &common.attachments(), yes).await?;
                let deleted = Event::unstored(Some(user.id), Unstored::AccountDeleted);
                audit.record(deleted.with_address(&user.email)).await;
                print_line(&format!("{} and all its data have been deleted.", user.email.as_str()))
            }
            Self::Verify { email } => {
                let user = find(storage, &email).await?;
                let verified = users.verify_email(user.id, &user.email, SystemClock.now()).await?;
                if !verified && user.email_verified_at.is_none() {
                    return Err(CliError::Refused(format!("{} was changed in the meantime", user.email.as_str())));
                }
                audit.change(&user, verified, SecurityEventKind::EmailVerified).await;
                print_line(&format!("{} is verified.", user.email.as_str()))
            }
            Self::SetPassword { email, revoke_all, password_stdin } => {
                let user = find(storage, &email).await?;
                let hash = hash(&ask_password(password_stdin, Owner::of(&user))?)?;
                set_password(storage, &user, &hash, revoke_all).await?;
                audit.change(&user, true, SecurityEventKind::PasswordResetByOperator).await;
                Ok(())
            }
        }
    }
}

/// Writes to the audit log what the command does.
struct Audit<'a> {
    storage: &'a Arc<dyn Storage>,
    addresses: bool,
}

impl Audit<'_> {
    /// Records a change of an account, unless the account was like that before.
    async fn change(&self, user: &User, is_change: bool, kind: SecurityEventKind) {
        if is_change {
            self.record(Event::of(user.id, kind)).await;
        }
    }

    /// The command has done its work, so a failure to store the event does not fail it.
    async fn record(&self, event: Event<'_>) {
        let recorded =
            audit::record_of_operator(&**self.storage, &SystemClock, &SystemRandom, self.addresses, event).await;
        if let Err(error) = recorded {
            tracing::warn!(%error, "a security event could not be stored");
        }
    }
}

async fn set_password(
    storage: &Arc<dyn Storage>,
    user: &User,
    hash: &account::PasswordHash,
    revoke_all: bool,
) -> Result<()> {
    let (users, email, now) = (storage.users(), user.email.as_str(), SystemClock.now());
    if !revoke_all {
        users.set_password(user.id, hash, None, false, now).await?;
        return print_line(&format!(
            "{email} has a new password; all its sessions have ended. Its API tokens and identities are kept."
        ));
    }
    let revoked = users.reset_credentials(user.id, hash, now).await?;
    let Revoked { sessions, api_tokens, identities } =
        revoked.ok_or_else(|| CliError::Refused(format!("{email} was deleted in the meantime")))?;
    print_line(&format!(
        "{email} has a new password. Sessions ended: {sessions}; API tokens deleted: {api_tokens}; identities at \
         providers unlinked: {identities}."
    ))
}

async fn list(storage: &Arc<dyn Storage>, as_json: bool) -> Result<()> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|user: &User| user.email.clone());
        let page = storage.users().list(&UserQuery { after, limit: 1000, search: None }).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if as_json {
        let users = all.iter().map(|user| {
            json!({
                "id": user.id, "email": user.email.as_str(), "email_verified": user.email_verified_at.is_some(),
                "full_name": user.full_name, "is_active": user.is_active, "is_superuser": user.is_superuser, "time_zone": user.time_zone.name(), "created_at": user.created_at,
            })
        });
        return print_json(&users.collect());
    }
    let width = all.iter().map(|user| user.email.as_str().chars().count()).max().unwrap_or_default();
    for user in &all {
        let unverified = user.email_verified_at.is_none();
        let labels =
            [(user.is_superuser, "superuser"), (!user.is_active, "deactivated"), (unverified, "address not verified")];
        let labels: Vec<_> = labels.into_iter().filter_map(|(applies, label)| applies.then_some(label)).collect();
        let line = format!("{:width$}  since {}  {}", user.email.as_str(), user.created_at, labels.join(", "));
        print_line(line.trim_end())?;
    }
    if all.is_empty() { print_line("There are no accounts yet.") } else { Ok(()) }
}

async fn administer(storage: &Arc<dyn Storage>, user: &User, is_superuser: bool) -> Result<()> {
    let patch = AccountPatch { is_superuser: Some(is_superuser), ..AccountPatch::default() };
    expect_done(storage.users().administer(user.id, &patch, SystemClock.now()).await?, user).map(drop)
}

/// Deletes the account's rows and then its recordings, as the server does. So the store must be available before
/// anything is deleted.
async fn delete(storage: &Arc<dyn Storage>, user: &User, location: &AttachmentLocation, yes: bool) -> Result<()> {
    let bytes = storage.attachments().usage(user.id).await?;
    let recordings = match location {
        AttachmentLocation::Folder(folder) if !folder.is_dir() => {
            if bytes > 0 {
                return Err(CliError::Refused(format!(
                    "{} has {bytes} bytes of recordings, but {location} is not a folder: set --attachments to their \
                     location",
                    user.email.as_str()
                )));
            }
            None
        }
        _ => Some(location.recordings().await?),
    };
    if !yes {
        ask_for_confirmation(user)?;
    }
    expect_done(storage.users().delete(user.id).await?, user)?;
    if let Some(recordings) = recordings {
        recordings.delete_all(user.id).await;
    }
    Ok(())
}

fn ask_for_confirmation(user: &User) -> Result<()> {
    let email = user.email.as_str();
    if !io::stdin().is_terminal() {
        return Err(CliError::Refused(format!("there is no terminal to confirm the deletion of {email}: add --yes")));
    }
    print_line(&format!(
        "This deletes {email} with all its entries, tags, reminders and recordings. Type the address to confirm:"
    ))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case(email) {
        return Ok(());
    }
    Err(CliError::Refused("the address differs: nothing was deleted".into()))
}

fn expect_done<T>(outcome: Administered<T>, user: &User) -> Result<T> {
    let email = user.email.as_str();
    match outcome {
        Administered::Done(done) => Ok(done),
        Administered::Missing => Err(CliError::Refused(format!("{email} was deleted in the meantime"))),
        Administered::LastSuperuser => Err(CliError::Refused(format!(
            "{email} is the only active superuser, and nobody else could administer this server: promote another \
             account first with `sotto user promote`"
        ))),
    }
}

async fn find(storage: &Arc<dyn Storage>, email: &str) -> Result<User> {
    let Some(given) = GivenAddress::parse(email) else {
        return Err(CliError::Refused(format!("{email} {}", Flaw::NotAnEmail)));
    };
    let found = addresses::find(storage.users(), &given).await?;
    found.map(|found| found.user).ok_or_else(|| CliError::Refused(format!("{} has no account", given.email.as_str())))
}

fn parse_account(
    email: &str,
    name: Option<&str>,
    time_zone: &str,
) -> std::result::Result<(Email, Option<String>, Zone), Violations> {
    let mut check = Check::default();
    let email = check.accept("the address", Email::parse(email));
    let name = name.and_then(|name| check.accept("the name", account::full_name(name)));
    let zone = check.accept("the time zone", account::zone(time_zone));
    check.finish(email.zip(zone).map(|(email, zone)| (email, name, zone)))
}

fn ask_password(from_stdin: bool, owner: Owner<'_>) -> Result<Password> {
    let text = if from_stdin {
        let mut text = String::new();
        // Far more than a password needs; the limit bounds the memory.
        io::stdin().take(4096).read_to_string(&mut text).map_err(CliError::Password)?;
        text.lines().next().unwrap_or_default().to_owned()
    } else if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").map_err(CliError::Password)?;
        let second = rpassword::prompt_password("Again: ").map_err(CliError::Password)?;
        if first != second {
            return Err(CliError::Refused("the two passwords differ".into()));
        }
        first
    } else {
        return Err(CliError::Refused("there is no terminal to ask for the password: use --password-stdin".into()));
    };
    Password::parse(&text, owner).map_err(|message| CliError::Refused(format!("the password {message}")))
}

fn hash(password: &Password) -> Result<account::PasswordHash> {
    password::hash(password, &SystemRandom)
        .map_err(|error| CliError::Refused(format!("the password was not hashed: {error:?}")))
}

fn refused(violations: Violations) -> CliError {
    CliError::Refused(violations.to_string())
}
