//! Finds the token in a pasted text, and reads the address around it.

use percent_encoding::percent_decode_str;
use url::Url;

use super::wrappers::{self, Wrapper};
use crate::consent::TenantId;
use crate::token::recovery;
use crate::token::unchecked::{TokenKind, is_cut};

/// The parts of the pasted text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PastedInput {
    /// The text of the token, unverified.
    pub(super) token: String,
    /// The kind of address around the token.
    pub(super) address: Address,
    /// The complete address. `None` for a token alone, and for a path without a host.
    pub(super) at: Option<Url>,
    /// A mail filter had wrapped the address.
    pub(super) wrapped: bool,
    /// The address had entities of HTML, such as `&amp;`.
    pub(super) escaped: bool,
}

/// The kind of address that contained the token. Anyone can have written the other parts of such an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// None: the token alone.
    None,
    /// A page of this product.
    Page(TokenKind),
    /// Microsoft's consent page.
    Microsoft {
        /// The tenant in the path.
        tenant: Option<TenantId>,
    },
    /// The address to which Microsoft sent a browser back.
    Callback {
        /// The tenant in the query.
        tenant: Option<TenantId>,
        /// Whether the query claims that Microsoft refused.
        refused: bool,
    },
    /// Any other address.
    Other,
}

/// Why the text has no readable token, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFound {
    #[error("There is no token in it: neither an address of this program's nor a token.")]
    NoToken,
    #[error(
        "This is an address to which Microsoft sends a browser back, but it has no `state` and so no token.\n\
         The approval began elsewhere, for example in Microsoft's portal, or a program has cut the address."
    )]
    NoState,
    #[error("Mail filters have wrapped this link more than {MOST_WRAPPERS} times, which none do to a genuine one: it was not unwrapped.")]
    WrappedTooOften,
    #[error("{0} has replaced this link by one of its own, and only {0} knows the original: it cannot be unwrapped here.")]
    Closed(&'static str),
}

impl NotFound {
    /// What a person can do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::NoToken => "the whole address, in quotes",
            Self::NoState => "the whole address, or the link that the customer got",
            Self::WrappedTooOften => "the link from the message as it was sent",
            Self::Closed(_) => {
                "the link from the message as it was sent; or open this one in a browser with a + at its end, which shows the original"
            }
        }
    }
}

/// How many mail filters may have wrapped the address, one after the other.
const MOST_WRAPPERS: usize = 4;

impl PastedInput {
    /// Finds the token in a text: an address, perhaps wrapped and among other words, or a token.
    ///
    /// # Errors
    /// [`NotFound`].
    pub(super) fn find(text: &str) -> Result<Self, NotFound> {
        let text = wrappers::from_quoted_printable(text.trim());
        // A pasted message has words around the link. A link that a mail program broke over lines has none, so its pieces belong together.
        let words = text
            .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'))
            .filter(|word| word.contains('/') || word.contains(BEGINNING));
        let mut failure = NotFound::NoToken;
        for word in words {
            match Self::in_word(word) {
                Ok(found) if !is_cut(&found.token) => return Ok(found),
                Err(error) if error != NotFound::NoToken => failure = error,
                _ => {}
            }
        }
        let whole = Self::in_word(text.trim_matches(['<', '>', '"', '\'']).trim());
        whole.map_err(|error| if error == NotFound::NoToken { failure } else { error })
    }

    /// Finds the token in one word of a text.
    fn in_word(word: &str) -> Result<Self, NotFound> {
        let word = word.trim_start_matches(['(', '[', '{', '\'', '`', '*']);
        let scheme = word.to_ascii_lowercase();
        let scheme = ["https://", "http://"].iter().filter_map(|known| scheme.find(known)).min();
        // An address may follow other text, as in `[link](https://…)`. Within an address without a scheme, another one is a parameter.
        let address =
            scheme.and_then(|at| word.split_at_checked(at)).filter(|(before, _)| !before.contains('/')).map(|(_, address)| address);
        let mut text = match address {
            Some(address) => address.to_owned(),
            // A placeholder host completes a path, so that it parses as an address. Nothing depends on that host.
            None if word.starts_with('/') => format!("{PATH_ALONE}{word}"),
            None if word.contains('/') => format!("https://{word}"),
            None => {
                let token = recovery::split(word).0.to_owned();
                let bare = || Self { token, address: Address::None, at: None, wrapped: false, escaped: false };
                return is_token(recovery::split(word).0).then(bare).ok_or(NotFound::NoToken);
            }
        };
        text.truncate(text.trim_end_matches([')', ']', '}', '.', ',', ';', ':', '\'', '`', '*']).len());
        let (mut wrapped, mut escaped) = (0, false);
        loop {
            let clear = wrappers::from_html(&text);
            escaped |= *clear != *text;
            let url = Url::parse(&clear).map_err(|_| NotFound::NoToken)?;
            match wrappers::wrapper(&url, &clear) {
                None => {
                    let at = (!clear.starts_with(PATH_ALONE)).then(|| url.clone());
                    return Ok(Self { wrapped: wrapped > 0, escaped, at, ..Self::in_address(&url)? });
                }
                Some(Wrapper::Closed(filter)) => return Err(NotFound::Closed(filter)),
                Some(Wrapper::Open(_)) if wrapped == MOST_WRAPPERS => return Err(NotFound::WrappedTooOften),
                Some(Wrapper::Open(inner)) => {
                    wrapped += 1;
                    text = inner.trim().to_owned();
                }
            }
        }
    }

