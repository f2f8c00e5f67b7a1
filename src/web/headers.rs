//! The headers of every answer, with any status.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The only stylesheet: inline in every page, and allowed by its hash.
pub const STYLE: &str = include_str!("style.css");

/// HSTS for a year. The header omits `includeSubDomains` and `preload`, because they bind hosts that the operator may not control.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The headers with a constant value (threats reference S14, S28 to S30, S37).
const FIXED: [(HeaderName, HeaderValue); 9] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // A result is for one visit and may name an organisation, so no cache on the way may store it.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), HeaderValue::from_static("none")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow, noarchive")),
];

const PERMISSIONS: &str = "accelerometer=(), autoplay=(), browsing-topics=(), \
    camera=(), clipboard-read=(), clipboard-write=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), \
    geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), \
    picture-in-picture=(), publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), \
    storage-access=(), sync-xhr=(), usb=(), window-management=(), xr-spatial-tracking=()";

/// The forms that the page's policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Forms {
    /// No forms.
    #[default]
    None,
    /// A button that leads to Microsoft, and on to the organisation's own sign-in page. Chromium checks every redirect after a form against
    /// `form-action`. The policy omits this directive, because we cannot know the hosts of those redirects.
    LeadAway,
    /// A form that asks this site.
    AskUs,
}

/// Allows the one stylesheet and images inside the page, but no scripts, frames or requests. It also forbids forms, except on the page of
/// an invitation, on the help page, and where an expired link can ask for another.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| Forms::None.policy(None));
static POLICY_OF_FORMS: LazyLock<HeaderValue> = LazyLock::new(|| Forms::LeadAway.policy(None));
static POLICY_OF_QUESTIONS: LazyLock<HeaderValue> = LazyLock::new(|| Forms::AskUs.policy(None));

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| hash(STYLE));

fn hash(style: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes())))
}

impl Forms {
    /// `colours` is the operator's stylesheet.
    fn policy(self, colours: Option<&str>) -> HeaderValue {
        let form_action = match self {
            Self::None => " form-action 'none';",
            Self::LeadAway => "",
            Self::AskUs => " form-action 'self';",
        };
        let colours = colours.map(|colours| format!(" {}", hash(colours))).unwrap_or_default();
        let style = &*STYLE_HASH;
        let policy =
            format!("default-src 'none'; style-src {style}{colours}; img-src data:; base-uri 'none';{form_action} frame-ancestors 'none'");
        // Base64 is visible ASCII, so this cannot fail. If it did, the page would lose its style and keep its protection.
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
    }
}

/// Sets the security headers of an answer and overwrites existing ones. Applies to every status, including 303, 404, 405 and 413.
///
/// * `https`: whether the public base address is https. Over http, browsers ignore HSTS. On a loopback host, HSTS would lock people out.
pub(crate) fn secure(headers: &mut HeaderMap, https: bool) {
    secure_with(headers, https, Forms::None, None);
}

/// As [`secure`], for a page that may have forms, and the operator's own colours.
pub(crate) fn secure_with(headers: &mut HeaderMap, https: bool, forms: Forms, colours: Option<&str>) {
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    let policy = match forms {
        Forms::None => &POLICY,
        Forms::LeadAway => &POLICY_OF_FORMS,
        Forms::AskUs => &POLICY_OF_QUESTIONS,
    };
    let policy = colours.map_or_else(|| LazyLock::force(policy).clone(), |colours| forms.policy(Some(colours)));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

pub(crate) fn retry_after(seconds: u32) -> HeaderValue {
    HeaderValue::from(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_carries_the_whole_list() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src *"));
        secure(&mut headers, true);
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let expected = [
            ("cache-control", "no-store"),
            ("content-security-policy", policy.as_str()),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", PERMISSIONS),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-permitted-cross-domain-policies", "none"),
            ("x-robots-tag", "noindex, nofollow, noarchive"),
        ];
        let mut sent: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        sent.sort_unstable();
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_page_whose_button_leads_away_differs_by_the_one_directive() {
        let [mut without, mut with] = [HeaderMap::new(), HeaderMap::new()];
        secure(&mut without, true);
        secure_with(&mut with, true, Forms::LeadAway, None);
        let [strict, loose] = [&mut without, &mut with].map(|headers| headers.remove(header::CONTENT_SECURITY_POLICY).unwrap());
        assert_eq!(strict.to_str().unwrap().replace(" form-action 'none';", ""), loose.to_str().unwrap());
        assert!(!loose.to_str().unwrap().contains("form-action"));
        assert_eq!(without, with);
    }

    #[test]
    fn a_form_of_the_help_page_reaches_this_site_alone() {
        let mut headers = HeaderMap::new();
        secure_with(&mut headers, true, Forms::AskUs, None);
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("; form-action 'self';"));
    }

    #[test]
    fn the_operators_colours_are_allowed_by_their_hash() {
        let mut headers = HeaderMap::new();
        secure_with(&mut headers, true, Forms::None, Some(":root{--brand:#0f5c8c}"));
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let [all, colours] = [STYLE, ":root{--brand:#0f5c8c}"].map(hash);
        assert!(policy.contains(&format!("style-src {all} {colours}; img-src data:; base-uri 'none'; form-action 'none';")), "{policy}");
    }

    #[test]
    fn a_loopback_host_is_not_bound_to_https() {
        let mut headers = HeaderMap::new();
        secure(&mut headers, false);
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert_eq!(headers.len(), 10);
    }

    #[test]
    fn no_feature_of_the_browser_is_granted() {
        assert!(PERMISSIONS.split(", ").all(|feature| feature.ends_with("=()")), "{PERMISSIONS}");
    }
}
