//! Identifiers. Each is a UUID (RFC 9562) of its own type, so that one cannot be passed for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::clock::{Clock, Random};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new time-ordered id (UUIDv7): new rows land at the end of an index.
            pub fn new(clock: &dyn Clock, random: &dyn Random) -> Self {
                Self(new_uuid(clock, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// Whose journal it is.
    UserId
);
id!(
    /// A journal entry. Clients may make their own, so that a repeated create is harmless.
    EntryId
);
id!(
    /// A recording, which belongs to an entry.
    AttachmentId
);
id!(
    /// A tag of one user.
    TagId
);
id!(
    /// A secret tag: entries under it are encrypted in the browser.
    SecretTagId
);
id!(
    /// A reminder to write.
    ReminderId
);
id!(
    /// A login, from sign-in to sign-out; refresh tokens of one login share it.
    SessionId
);
id!(
    /// An exchange that opens a secret tag, and the open secret tag after it.
    OpaqueSessionId
);
id!(
    /// What links an account to somebody at an identity provider.
    IdentityId
);
id!(
    /// A personal API token.
    ApiTokenId
);

fn new_uuid(clock: &dyn Clock, random: &dyn Random) -> Uuid {
    let mut tail = [0; 10];
    random.fill(&mut tail);
    let millis = u64::try_from(clock.now().as_micros() / 1000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}
