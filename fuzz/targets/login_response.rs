#![no_main]

use sotto_crypto::message::LoginResponse;

sotto_fuzz::message!(LoginResponse, |_| {});
