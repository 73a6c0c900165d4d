//! The written form of the recovery key, and what the key opens.

use super::*;
use crate::Error;
use crate::client::{RecoveryKey, Vault};
use crate::sealed::RecoveryProof;

#[test]
fn a_recovery_key_opens_the_vault_without_passphrase_or_server() {
    let random = Seeded::new(30);
    let home = scope(1, 2);
    let vault = Vault::create(home, &random).unwrap();
    let key = RecoveryKey::generate(&random);
    let wrap = vault.wrap_for_recovery(&key, &random).unwrap();
    let sealed = vault.seal_entry(entry(1), 1, &super::vault::text(), &random).unwrap();

    let typed: RecoveryKey = key.reveal().parse().unwrap();
    let recovered = Vault::recover(home, &typed, &wrap).unwrap();
    assert!(recovered.open_entry(entry(1), 1, &sealed).unwrap() == super::vault::text());

    let refused = Error::Refused("master key");
    assert_eq!(Vault::recover(home, &RecoveryKey::generate(&random), &wrap).unwrap_err(), refused);
    assert_eq!(Vault::recover(scope(1, 3), &key, &wrap).unwrap_err(), refused);
    assert_eq!(Vault::recover(scope(3, 2), &key, &wrap).unwrap_err(), refused);
    for place in 0..wrap.as_bytes().len() * 8 {
        let mut changed = *wrap.as_bytes();
        changed[place / 8] ^= 1 << (place % 8);
        let changed = crate::sealed::RecoveryWrap::from_bytes(&changed).unwrap();
        assert_eq!(Vault::recover(home, &key, &changed).unwrap_err(), refused);
    }
}

#[test]
fn a_recovery_key_is_parsed_as_people_type_it() {
    let random = Seeded::new(31);
    for _ in 0..200 {
        let shown = RecoveryKey::generate(&random).reveal();
        assert_eq!(shown.len(), 14 * 4 + 13);
        let same = |typed: &str| assert_eq!(typed.parse::<RecoveryKey>().unwrap().reveal(), shown, "{typed}");
        same(&shown.to_lowercase());
        same(&shown.replace('-', ""));
        same(&shown.replace('-', " \n"));
        same(&shown.replace('0', "O").replace('1', "l"));
        same(&shown.replace('0', "o").replace('1', "I"));
    }
}

#[test]
fn a_recovery_key_with_a_typing_error_is_rejected() {
    let random = Seeded::new(32);
    let shown = RecoveryKey::generate(&random).reveal();
    let refused = |typed: &str| assert_eq!(typed.parse::<RecoveryKey>().unwrap_err(), Error::RecoveryKey, "{typed}");
    for place in (0..shown.len()).filter(|place| place % 5 != 4) {
        for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().filter(|other| !shown[place..].starts_with(*other)) {
            refused(&format!("{}{other}{}", &shown[..place], &shown[place + 1..]));
        }
        refused(&format!("{}{}", &shown[..place], &shown[place + 1..]));
    }
    // Two neighbouring symbols swapped.
    for place in
        (0..shown.len() - 1).filter(|place| place % 5 < 3 && shown[*place..=*place] != shown[place + 1..place + 2])
    {
        refused(&format!(
            "{}{}{}{}",
            &shown[..place],
            &shown[place + 1..place + 2],
            &shown[place..=place],
            &shown[place + 2..]
        ));
    }
    for bad in
        ["", "-", "U", "é", &format!("{}0", &*shown), &format!("{}{}", &*shown, &*shown), &shown.replace('-', "_")]
    {
        refused(bad);
    }
}

#[test]
fn a_recovery_proof_matches_the_verifier_and_reveals_nothing() {
    let random = Seeded::new(33);
    let key = RecoveryKey::generate(&random);
    let proof = key.proof().unwrap();
    let verifier = proof.verifier();
    assert!(verifier.accepts(&proof.to_string().parse().unwrap()));
    assert!(!verifier.accepts(&RecoveryKey::generate(&random).proof().unwrap()));
    assert!(!verifier.accepts(&RecoveryProof::from_bytes(verifier.as_bytes()).unwrap()));
    assert_eq!(format!("{key:?} {proof:?} {verifier:?}"), "RecoveryKey(…) RecoveryProof(…) RecoveryVerifier(…)");
}
