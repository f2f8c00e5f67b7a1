//! How to reach the operator: the mail address and the phone number in the text of the configuration, as links.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::{Branding, Moment, ResultPage};
use crate::web::words::PAGES;

/// Most characters of a `mailto:` address, because mail programs cut longer ones.
const LONGEST: usize = 1_900;
/// Everything is encoded but the unreserved characters (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The line at the end of every page.
pub(super) fn questions(branding: Branding<'_>) -> Markup {
    let mail = mail_address(branding.support).map(|address| (address, format!("mailto:{address}")));
    let links: Vec<_> = mail.into_iter().chain(phone_number(branding.support)).collect();
    let contact = linked(branding.support, &links);
    PAGES.text("questions").with("contact", contact).fill(branding.names())
}

fn linked(text: &str, links: &[(&str, String)]) -> Markup {
    let Some(((shown, href), others)) = links.split_first() else { return html! { (text) } };
    let Some((before, after)) = text.split_once(shown) else { return linked(text, others) };
    html! { (linked(before, others)) a href=(href) { (shown) } (linked(after, others)) }
}

/// Buttons that write to the operator and call it, as far as the configuration has a mail address and a number.
pub(super) fn buttons(page: &ResultPage<'_>, primary: bool) -> Markup {
    let names = page.names();
    html! {
        @if let Some(address) = mail_address(page.branding.support) {
            p { a.button.primary[primary] href=(mail(page, address)) { (PAGES.text("contact-mail").fill(names)) } }
        }
        @if let Some((_, href)) = phone_number(page.branding.support) {
            p { a.button href=(href) { (PAGES.text("contact-call").fill(names)) } }
        }
    }
}

/// A mail to the operator about this page.
fn mail(page: &ResultPage<'_>, address: &str) -> String {
    let (subject, facts) = (PAGES.text("contact-subject").plain(page.names()), facts(page));
    mailto(address, &[(&subject, &facts), (&subject, "")]).unwrap_or_else(|| format!("mailto:{address}"))
}

/// A mail to the person who manages the organisation's sign-in rules. The reader knows the address.
pub(super) fn mail_about_policy(page: &ResultPage<'_>) -> String {
    let names = page.names();
    let (subject, request, facts) = (PAGES.text("policy-subject").plain(names), PAGES.text("policy-request").plain(names), facts(page));
    mailto("", &[(&subject, &format!("{request}\r\n{facts}")), (&subject, &request)]).unwrap_or_else(|| "mailto:".to_owned())
}

/// The facts that help the receiver of a mail to find the cause. They contain no address of this service and no token.
fn facts(page: &ResultPage<'_>) -> String {
    let time = page.looked_at.or(page.came_back_at).and_then(Moment::of).map(|time| time.machine);
    let lines = [
        Some((PAGES.text("details-outcome"), page.outcome.name().to_owned())),
        page.code.map(|reported| (PAGES.text("details-code"), reported.code.to_string())),
        page.record_id.map(|id| (PAGES.text("details-record"), id.to_owned())),
        page.reference.map(|reference| (PAGES.text("details-reference"), reference.to_owned())),
        time.map(|time| (PAGES.text("details-time"), time)),
        page.correlation_id.map(|id| (PAGES.text("details-correlation-id"), id.to_string())),
    ];
    lines.into_iter().flatten().map(|(label, value)| format!("\r\n{}: {value}", label.plain(page.names()))).collect()
}

/// A text as a part of an address, such as a field of a mail.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

/// The address of a mail with the first subject and body that together are short enough. `to` is an address of plain letters, or empty.
pub(in crate::web) fn mailto(to: &str, mails: &[(&str, &str)]) -> Option<String> {
    let address = |(subject, body): &(&str, &str)| format!("mailto:{to}?subject={}&body={}", encoded(subject), encoded(body));
    mails.iter().map(address).find(|address| address.len() <= LONGEST)
}

/// The first mail address of plain letters: any other could leave its part of a `mailto:` address.
fn mail_address(support: &str) -> Option<&str> {
    let words = support.split(|c: char| c.is_whitespace() || ",;:()<>\"".contains(c));
    words.map(|word| word.trim_end_matches(['.', '!', '?'])).find(|word| {
        let Some((name, host)) = word.split_once('@') else { return false };
        let is_plain = |text: &str, also: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c));
        word.len() <= 254 && is_plain(name, "._+-") && host.contains('.') && host.split('.').all(|label| is_plain(label, "-"))
    })
}

/// The first number in international form, with its address.
fn phone_number(support: &str) -> Option<(&str, String)> {
    let (before, after) = support.split_once('+')?;
    let end = after.find(|c: char| !c.is_ascii_digit() && !" ()-".contains(c)).unwrap_or(after.len());
    let number = after.get(..end)?.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let is_number = (7..=15).contains(&digits.len()) && after.starts_with(|c: char| c.is_ascii_digit());
    let shown = support.get(before.len()..before.len().saturating_add(number.len()).saturating_add(1))?;
    (is_number && !before.ends_with(char::is_alphanumeric)).then(|| (shown, format!("tel:+{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Outcome;

    #[test]
    fn a_mail_address_and_a_number_are_recognised_in_a_text() {
        let seen = |support| (mail_address(support), phone_number(support).map(|(shown, href)| format!("{shown} {href}")));
        let number = |number: &str| Some(number.to_owned());
        assert_eq!(
            seen("support@northwind.example or +1 555 0100."),
            (Some("support@northwind.example"), number("+1 555 0100 tel:+15550100"))
        );
        assert_eq!(seen("+49 (30) 901820, help@a-b.example"), (Some("help@a-b.example"), number("+49 (30) 901820 tel:+4930901820")));
        for none in [
            "the help desk",
            "a@b",
            "a@.example",
            "a?cc=x@b.example",
            "a@b.example?bcc=c",
            "x+12345678",
            "+12",
            "+1234567890123456",
            "%0a@b.example",
        ] {
            assert_eq!(seen(none), (None, None), "{none}");
        }
    }

    #[test]
    fn a_mail_is_short_and_no_value_leaves_its_field() {
        let privacy_url = url::Url::parse("https://example.com/").unwrap();
        for app in ["a&body=x#?\r\nBcc: y".to_owned(), "\u{1f4e7}".repeat(80), "\u{1f4e7}".repeat(400)] {
            let branding = Branding { operator: "N&bcc=o", support: "help@n.example", privacy_url: &privacy_url, look: None };
            let page = ResultPage {
                app: Some(&app),
                reference: Some("&to=x"),
                record_id: Some("r"),
                ..ResultPage::new(branding, Outcome::LinkExpired)
            };
            let href = mail(&page, "help@n.example");
            assert!(href.len() <= LONGEST && href.starts_with("mailto:help@n.example"), "{href}");
            let fields: Vec<_> = href.split(['?', '&']).skip(1).map(|field| field.split_once('=').unwrap().0).collect();
            assert!(["subject", "body"].starts_with(&fields), "{href}");
        }
    }
}
