#![no_main]

use sotto_crypto::client::{Login, Phrase};
use sotto_crypto::message::LoginFinish;
use sotto_crypto::server::ServerKeys;
use sotto_fuzz::{Counting, SCOPE};

sotto_fuzz::message!(LoginFinish, |finish| {
    let (request, _) = Login::start(SCOPE, Phrase::new("x").unwrap(), &Counting).unwrap();
    let keys = ServerKeys::generate(&Counting);
    let (_, pending) = keys.start_login(SCOPE, None, &request, &Counting).unwrap();
    assert!(pending.finish(&finish).is_err());
});
