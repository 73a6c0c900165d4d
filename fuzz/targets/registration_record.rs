#![no_main]

use sotto_crypto::client::{Login, Phrase};
use sotto_crypto::message::RegistrationRecord;
use sotto_crypto::server::ServerKeys;
use sotto_fuzz::{Counting, SCOPE};

// What a client stores must not make later logins fail on the server.
sotto_fuzz::message!(RegistrationRecord, |record| {
    let (request, _) = Login::start(SCOPE, Phrase::new("x").unwrap(), &Counting).unwrap();
    ServerKeys::generate(&Counting).start_login(SCOPE, Some(&record), &request, &Counting).unwrap();
});
