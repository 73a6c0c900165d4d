#![no_main]

use sotto_crypto::message::LoginRequest;
use sotto_crypto::server::ServerKeys;
use sotto_fuzz::{Counting, SCOPE};

sotto_fuzz::message!(LoginRequest, |request| {
    ServerKeys::generate(&Counting).start_login(SCOPE, None, &request, &Counting).unwrap();
});
