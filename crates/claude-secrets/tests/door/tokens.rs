//! Tokens and their hashes.

use std::collections::BTreeSet;

use claude_secrets::door::{TokenHash, generate_token};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use crate::support::hash;

/// FIPS 180-4's example, so that a hash made by `sha256sum` is one here.
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_hash_is_sha_256_in_hexadecimal() {
    assert_eq!(hash("abc").to_text(), ABC);
    assert_eq!(ABC.parse::<TokenHash>().unwrap(), hash("abc"));
    let upper = format!("sha256:{}", ABC["sha256:".len()..].to_uppercase());
    assert_eq!(upper.parse::<TokenHash>().unwrap(), hash("abc"));
    assert_ne!(hash("abc"), hash("abd"));
}

#[test]
fn what_is_no_hash_is_refused_and_not_repeated() {
    let digits = &ABC["sha256:".len()..];
    for text in [
        "",
        "sha256:",
        digits,
        &format!("SHA256:{digits}"),
        &format!("sha256: {digits}"),
        &format!("sha512:{digits}"),
        &ABC[..ABC.len() - 1],
        &format!("{ABC}0"),
        &format!("{} ", &ABC[..ABC.len() - 1]),
        &format!("{}g", &ABC[..ABC.len() - 1]),
        &format!("{}é", &ABC[..ABC.len() - 2]),
        "ctk_0123456789-canary",
    ] {
        let error = text.parse::<TokenHash>().unwrap_err();
        assert_eq!(error.to_string(), "must be sha256: and 64 hexadecimal digits", "{text}");
        assert_eq!(format!("{error:?}"), "TokenHashError(())");
    }
}

#[test]
fn debug_shows_nothing_of_a_hash() {
    assert_eq!(format!("{:?} {:#?}", hash("abc"), hash("abd")), "TokenHash(…) TokenHash(…)");
}

#[test]
fn tokens_are_random_and_can_be_told_from_other_words() {
    let tokens: BTreeSet<String> =
        (0..1_000).map(|_| generate_token().unwrap().expose_secret().to_owned()).collect();
    assert_eq!(tokens.len(), 1_000);
    let mut used = BTreeSet::new();
    for token in &tokens {
        let digits = token.strip_prefix("ctk_").unwrap();
        assert!(
            digits.len() == 64 && digits.bytes().all(|byte| b"0123456789abcdef".contains(&byte)),
            "{token}"
        );
        used.extend(digits.bytes().enumerate());
    }
    // Each digit was everywhere: a byte that is never filled would not be.
    assert_eq!(used.len(), 64 * 16);
}

#[test]
fn a_new_token_is_shown_by_nothing() {
    let token = generate_token().unwrap();
    assert!(!format!("{token:?}").contains("ctk_"));
}

proptest! {
    #[test]
    fn a_hash_that_is_written_reads_back(token in ".*") {
        let hash = TokenHash::of(&SecretString::from(token));
        prop_assert_eq!(hash.to_text().parse::<TokenHash>(), Ok(hash));
    }

    #[test]
    fn no_text_panics(text in "(?s)(sha256:)?.{0,80}|sha256:[0-9a-fé]{60,66}") {
        let _ = text.parse::<TokenHash>();
    }
}
