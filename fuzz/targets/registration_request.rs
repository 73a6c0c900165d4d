#![no_main]

use sotto_crypto::message::RegistrationRequest;
use sotto_crypto::server::ServerKeys;
use sotto_fuzz::{Counting, SCOPE};

sotto_fuzz::message!(RegistrationRequest, |request| {
    ServerKeys::generate(&Counting).register(SCOPE, &request).unwrap();
});
