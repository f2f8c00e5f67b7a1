//! Recovers a token to which a program on the way appended text: Teams appends the page's title, and a mail program adds a full
//! stop or a bracket to a link.
//!
//! The signature has a fixed length, so the token's end is certain. Text before or inside a token stays, because its removal would be a
//! guess.

use serde::Serialize;

/// Length of an HMAC-SHA-256 in base64url, in characters.
pub(super) const SIGNATURE: usize = 43;

/// A kind of damage to a link that is still readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mangling {
    /// Spaces after the token, encoded ones included.
    AppendedSpace,
    /// Only punctuation after the token, such as a slash, full stop or bracket.
    AppendedPunctuation,
    /// Any other text after the token, such as a page's title.
    AppendedText,
    /// `&amp;` between the parameters.
    EscapedAmpersand,
}

impl Mangling {
    /// The kind of text that followed a token.
    pub(crate) fn of(appended: &str) -> Self {
        let rest = appended.replace("%20", " ");
        if rest.trim().is_empty() {
            Self::AppendedSpace
        } else if !rest.contains(char::is_alphanumeric) {
            Self::AppendedPunctuation
        } else {
            Self::AppendedText
        }
    }
}

/// Splits a text into a token and the rest. The 43 base64url characters after the second dot are the signature, and the token ends there. A
/// text of any other shape has no rest.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let after_second_dot = text.match_indices('.').nth(1).map_or(text.len(), |(at, dot)| at + dot.len());
    let end = after_second_dot + SIGNATURE;
    let is_signature = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match text.get(after_second_dot..end).filter(|part| is_signature(part)) {
        Some(_) => text.split_at_checked(end).unwrap_or((text, "")),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_after_the_signature_is_cut_and_has_a_kind() {
        let token = format!("aa.bb.{}", "S".repeat(SIGNATURE));
        for (appended, kind) in [
            (" ", Mangling::AppendedSpace),
            ("%20", Mangling::AppendedSpace),
            ("\r\n\t", Mangling::AppendedSpace),
            (".", Mangling::AppendedPunctuation),
            ("/", Mangling::AppendedPunctuation),
            (",", Mangling::AppendedPunctuation),
            (").", Mangling::AppendedPunctuation),
            ("> \u{fffd}", Mangling::AppendedPunctuation),
            ("Sign in to your account", Mangling::AppendedText),
            ("A", Mangling::AppendedText),
            ("#Sign in", Mangling::AppendedText),
            (".a.b.c", Mangling::AppendedText),
            ("Anmelden – Übersicht", Mangling::AppendedText),
        ] {
            let text = format!("{token}{appended}");
            assert_eq!(split(&text), (&*token, appended));
            assert_eq!(Mangling::of(appended), kind, "{appended:?}");
        }
        let (cut, changed) = (&token[..token.len() - 1], token.replace("SS", "S+"));
        for whole in ["", ".", "..", "...", "aa.bb", cut, &changed, &format!("{cut}."), &format!("{cut}é"), &token] {
            assert_eq!(split(whole), (whole, ""));
        }
    }

    proptest! {
        #[test]
        fn a_split_loses_nothing_and_is_final(text in "\\PC{0,80}|[ab.]{0,6}[A-Za-z0-9_-]{40,46}\\PC{0,6}") {
            let (token, rest) = split(&text);
            prop_assert_eq!(format!("{token}{rest}"), &*text);
            prop_assert_eq!(split(token), (token, ""));
        }
    }
}
