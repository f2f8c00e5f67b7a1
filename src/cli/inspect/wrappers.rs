//! What mail programs and mail filters make of an address, and the way back.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use url::Url;

/// Most times that entities may be escaped, as in `&amp;amp;`.
const MOST_ESCAPES: usize = 3;

/// Undoes quoted-printable, in which a long line ends with `=` and each `=` is `=3D`. A text without its marks stays as it is.
pub(super) fn from_quoted_printable(text: &str) -> Cow<'_, str> {
    let is_broken = text.contains("=\n") || text.contains("=\r\n");
    let lower = text.to_ascii_lowercase();
    if !is_broken && !["=3deyj", "=3dhttp", "=3d\"http"].iter().any(|mark| lower.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let joined = text.replace("=\r\n", "").replace("=\n", "");
    Cow::Owned(joined.replace("=3D", "=").replace("=3d", "="))
}

/// Undoes the entities of HTML, such as `&amp;`. The other characters of an address need none.
pub(super) fn from_html(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..MOST_ESCAPES {
        if !text.contains('&') || !text.contains(';') {
            break;
        }
        let once = unescaped(&text);
        if once == *text {
            break;
        }
        text = Cow::Owned(once);
    }
    text
}

fn unescaped(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(';').and_then(|(entity, rest)| Some((character(entity)?, rest))) {
            Some((character, rest)) => {
                out.push(character);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(piece);
            }
        }
    }
    out
}

fn character(entity: &str) -> Option<char> {
    let named = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("equals", '='), ("nbsp", ' ')];
    if let Some((_, character)) = named.iter().find(|(name, _)| name.eq_ignore_ascii_case(entity)) {
        return Some(*character);
    }
    let number = entity.strip_prefix('#')?;
    let hex = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
    char::from_u32(hex.unwrap_or_else(|| number.parse()).ok()?)
}

/// The address of a mail filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    /// It contains the original address.
    Open(String),
    /// Only the filter's own service knows the original address.
    Closed(&'static str),
}

/// Hosts of Safe Links: the global cloud, both US Government clouds, and the one in China.
const SAFE_LINKS: &str = "safelinks.protection.outlook.com safelinks.protection.office365.us safelinks.protection.apps.mil \
    safelinks.protection.outlook.cn safelinks.protection.partner.outlook.cn";
/// Domains of the clouds whose Teams has Safe Links in a page of its own.
const TEAMS: &str = "office.net microsoft.com microsoft.us office365.us apps.mil office.cn microsoftonline.cn";
/// The path of that page, before a version.
const TEAMS_PATH: &str = "/evergreen-assets/safelinks/";
/// Hosts of Proofpoint.
const PROOFPOINT: &str = "urldefense.proofpoint.com urldefense.com urldefense.us";
/// Mimecast replaces an address by a key to it.
const MIMECAST: &str = "mimecast.com mimecastprotect.com";
/// Other filters that put the original address into a parameter: Barracuda, Outlook in a browser, Trellix, Symantec.
const IN_PARAMETER: [(&str, &str, &str); 4] = [
    ("linkprotect.cudasvc.com", "/url", "a"),
    ("outlook.office.com", "/mail/safelink.html", "url"),
    ("protect2.fireeye.com", "/url", "u"),
    ("clicktime.symantec.com", "/", "u"),
];

/// Whether a host is one of these domains or below it.
fn is_in(host: &str, domains: &str) -> bool {
    let is_above = |domain| host.strip_suffix(domain).is_some_and(|above: &str| above.is_empty() || above.ends_with('.'));
    domains.split(' ').any(is_above)
}

/// Recognises the address of a mail filter. `text` is the address as written, because parsing changes some characters.
pub(super) fn wrapper(url: &Url, text: &str) -> Option<Wrapper> {
    let (host, path) = (url.host_str()?, url.path());
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let is_teams = host.starts_with("statics") && host.contains(".teams.") && path.starts_with(TEAMS_PATH) && is_in(host, TEAMS);
    let inner = match path {
        _ if is_teams || is_in(host, SAFE_LINKS) => parameter("url"),
        _ if is_in(host, MIMECAST) => return Some(Wrapper::Closed("Mimecast")),
        _ if path.starts_with("/v1/url") && is_in(host, PROOFPOINT) => parameter("u"),
        _ if path.starts_with("/v2/url") && is_in(host, PROOFPOINT) => {
            parameter("u").map(|inner| percent_decode_str(&inner.replace('-', "%").replace('_', "/")).decode_utf8_lossy().into_owned())
        }
        _ if path.starts_with("/v3/") && is_in(host, PROOFPOINT) => proofpoint_v3(text),
        _ => IN_PARAMETER.iter().find(|(known, start, _)| host == *known && path.starts_with(start)).and_then(|(.., name)| parameter(name)),
    };
    inner.map(Wrapper::Open)
}

