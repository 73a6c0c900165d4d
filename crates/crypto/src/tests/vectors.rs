//! The ristretto255 test vectors of RFC 9807 through the public interface. Random values are played back in the order
//! in which opaque-ke draws them. A scalar is drawn as 64 bytes and reduced, so zeros follow its 32 bytes.

use serde_json::Value;

use super::{Tape, unhex};
use crate::Binding;
use crate::client::{Login, Phrase, Registration};
use crate::message::{LoginRequest, RegistrationRecord};
use crate::server::ServerKeys;

const CONTEXT: &[u8] = b"OPAQUE-POC";
const ZEROS: [u8; 64] = [0; 64];

struct Vector(Value);

impl Vector {
    fn all(fake: bool) -> Vec<Self> {
        let file: Value = serde_json::from_str(include_str!("../../tests/vectors/opaque-rfc9807.json")).unwrap();
        let vectors = file.as_array().unwrap().iter().filter(|vector| {
            let config = &vector["config"];
            config["Group"] == "ristretto255" && config["Fake"] == if fake { "True" } else { "False" }
        });
        vectors.map(|vector| Self(vector.clone())).collect()
    }

    fn input(&self, name: &str) -> Vec<u8> {
        unhex(self.0["inputs"][name].as_str().unwrap_or_else(|| panic!("{name}")))
    }

    fn output(&self, name: &str) -> Vec<u8> {
        unhex(self.0["outputs"][name].as_str().unwrap_or_else(|| panic!("{name}")))
    }

    fn binding(&self) -> Binding {
        assert_eq!(unhex(self.0["config"]["Context"].as_str().unwrap()), CONTEXT);
        let identity = |name: &str| self.0["inputs"][name].as_str().map(unhex);
        Binding {
            credential_identifier: self.input("credential_identifier"),
            client: identity("client_identity"),
            server: identity("server_identity"),
            context: CONTEXT,
            stretch: false,
        }
    }

    fn phrase(&self) -> Phrase {
        Phrase::new(&String::from_utf8(self.input("password")).unwrap()).unwrap()
    }

    /// `fake` is the input for the public key of users that do not exist.
    fn keys(&self, fake: &str) -> ServerKeys {
        let stored = [self.input("oprf_seed"), self.input("server_private_key"), self.input(fake)].concat();
        let keys = ServerKeys::from_bytes(&stored).unwrap();
        assert_eq!(keys.to_bytes().as_slice(), stored);
        keys
    }
}

#[test]
fn real_vectors() {
    let vectors = Vector::all(false);
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let keys = vector.keys("server_public_key");

        let tape = Tape::new(&[&vector.input("blind_registration"), &ZEROS[..32], &vector.input("envelope_nonce")]);
        let (request, registration) = Registration::start(vector.binding(), vector.phrase(), &tape).unwrap();
        assert_eq!(request.to_bytes().as_slice(), vector.output("registration_request"));
        let response = keys.register(vector.binding(), &request).unwrap();
        assert_eq!(response.to_bytes().as_slice(), vector.output("registration_response"));
        let registered = registration.finish(&response, &tape).unwrap();
        assert_eq!(registered.record.to_bytes().as_slice(), vector.output("registration_upload"));
        assert_eq!(registered.export_key.as_bytes().as_slice(), vector.output("export_key"));
        assert!(tape.is_used_up());

        let client = Tape::new(&[
            &vector.input("blind_login"),
            &ZEROS[..32],
            &vector.input("client_keyshare_seed"),
            &vector.input("client_nonce"),
        ]);
        let (ke1, login) = Login::start(vector.binding(), vector.phrase(), &client).unwrap();
        assert_eq!(ke1.to_bytes().as_slice(), vector.output("KE1"));

        // The masking key of a fake record is drawn for real records as well, so that the work is the same.
        let server = Tape::new(&[
            &ZEROS,
            &vector.input("masking_nonce"),
            &vector.input("server_keyshare_seed"),
            &vector.input("server_nonce"),
        ]);
        let record = RegistrationRecord::from_bytes(&vector.output("registration_upload")).unwrap();
        let (ke2, pending) = keys.start_login(vector.binding(), Some(&record), &ke1, &server).unwrap();
        assert_eq!(ke2.to_bytes().as_slice(), vector.output("KE2"));

        let logged_in = login.finish(&ke2, &client).unwrap();
        assert_eq!(logged_in.finish.to_bytes().as_slice(), vector.output("KE3"));
        assert_eq!(logged_in.export_key.as_bytes().as_slice(), vector.output("export_key"));
        assert_eq!(logged_in.session_key.as_bytes().as_slice(), vector.output("session_key"));
        let session_key = pending.finish(&logged_in.finish).unwrap();
        assert_eq!(session_key.as_bytes().as_slice(), vector.output("session_key"));
        assert!(client.is_used_up() && server.is_used_up());
    }
}

#[test]
fn fake_vectors() {
    let vectors = Vector::all(true);
    assert_eq!(vectors.len(), 1);
    for vector in vectors {
        let keys = vector.keys("client_public_key");
        let server = Tape::new(&[
            &vector.input("masking_key"),
            &vector.input("masking_nonce"),
            &vector.input("server_keyshare_seed"),
            &vector.input("server_nonce"),
        ]);
        let ke1 = LoginRequest::from_bytes(&vector.input("KE1")).unwrap();
        let (ke2, _) = keys.start_login(vector.binding(), None, &ke1, &server).unwrap();
        assert_eq!(ke2.to_bytes().as_slice(), vector.output("KE2"));
        assert!(server.is_used_up());
    }
}
