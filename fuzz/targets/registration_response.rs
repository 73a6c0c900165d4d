#![no_main]

use sotto_crypto::message::RegistrationResponse;

sotto_fuzz::message!(RegistrationResponse, |_| {});
