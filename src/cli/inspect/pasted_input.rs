//! Finds the token in a pasted text, and reads the address around it.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::consent::TenantId;
use crate::token::recovery;
use crate::token::unchecked::TokenKind;

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
    #[error("There is no token in it: neither an address of this program's nor a token.\nIs it whole, and in quotes?")]
    NoToken,
    #[error(
        "Mail filters have wrapped this link more than {MOST_WRAPPERS} times, which none do to a genuine one: it was not unwrapped.\n\
         Take the link from the message as it was sent."
    )]
    WrappedTooOften,
}

/// How many mail filters may have wrapped the address, one after the other.
const MOST_WRAPPERS: usize = 4;

impl PastedInput {
    /// Finds the token in a text.
    ///
    /// # Errors
    /// [`NotFound`].
    pub(super) fn find(text: &str) -> Result<Self, NotFound> {
        let text = text.trim().trim_matches(['<', '>', '"', '\'']).trim();
        // A placeholder host completes the path, so that it parses as an address. Nothing depends on that host.
        if text.starts_with('/') {
            let url = Url::parse(&format!("https://path.invalid{text}")).map_err(|_| NotFound::NoToken)?;
            return Ok(Self { at: None, ..Self::in_address(&url).ok_or(NotFound::NoToken)? });
        }
        let Ok(mut url) = Url::parse(text) else {
            let (token, _) = recovery::split(text);
            let bare = || Self { token: token.to_owned(), address: Address::None, at: None, wrapped: false };
            return is_token(token).then(bare).ok_or(NotFound::NoToken);
        };
        let mut wrappers = 0;
        while let Some(inner) = wrapped_in(&url) {
            wrappers += 1;
            if wrappers > MOST_WRAPPERS {
                return Err(NotFound::WrappedTooOften);
            }
            url = Url::parse(&inner).map_err(|_| NotFound::NoToken)?;
        }
        let given = Self::in_address(&url).ok_or(NotFound::NoToken)?;
        Ok(Self { wrapped: wrappers > 0, ..given })
    }

    fn in_address(url: &Url) -> Option<Self> {
        let of = |name: &str| parameter(url, name);
        if let Some(token) = of("state") {
            let address = if url.path().ends_with("/adminconsent") || url.path().contains("/oauth2/") {
                let tenant = url.path_segments().and_then(|mut parts| parts.find_map(|part| TenantId::parse(part).ok()));
                Address::Microsoft { tenant }
            } else {
                let tenant = of("tenant").and_then(|tenant| TenantId::parse(&tenant).ok());
                Address::Callback { tenant, refused: of("error").is_some() }
            };
            let token = recovery::split(&token).0.to_owned();
            return Some(Self { token, address, at: Some(url.clone()), wrapped: false });
        }
        let mut parts = url.path_segments()?.rev().skip_while(|part| !part.starts_with(BEGINNING));
        let text = percent_decode_str(parts.next()?).decode_utf8_lossy();
        let token = recovery::split(&text).0.to_owned();
        let address = match parts.next() {
            Some("i") => Address::Page(TokenKind::Invitation),
            Some("r" | "w") => Address::Page(TokenKind::Receipt),
            _ => Address::Other,
        };
        is_token(&token).then(|| Self { token, address, at: Some(url.clone()), wrapped: false })
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The address that Safe Links of Microsoft Defender has wrapped. `None` for an unwrapped address.
fn wrapped_in(url: &Url) -> Option<String> {
    url.host_str()?.ends_with(".safelinks.protection.outlook.com").then(|| parameter(url, "url")).flatten()
}

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
