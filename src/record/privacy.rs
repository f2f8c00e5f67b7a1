//! Limits the personal data in records: as little as an auditor needs, unless the configuration asks for more.

use std::net::IpAddr;

use crate::config::{RecordBrowser, RecordIp};
use crate::consent::DisplayText;

/// The IP address, shortened as the configuration requires: by default /24 of IPv4 and /48 of IPv6.
#[must_use]
pub fn kept_address(policy: RecordIp, address: Option<IpAddr>) -> Option<String> {
    let address = address.map(|address| address.to_canonical())?;
    match (policy, address) {
        (RecordIp::Off, _) => None,
        (RecordIp::Full, address) => Some(address.to_string()),
        (RecordIp::Truncated, IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        (RecordIp::Truncated, IpAddr::V6(v6)) => {
            let [a, b, c, ..] = v6.segments();
            Some(format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

/// The browser's name, shortened as the configuration requires.
#[must_use]
pub fn kept_browser(policy: RecordBrowser, user_agent: Option<&str>) -> Option<DisplayText> {
    let user_agent = user_agent?;
    match policy {
        RecordBrowser::Off => None,
        RecordBrowser::Family => DisplayText::from_untrusted(browser_family(user_agent)),
        RecordBrowser::Full => DisplayText::bounded(user_agent, 256),
    }
}

/// The family of a `User-Agent`: enough to tell a person from a mail scanner. It comes from a fixed list, so that a record contains no text
/// from a stranger.
#[must_use]
pub fn browser_family(user_agent: &str) -> &'static str {
    // Order matters: most browsers also send the names of their ancestors.
    const MARKS: [(&str, &str); 14] = [
        ("ELB-HealthChecker", "health check"),
        ("bot", "bot"),
        ("spider", "bot"),
        ("scan", "scanner"),
        ("curl/", "command line"),
        ("Wget", "command line"),
        ("python", "script"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS", "Firefox"),
        ("Chrom", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let lower = user_agent.to_ascii_lowercase();
    MARKS.iter().find(|(mark, _)| lower.contains(&mark.to_ascii_lowercase())).map_or("other", |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_truncated_unless_asked_otherwise() {
        let keep = |policy, text: &str| kept_address(policy, Some(text.parse().unwrap()));
        assert_eq!(keep(RecordIp::Truncated, "203.0.113.77").unwrap(), "203.0.113.0/24");
        assert_eq!(keep(RecordIp::Truncated, "::ffff:203.0.113.77").unwrap(), "203.0.113.0/24");
        assert_eq!(keep(RecordIp::Truncated, "2001:db8:1:2:3:4:5:6").unwrap(), "2001:db8:1::/48");
        assert_eq!(keep(RecordIp::Full, "203.0.113.77").unwrap(), "203.0.113.77");
        assert_eq!(keep(RecordIp::Off, "203.0.113.77"), None);
    }

    #[test]
    fn a_browser_is_kept_as_its_family() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0";
        assert_eq!(browser_family(edge), "Edge");
        assert_eq!(
            browser_family("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"),
            "Safari"
        );
        assert_eq!(browser_family("<script>"), "other");
        assert_eq!(kept_browser(RecordBrowser::Off, Some(edge)), None);
        assert_eq!(kept_browser(RecordBrowser::Full, Some("a\u{1b}[31mb")).unwrap().as_str(), "a\u{fffd}[31mb");
    }
}