/// The characters by whose place version 3 counts; the first one counts 2.
const COUNTS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Version 3 replaces unusual characters: `*` by the next one of a list after `__;`, and `**A` to `**_` by the next 2 to 65.
fn proofpoint_v3(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("/v3/__")?;
    let (address, list) = rest.split_once("__;")?;
    let list = list.split('!').next().unwrap_or_default().trim_end_matches('=');
    let list = String::from_utf8(URL_SAFE_NO_PAD.decode(list).ok()?).ok()?;
    let (mut replaced, mut out, mut letters) = (list.chars(), String::new(), address.chars());
    while let Some(letter) = letters.next() {
        let mut after = letters.clone();
        match (letter, after.next()) {
            ('*', Some('*')) => {
                let count = after.next().and_then(|count| COUNTS.find(count))? + 2;
                out.extend(replaced.by_ref().take(count));
                letters = after;
            }
            ('*', _) => out.extend(replaced.next()),
            _ => out.push(letter),
        }
    }
    // Browsers and proxies may join the slashes; the parser of addresses does not mind.
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(text: &str) -> Option<Wrapper> {
        wrapper(&Url::parse(text).unwrap(), text)
    }

    /// Examples that Proofpoint's own decoder publishes.
    #[test]
    fn each_version_of_proofpoint_is_decoded() {
        for (text, inner) in [
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__media.mnn.com_assets_images_2016_06_jupiter-2Dnasa.jpg.638x0-5Fq80-5Fcrop-2Dsmart.jpg&d=DwMBaQ&c=x",
                "https://media.mnn.com/assets/images/2016/06/jupiter-nasa.jpg.638x0_q80_crop-smart.jpg",
            ),
            (
                "https://urldefense.com/v3/__https://google.com:443/search?q=a*test&gs=ps__;Kw!-612Flbf0JvQ3kNJkRi5Jg!Ue6tQudNKaShHg93trcdjqDP8se2ySE65jyCIe2K1D_uNjZ1Lnf6YLQERujngZv9UWf66ujQIQ$",
                "https://google.com:443/search?q=a+test&gs=ps",
            ),
            ("https://urldefense.us/v3/__https:/a.example/i/eyJa_b__c__;!!x!y$", "https:/a.example/i/eyJa_b__c"),
            ("https://urldefense.com/v3/__https://a.example/?q=**A-*__;JSUl!!x$", "https://a.example/?q=%%-%"),
            ("https://urldefense.proofpoint.com/v1/url?u=https%3A%2F%2Fa.example%2Fi%2FeyJ-_x&k=x%3D&r=y", "https://a.example/i/eyJ-_x"),
        ] {
            assert_eq!(unwrapped(text), Some(Wrapper::Open(inner.to_owned())));
        }
        for broken in
            ["https://urldefense.com/v3/", "https://urldefense.com/v3/__https://a__;**!!", "https://urldefense.com/v3/__a**?__;JSUl!!"]
        {
            assert_eq!(unwrapped(broken), None, "{broken}");
        }
    }

    #[test]
    fn only_hosts_of_filters_are_unwrapped() {
        for host in [
            "evil.example/evergreen-assets/safelinks/1/atp-safelinks.html",
            "safelinks.protection.outlook.com.evil.example/",
            "evilsafelinks.protection.outlook.com/",
            "statics.teams.evil.example/evergreen-assets/safelinks/1/x",
            "www.office.net/evergreen-assets/safelinks/1/x",
            "urldefense.evil.example/v1/url",
        ] {
            assert_eq!(unwrapped(&format!("https://{host}?url=https%3A%2F%2Fa.example&u=x")), None, "{host}");
        }
    }

    #[test]
    fn entities_and_soft_breaks_come_off_once_they_are_clear() {
        for (text, clear) in [
            ("a?b=1&amp;c=2&#38;d=3&#x26;e&amp;amp;f", "a?b=1&c=2&d=3&e&f"),
            ("a&b;c&#xffffffff;&#x110000;&;", "a&b;c&#xffffffff;&#x110000;&;"),
            ("&lt;https&#58;//a&gt;", "<https://a>"),
        ] {
            assert_eq!(from_html(text), clear);
        }
        for (text, clear) in [
            ("https://a/i/eyJ=\r\nab=\nc", "https://a/i/eyJabc"),
            ("https://a/?x=3D3Df&state=3DeyJ", "https://a/?x=3Df&state=eyJ"),
            ("https://a/?x=3Df&state=eyJ", "https://a/?x=3Df&state=eyJ"),
        ] {
            assert_eq!(from_quoted_printable(text), clear);
        }
    }
}
