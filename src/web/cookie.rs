//! Reads and sets the cookie with the browser's secret.

use http::HeaderValue;
use http::header::COOKIE;

use super::request::Request;

/// The prefix makes browsers require `Secure` and `Path=/`, and refuse `Domain`.
const COOKIE_NAME: &str = "__Host-entra-consent";

pub(super) fn secret(request: &Request) -> Option<&str> {
    // Over HTTP/2 a browser may send each cookie in its own header (RFC 9113 §8.2.3). Cookies of other hosts on the domain arrive too, and
    // these may contain any bytes (RFC 6265 §5.4).
    let cookies = request.headers.get_all(COOKIE).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let ours = cookies.filter_map(|cookie| cookie.trim_ascii().strip_prefix(COOKIE_NAME.as_bytes())?.strip_prefix(b"="));
    ours.filter_map(|value| std::str::from_utf8(value).ok()).next()
}

/// The header that sets the secret. `lives` is in seconds.
pub(super) fn set(secret: &str, lives: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{COOKIE_NAME}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lives}")).ok()
}
