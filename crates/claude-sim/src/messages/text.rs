//! Text out of nothing, with characters of one to four bytes.

use fastrand::Rng;

const WORDS: [&str; 20] = [
    "the", "café", "漢字", "🦀", "river", "naïve", "of", "Straße", "light", "東京", "quiet", "façade",
    "crab", "and", "ñandú", "stone", "Δ", "a", "🌊", "letters",
];

/// Words of exactly so many bytes in all.
pub(super) fn words(bytes: usize, rng: &mut Rng) -> String {
    let mut text = String::with_capacity(bytes);
    loop {
        let word = WORDS[rng.usize(..WORDS.len())];
        if text.len() + word.len() >= bytes {
            break;
        }
        text.push_str(word);
        text.push(' ');
    }
    while text.len() < bytes {
        text.push('.');
    }
    text
}

/// The answer to somebody who wrote this.
pub(super) fn echo(excerpt: &str, rng: &mut Rng) -> String {
    let length = rng.usize(80..320);
    format!("You wrote “{excerpt}”. Voilà 漢字 🦀: {}", words(length, rng))
}

pub(super) fn thought(rng: &mut Rng) -> String {
    let length = rng.usize(60..240);
    format!("Let me see … {}", words(length, rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_met() {
        for bytes in (0..200).chain([4096, 1 << 20]) {
            assert_eq!(words(bytes, &mut Rng::with_seed(1)).len(), bytes);
        }
    }
}
