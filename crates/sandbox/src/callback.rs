//! The parameters that the browser returns to the redirect URI, in the exact form of captured callbacks (protocol reference §1.3, §1.4).

use std::fmt::Write as _;

use super::ids::TenantId;

use super::aadsts::{Aadsts, Ids};
use super::answer::Answer;
use super::consent_page;

/// The parameters of a callback, in order.
#[derive(Debug)]
pub(super) struct Callback {
    params: Vec<(&'static str, String)>,
    /// The position of `state`.
    state_at: usize,
}

impl Callback {
    /// The callback of a success at an `adminconsent` endpoint. Only v2 sends `scope`.
    pub(super) fn granted(tenant: TenantId, scope: Option<&str>) -> Self {
        let mut params = vec![("admin_consent", "True".to_owned()), ("tenant", tenant.to_string())];
        params.extend(scope.map(|scope| ("scope", scope.to_owned())));
        Self { state_at: params.len(), params }
    }

    /// The callback of a success with the old authorize form.
    pub(super) fn code(code: &str, session: &str) -> Self {
        let params = vec![("code", code.to_owned()), ("session_state", session.to_owned()), ("admin_consent", "True".to_owned())];
        Self { state_at: 1, params }
    }

    /// The callback of an error, as in captures A to C: the flag is `True` although consent failed, and there is no tenant.
    pub(super) fn error(error: &Aadsts, ids: &Ids) -> Self {
        let params = vec![
            ("error", error.error.clone()),
            ("error_description", error.description(ids)),
            ("error_uri", error.uri()),
            ("admin_consent", "True".to_owned()),
        ];
        Self { state_at: params.len(), params }
    }

    /// The callback of a cancel, as in capture D (without a description) and capture E (with one).
    pub(super) fn cancelled(described: bool) -> Self {
        let mut params = vec![("error", "access_denied".to_owned()), ("error_subcode", "cancel".to_owned())];
        if described {
            let text = "AADSTS65004: User declined to consent to access the app.";
            params.push(("error_description", text.to_owned()));
        }
        Self { state_at: 2, params }
    }

    pub(super) fn with_state(mut self, state: Option<&str>) -> Self {
        if let Some(state) = state {
            self.params.insert(self.state_at.min(self.params.len()), ("state", state.to_owned()));
        }
        self
    }

    /// The redirect, or with `form_post` a page that posts the same parameters.
    pub(super) fn answer(self, redirect_uri: &str, form_post: bool) -> Answer {
        // Entra adds a path to a redirect URI that is registered without one (protocol reference §1.3).
        let pathless =
            url::Url::parse(redirect_uri).is_ok_and(|url| url.path() == "/" && url.query().is_none() && !redirect_uri.ends_with('/'));
        let target = format!("{redirect_uri}{}", if pathless { "/" } else { "" });
        if form_post {
            return Answer::html(200, consent_page::form_post(&target, &self.params));
        }
        let query: Vec<String> = self.params.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let joint = if target.contains('?') { '&' } else { '?' };
        // Captured addresses end with a bare '#'.
        Answer::redirect(302, &format!("{target}{joint}{}#", query.join("&")))
    }
}

/// Escapes as the authority's platform does: `+` for a space, lower-case hex digits.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'*' | b'(' | b')' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_with_lower_case_digits_and_plus() {
        assert_eq!(escape("AADSTS65004: a b\r\nc=\u{e9}"), "AADSTS65004%3a+a+b%0d%0ac%3d%c3%a9");
    }

    #[test]
    fn a_redirect_uri_without_a_path_gets_one() {
        let location = |uri: &str| {
            let answer = Callback::cancelled(false).with_state(Some("s")).answer(uri, false);
            answer.header("location").map(str::to_owned).unwrap()
        };
        let query = "error=access_denied&error_subcode=cancel&state=s#";
        assert_eq!(location("https://app.example"), format!("https://app.example/?{query}"));
        assert_eq!(location("https://app.example/cb"), format!("https://app.example/cb?{query}"));
        assert_eq!(location("https://app.example/cb?a=b"), format!("https://app.example/cb?a=b&{query}"));
    }
}
