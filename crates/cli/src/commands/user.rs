//! `sotto user`: accounts, for the operator.

use std::io::{self, IsTerminal, Read};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use sotto_domain::account::{self, Email, NewUser, Password, User, UserQuery};
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::text::{Check, Violations};
use sotto_domain::{Clock, UserId, Zone};
use sotto_server::password;
use sotto_server::system::{SystemClock, SystemRandom};

use super::{ensure_schema, say, say_json};
use crate::error::{CliError, Result};
use crate::settings::Common;

/// What to do with accounts.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Make an account
    Create {
        /// What to sign in with
        email: String,
        /// How they want to be called
        #[arg(long)]
        name: Option<String>,
        /// They administer this server
        #[arg(long)]
        superuser: bool,
        /// Where "today" is for them, such as Europe/Berlin
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        time_zone: String,
        /// Read the password from standard input, its first line, instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts
    List {
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Lock somebody out, within seconds; what they wrote stays
    Deactivate {
        /// Whom
        email: String,
    },
    /// Let somebody in again
    Activate {
        /// Whom
        email: String,
    },
    /// Set somebody's password, which ends all their logins
    SetPassword {
        /// Whose
        email: String,
        /// Read the password from standard input, its first line, instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
}

impl UserCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        common.make_data_dir()?;
        ensure_schema(common, false).await?;
        let storage = common.database().open().await?;
        let outcome = self.carry_out(&storage).await;
        storage.close().await;
        outcome
    }

    async fn carry_out(self, storage: &Arc<dyn Storage>) -> Result<()> {
        let users = storage.users();
        match self {
            Self::Create { email, name, superuser, time_zone, password_stdin } => {
                let (email, full_name, time_zone) =
                    parse_account(&email, name.as_deref(), &time_zone).map_err(refused)?;
                let password_hash = Some(hash(&ask_password(password_stdin)?)?);
                let id = UserId::new(&SystemClock, &SystemRandom);
                let new = NewUser { id, email, password_hash, full_name, is_superuser: superuser, time_zone };
                match users.create(&new, SystemClock.now()).await {
                    Ok(user) => say(&format!("{} can sign in now.", user.email.as_str())),
                    Err(StorageError::Conflict { .. }) => {
                        Err(CliError::Refused(format!("{} has an account already", new.email.as_str())))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Self::List { json } => list(storage, json).await,
            Self::Deactivate { email } => {
                let user = find(storage, &email).await?;
                users.set_active(user.id, false, SystemClock.now()).await?;
                say(&format!("{} is locked out.", user.email.as_str()))
            }
            Self::Activate { email } => {
                let user = find(storage, &email).await?;
                users.set_active(user.id, true, SystemClock.now()).await?;
                say(&format!("{} can sign in again.", user.email.as_str()))
            }
            Self::SetPassword { email, password_stdin } => {
                let user = find(storage, &email).await?;
                let hash = hash(&ask_password(password_stdin)?)?;
                users.set_password(user.id, &hash, None, SystemClock.now()).await?;
                say(&format!("{} has a new password; all their logins have ended.", user.email.as_str()))
            }
        }
    }
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
                "id": user.id, "email": user.email.as_str(), "full_name": user.full_name, "is_active": user.is_active,
                "is_superuser": user.is_superuser, "time_zone": user.time_zone.name(), "created_at": user.created_at,
            })
        });
        return say_json(&users.collect());
    }
    let width = all.iter().map(|user| user.email.as_str().chars().count()).max().unwrap_or_default();
    for user in &all {
        let marks = [(user.is_superuser, "superuser"), (!user.is_active, "deactivated")];
        let marks: Vec<_> = marks.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect();
        let line = format!("{:width$}  since {}  {}", user.email.as_str(), user.created_at, marks.join(", "));
        say(line.trim_end())?;
    }
    if all.is_empty() { say("There are no accounts yet.") } else { Ok(()) }
}

async fn find(storage: &Arc<dyn Storage>, email: &str) -> Result<User> {
    let parsed = Email::parse(email).map_err(|message| CliError::Refused(format!("{email} {message}")))?;
    let found = storage.users().credentials(&parsed).await?;
    found.map(|found| found.user).ok_or_else(|| CliError::Refused(format!("{} has no account", parsed.as_str())))
}

fn parse_account(
    email: &str,
    name: Option<&str>,
    time_zone: &str,
) -> std::result::Result<(Email, Option<String>, Zone), Violations> {
    let mut check = Check::default();
    let email = check.take("the address", Email::parse(email));
    let name = name.and_then(|name| check.take("the name", account::full_name(name)));
    let zone = check.take("the time zone", account::zone(time_zone));
    check.finish((|| Some((email?, name, zone?)))())
}

fn ask_password(from_stdin: bool) -> Result<Password> {
    let text = if from_stdin {
        let mut text = String::new();
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
    Password::parse(text).map_err(|message| CliError::Refused(format!("the password {message}")))
}

fn hash(password: &Password) -> Result<account::PasswordHash> {
    password::hash(password, &SystemRandom)
        .map_err(|error| CliError::Refused(format!("the password was not hashed: {error:?}")))
}

fn refused(violations: Violations) -> CliError {
    CliError::Refused(violations.to_string())
}
