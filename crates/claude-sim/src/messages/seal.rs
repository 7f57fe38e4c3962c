//! Signatures of thinking: opaque to callers, and known again when they come back.
//!
//! A seal names a number and is drawn from that, from the text and from its place among the thinking of its message.
//! So it holds in every simulator, and not with another text or in another place.

use fastrand::Rng;

use crate::digest::Digest;
use crate::seed;

const PREFIX: &str = "Ep";
/// The number in hexadecimal.
const NUMBER: usize = 16;

/// The seal of a thinking that is the `place`th of its message.
pub(super) fn seal(place: usize, text: &str, rng: &mut Rng) -> String {
    sealed(rng.u64(..), place, text)
}

/// Whether it is the seal of this text in this place.
pub(super) fn holds(seal: &str, place: usize, text: &str) -> bool {
    let number = seal.strip_prefix(PREFIX).and_then(|rest| rest.get(..NUMBER));
    let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
    number.is_some_and(|number| sealed(number, place, text) == seal)
}

fn sealed(number: u64, place: usize, text: &str) -> String {
    let mut digest = Digest::new();
    digest.number(number);
    digest.number(place as u64);
    digest.text(text);
    let mut rng = Rng::with_seed(digest.finish());
    let length = 4 * rng.usize(40..90) - PREFIX.len() - NUMBER;
    seed::base64(&format!("{PREFIX}{number:016x}"), length, &mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_text_in_one_place() {
        let seal = seal(1, "é", &mut Rng::with_seed(3));
        assert!(holds(&seal, 1, "é"));
        assert!(!holds(&seal, 0, "é") && !holds(&seal, 1, "e"));
        for cut in 0..seal.len() {
            assert!(!holds(&seal[..cut], 1, "é"));
            let mut edited = seal.clone();
            edited.replace_range(cut..=cut, if &seal[cut..=cut] == "A" { "B" } else { "A" });
            assert!(!holds(&edited, 1, "é"));
        }
        assert!(!holds("", 0, "") && !holds("Epé", 0, "") && !holds("Ep+000000000000001", 0, ""));
    }
}
