//! Texts from other people, with a maximum length and without control characters.

use serde::{Deserialize, Deserializer, Serialize};

/// Characters that control a terminal, a log viewer or a line of text and cannot be read: C0 and C1 controls, DEL, line and paragraph
/// separators, interlinear annotations, every character with the property Default_Ignorable_Code_Point (Unicode 17: bidirectional controls,
/// zero-width characters, fillers, variation selectors, tags), and U+2800, a blank that is no white space.
pub(crate) fn is_steering(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// An external text made safe to show and to record. Control characters become U+FFFD. A text above `MAX` characters is cut and ends with
/// `…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DisplayText(Box<str>);

impl DisplayText {
    /// Longest text, in characters.
    pub(crate) const MAX: usize = 120;

    /// Makes any text safe. `None` if no readable character remains.
    #[must_use]
    pub fn from_untrusted(text: &str) -> Option<Self> {
        Self::bounded(text, Self::MAX)
    }

    /// Like [`Self::from_untrusted`], with another maximum, in characters.
    pub(crate) fn bounded(text: &str, max: usize) -> Option<Self> {
        let text = text.trim();
        let mut clean: String = text.chars().take(max).map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect();
        if text.chars().nth(max).is_some() {
            clean.pop();
            clean.push('…');
        }
        let readable = clean.chars().any(|c| c != '\u{fffd}' && !c.is_whitespace());
        readable.then(|| Self(clean.into()))
    }

    /// At most `MAX` characters, none of them a control character.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DisplayText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be put into a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitText {
    /// Empty, or only white space.
    #[error("it is empty")]
    Empty,
    /// More than 64 characters.
    #[error("it has more than 64 characters")]
    TooLong,
    /// An `@`: links pass through mail gateways and logs, so they must not contain mail addresses.
    #[error("it has an '@': addresses of people do not go into links")]
    At,
    /// A control, bidirectional or invisible character.
    #[error("it has a control or invisible character")]
    Steering,
}

macro_rules! link_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// [`UnfitText`] if the text is empty, has more than 64 characters, contains `@` or an invisible character.
            pub fn parse(text: &str) -> Result<Self, UnfitText> {
                let text = text.trim();
                if text.is_empty() {
                    Err(UnfitText::Empty)
                } else if text.chars().nth(64).is_some() {
                    Err(UnfitText::TooLong)
                } else if text.contains('@') {
                    Err(UnfitText::At)
                } else if text.chars().any(is_steering) {
                    Err(UnfitText::Steering)
                } else {
                    Ok(Self(text.into()))
                }
            }

            /// The text as the operator wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnfitText;
            fn from_str(text: &str) -> Result<Self, UnfitText> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

link_text! {
    /// The operator's name for the customer, shown "as named by {operator}" if Graph gave no tenant name.
    Label
}
link_text! {
    /// The operator's opaque reference (a ticket or customer number), recorded and never interpreted.
    Reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_steer_a_reader_do_not_go_into_links() {
        assert_eq!(Label::parse(" Contoso GmbH ").unwrap().as_str(), "Contoso GmbH");
        assert_eq!(Label::parse(" "), Err(UnfitText::Empty));
        assert_eq!(Label::parse("anna@contoso.com"), Err(UnfitText::At));
        assert_eq!(Label::parse(&"x".repeat(65)), Err(UnfitText::TooLong));
        assert!(Label::parse(&"ü".repeat(64)).is_ok());
        for c in ['\u{0}', '\u{1b}', '\u{85}', '\u{2028}', '\u{202e}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            assert_eq!(Label::parse(&format!("a{c}b")), Err(UnfitText::Steering), "{c:?}");
        }
    }

    #[test]
    fn display_text_is_bounded_and_shows_where_it_was_cut() {
        let long = DisplayText::from_untrusted(&"é".repeat(500)).unwrap();
        assert_eq!(long.as_str().chars().count(), DisplayText::MAX);
        assert!(long.as_str().ends_with('…'));
        assert_eq!(DisplayText::from_untrusted("a\u{202e}b").unwrap().as_str(), "a\u{fffd}b");
        assert_eq!(DisplayText::from_untrusted("\u{1b}\u{0}"), None);
    }

    #[test]
    fn a_name_of_fillers_shows_them_and_is_no_name_alone() {
        for filler in ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}', '\u{2800}', '\u{fe0f}', '\u{34f}', '\u{e0100}'] {
            assert_eq!(DisplayText::from_untrusted(&filler.to_string()), None, "{filler:?}");
            assert_eq!(DisplayText::from_untrusted(&format!("a{filler}b")).unwrap().as_str(), "a\u{fffd}b", "{filler:?}");
        }
        for name in ["한국 주식회사", "Åsa Ölund", "日本株式会社", "مؤسسة النور", "शिक्षा"] {
            assert_eq!(DisplayText::from_untrusted(name).unwrap().as_str(), name);
        }
    }
}
