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
            /// Creates a time-ordered id (UUID version 7), so that new rows are added at the end of an index.
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
    /// A user.
    UserId
);
id!(
    /// An entry. Clients can choose the id, so that a repeated create is harmless.
    EntryId
);
id!(
    /// An attachment of an entry.
    AttachmentId
);
id!(
    /// The store identity that a database shares with its attachment store.
    StoreId
);
id!(
    /// A tag of one user.
    TagId
);
id!(
    /// A secret tag.
    SecretTagId
);
id!(
    /// A reminder.
    ReminderId
);
id!(
    /// A session, from sign-in to sign-out. All refresh tokens of a session share it.
    SessionId
);
id!(
    /// An OPAQUE session: an attempt to unlock a secret tag, and the unlock that follows.
    OpaqueSessionId
);
id!(
    /// The link between an account and a subject at a provider.
    IdentityId
);
id!(
    /// An API token.
    ApiTokenId
);
id!(
    /// A security event.
    SecurityEventId
);

fn new_uuid(clock: &dyn Clock, random: &dyn Random) -> Uuid {
    let mut tail = [0; 10];
    random.fill(&mut tail);
    let millis = u64::try_from(clock.now().as_micros() / 1000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}