    fn in_address(url: &Url) -> Result<Self, NotFound> {
        let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let found =
            |token: &str, address| Self { token: recovery::split(token).0.to_owned(), address, at: None, wrapped: false, escaped: false };
        if let Some(token) = of("state") {
            let address = if url.path().ends_with("/adminconsent") || url.path().contains("/oauth2/") {
                let tenant = url.path_segments().and_then(|mut parts| parts.find_map(|part| TenantId::parse(part).ok()));
                Address::Microsoft { tenant }
            } else {
                let tenant = of("tenant").and_then(|tenant| TenantId::parse(&tenant).ok());
                Address::Callback { tenant, refused: of("error").is_some() }
            };
            return Ok(found(&token, address));
        }
        if url.path().ends_with("/callback") && ["admin_consent", "error"].into_iter().any(|name| of(name).is_some()) {
            return Err(NotFound::NoState);
        }
        let mut parts = url.path_segments().ok_or(NotFound::NoToken)?.rev().skip_while(|part| !part.starts_with(BEGINNING));
        let text = percent_decode_str(parts.next().ok_or(NotFound::NoToken)?).decode_utf8_lossy();
        let address = match parts.next() {
            Some("i") => Address::Page(TokenKind::Invitation),
            Some("r" | "w") => Address::Page(TokenKind::Receipt),
            _ => Address::Other,
        };
        Some(found(&text, address)).filter(|found| is_token(&found.token)).ok_or(NotFound::NoToken)
    }
}

/// The start that a path without a host gets, so that it is an address.
const PATH_ALONE: &str = "https://path.invalid";

/// The start of a JSON object in base64url.
const BEGINNING: &str = "eyJ";

/// Whether a text can be a token, or the rest of a damaged one: base64url and dots, with the start of a JSON object.
fn is_token(text: &str) -> bool {
    text.starts_with(BEGINNING) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_wherever_people_find_links() {
        let page = |kind| Address::Page(kind);
        let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
        let id = TenantId::parse(tenant).ok();
        let wrapped = "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fc.example%2Fprod%2Fi%2FeyJa.b.c&data=05%7C01";
        for (text, address) in [
            ("eyJa.b.c", Address::None),
            (" <https://c.example/i/eyJa.b.c>\n", page(TokenKind::Invitation)),
            ("https://c.example/prod/r/eyJa.b.c?x=1", page(TokenKind::Receipt)),
            ("/w/eyJa.b.c", page(TokenKind::Receipt)),
            ("/r/eyJa.b.c/chain", page(TokenKind::Receipt)),
            (wrapped, page(TokenKind::Invitation)),
            ("https://c.example/eyJa.b.c", Address::Other),
            (
                &format!("https://c.example/callback?admin_consent=True&tenant={tenant}&state=eyJa.b.c"),
                Address::Callback { tenant: id, refused: false },
            ),
            ("/callback?error=access_denied&state=eyJa.b.c", Address::Callback { tenant: None, refused: true }),
            (
                &format!("https://login.microsoftonline.com/{tenant}/v2.0/adminconsent?client_id=x&state=eyJa.b.c"),
                Address::Microsoft { tenant: id },
            ),
        ] {
            let given = PastedInput::find(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((given.token.as_str(), &given.address), ("eyJa.b.c", &address), "{text}");
            assert_eq!(given.wrapped, text == wrapped);
        }
        for text in ["", "hello", "https://c.example/", "https://c.example/i/hello", "not a link", "/callback?tenant=x"] {
            assert_eq!(PastedInput::find(text), Err(NotFound::NoToken), "{text}");
        }
    }

    #[test]
    fn a_link_is_unwrapped_four_times_and_no_nesting_overflows_the_stack() {
        let wrapped =
            |times: usize| format!("{}https://c.example/i/eyJa.b.c", "https://e.safelinks.protection.outlook.com/?url=".repeat(times));
        for times in [1, 4] {
            let given = PastedInput::find(&wrapped(times)).unwrap();
            assert!(given.wrapped && given.token == "eyJa.b.c" && given.address == Address::Page(TokenKind::Invitation), "{given:?}");
        }
        for times in [5, 10_000] {
            assert_eq!(PastedInput::find(&wrapped(times)), Err(NotFound::WrappedTooOften));
        }
    }
}
