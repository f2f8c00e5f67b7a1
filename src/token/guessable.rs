//! Finds keys that are long enough but that people know or can guess: samples of public lists and tutorials, and keys of words, repetitions
//! and sequences.

/// Samples of public lists, tutorials and RFCs that look random.
const SAMPLES: [&str; 8] = [
    "GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk",
    "r9iMKoe5CRMgvJBBtp4HrqN7QiPpUToj",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "VGhpcyBzZWNyZXQgaXMgc3RvcmVkIGJhc2UtNjQgZW5jb2RlZCBvbiB0aGUgcHJveHkgaG9zdA",
    "%C*F-JaNdRgUkXp2s5v8y/B?E(G+KbPeShVmYq3t6w9z$C&J@McQfTjWnZr4u7x!",
    "AyM1SysPPbyDfBZld3umj1qzKObwVMkoQQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    "FdFYFzERwC2uCBB46pZQi4GG85LujR8obt-KWRBICVQ",
];

/// Words of sample keys, and rows of a keyboard. Each has at least four letters, because hardly any random key contains such a word.
const WORDS: [&str; 61] = [
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "application",
    "authentication",
    "change",
    "characters",
    "default",
    "development",
    "encrypt",
    "example",
    "generate",
    "least",
    "lengthy",
    "length",
    "little",
    "longer",
    "long",
    "modified",
    "must",
    "never",
    "only",
    "password",
    "passwort",
    "please",
    "private",
    "production",
    "public",
    "random",
    "really",
    "replace",
    "safe",
    "sample",
    "secret",
    "secure",
    "server",
    "should",
    "signature",
    "signing",
    "something",
    "strong",
    "string",
    "sufficiently",
    "super",
    "test",
    "that",
    "this",
    "token",
    "ultra",
    "unsafe",
    "using",
    "valid",
    "value",
    "very",
    "with",
    "your",
];

/// A key with fewer characters than this outside words and patterns is guessable. This is half the length of the shortest random key.
const LEAST_RANDOM: usize = 16;
/// If a part of this length occurs again in a key, it is a repetition.
const REPEATED: usize = 4;

/// Whether the key is a known sample, or words and patterns make up nearly all of it.
pub(super) fn is_guessable(key: &str) -> bool {
    if SAMPLES.contains(&key) {
        return true;
    }
    let mut rest = key.to_ascii_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    for word in WORDS {
        rest = rest.replace(word, "");
    }
    let letters: Vec<i32> = rest.chars().map(|c| i32::try_from(u32::from(c)).unwrap_or(0)).collect();
    let ends_repetition = |end: usize| {
        let part = (end + 1).checked_sub(REPEATED).and_then(|start| letters.get(start..=end));
        part.is_some_and(|part| letters.get(..end).unwrap_or_default().windows(REPEATED).any(|earlier| earlier == part))
    };
    // Whether the letter at `at` continues a sequence, or repeats the letter before it.
    let continues = |at: usize| {
        let pair = at.checked_sub(1).and_then(|before| letters.get(before..=at));
        matches!(pair, Some([before, this]) if (this - before).abs() <= 1)
    };
    let random = (0..letters.len()).filter(|at| !continues(*at) && !ends_repetition(*at)).count();
    random < LEAST_RANDOM
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Rng;
    use crate::token::key_document::KeptKey;

    #[test]
    fn samples_words_and_patterns_are_guessable() {
        for key in [
            "your-256-bit-secret-your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
            "<random_string_at_least_32_characters_long>",
            "This is my very long and secret signing key",
            "SUPER_SECRET_KEY_PLEASE_CHANGE_ME_1",
            "reallyreallyreallyreallyverysafe",
            "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
            "0123456789012345678901234567890123456789",
            "0123456789abcdef0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "zyxwvutsrqponmlkjihgfedcba9876543210",
            "qwertyuiopasdfghjklzxcvbnm1234567890",
            "aB3$xY9!qWaB3$xY9!qWaB3$xY9!qWaB3$xY9!qW",
            "aaaabbbbccccddddeeeeffffgggghhhhiiiijjjj",
        ] {
            assert!(is_guessable(key), "{key}");
        }
    }

    #[test]
    fn a_random_key_of_any_alphabet_is_not_guessable() {
        let (rng, now) = (Rng::system(), time::OffsetDateTime::UNIX_EPOCH);
        for _ in 0..200 {
            let drawn = KeptKey::draw(&rng, now);
            assert!(!drawn.is_guessable());
            let hex: String = [rng.bytes(), rng.bytes()].concat().iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!is_guessable(&hex), "{hex}");
            assert!(!is_guessable(drawn.key.expose().get(..32).unwrap()));
        }
        assert!(!is_guessable("test-secret-8sW1xK7dR4tY9uB3nC6fG0hJ"), "words around a random part");
    }
}
