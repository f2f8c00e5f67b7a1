//! `entra-consent inspect`, through the real program, with anything that a user may paste.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::consent::{
    ApprovalState, Binding, Claim, Expectation, ExpectedTenant, Label, Outcome, ProfileId, Queued, TenantId, TokenId,
};
use entra_consent::secret::Secret;
use entra_consent::token::{KeyRing, Order, Signer, Ticket, receipt};
use serde_json::Value;
use time::OffsetDateTime;

use crate::support::golden;
use crate::support::northwind::KEY;
use crate::support::terminal::{Terminal, Told};

const CONFIG: &str = include_str!("../../consent.example.toml");
const BASE: &str = "https://consent.northwind.example";
const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn test() -> Terminal {
    let terminal = Terminal::new();
    terminal.write("consent.toml", &CONFIG.replace("secret = { aws = \"entra-consent/keys\" }", "secret = { file = \"keys.json\" }"));
    terminal.write("keys.json", KEY);
    terminal
}

fn now() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap()
}

/// Makes tokens as the installation does, at any time.
struct Maker {
    keys: KeyRing,
    issuer: &'static str,
}

impl Maker {
    fn new(keys: &str) -> Self {
        Self { keys: KeyRing::parse(&Secret::new(keys.into())).unwrap(), issuer: BASE }
    }

    fn signer(&self) -> Signer<'_> {
        Signer { keys: &self.keys, issuer: self.issuer, now: now() }
    }

    fn ticket(&self, issued_at: u64, life: u64) -> String {
        let ticket = Ticket {
            id: TokenId::from_random([7; 16]),
            issued_at,
            expires_at: issued_at + life,
            expectation: expectation(),
            browser: Some([9; 32]),
        };
        ticket.issue(self.signer()).unwrap()
    }
}

fn expectation() -> Expectation {
    Expectation {
        app: ProfileId::parse("user-sync").unwrap(),
        tenant: ExpectedTenant::Tenant(TenantId::parse(TENANT).unwrap()),
        label: Label::parse("Contoso GmbH").ok(),
        reference: None,
        invitation: None,
    }
}

fn receipt() -> ApprovalState {
    ApprovalState {
        ticket: TokenId::from_random([7; 16]),
        expectation: expectation(),
        claim: Claim::Success,
        outcome: Outcome::Pending,
        since: now(),
        callback_at: now(),
        counts_from: now() * 1_000_000,
        binding: Binding::None,
        browser: None,
        late: false,
        signed_at: now(),
        step: 0,
        queued: Queued::No,
        event: None,
        verifier_claimed_at: None,
    }
}

fn json(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

#[test]
fn each_kind_of_address_and_token_is_recognised() {
    let terminal = test();
    let made = Maker::new(KEY);
    let link = |more: &[&str]| {
        let arguments = [&["link", "--app", "user-sync", "--tenant", TENANT, "--offline"], more].concat();
        terminal.run(&arguments).out.trim().to_owned()
    };
    let id = TokenId::from_random([8; 16]);
    let ticket = made.ticket(now(), HOUR);
    let receipt_token = receipt::issue(&receipt(), id, DAY, made.signer()).unwrap();
    let order = Order { remembered: receipt(), attempt: 3, not_before: now() + 60, tell: None }.issue(id, DAY, made.signer()).unwrap();
    for (text, kind, words) in [
        (link(&[]), "invitation", vec!["an invitation"]),
        (link(&["--direct"]), "ticket", vec!["Microsoft's consent page", "bound to none"]),
        (
            format!("{BASE}/callback?admin_consent=True&tenant={TENANT}&state={ticket}"),
            "ticket",
            vec!["a callback", "proves nothing", "pressed the button"],
        ),
        (format!("{BASE}/callback?error=access_denied&state={ticket}"), "ticket", vec!["a refusal. This part"]),
        (format!("{BASE}/r/{receipt_token}"), "receipt", vec!["result or watch page", "pending"]),
        (format!("{BASE}/w/{receipt_token}"), "receipt", vec!["pending"]),
        (order.clone(), "order", vec!["queue", "Attempt"]),
        (ticket.clone(), "ticket", vec!["a ticket"]),
    ] {
        let told = terminal.run(&["inspect", &text]);
        assert_eq!((told.status, told.err.as_str()), (0, ""), "{kind}: {told:?}");
        let flat = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|words| flat.contains(words)), "{words:?}: {}", told.out);
        assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);
        let token = text.rsplit(['/', '=']).next().unwrap();
        assert!(!told.out.contains(token), "the token itself is a key to its purpose");
        let told = terminal.run_with(&["inspect", "-", "--output", "json"], &format!("  {text}\n"));
        let read = json(&told);
        assert_eq!(
            (&read["kind"], &read["genuine"], &read["usable"], &read["tenant"]),
            (&kind.into(), &"yes".into(), &true.into(), &TENANT.into())
        );
        assert!(!told.out.contains(token));
    }
}

#[test]
fn what_is_not_genuine_says_why() {
    let terminal = test();
    let made = Maker::new(KEY);
    let good = made.ticket(now(), HOUR);
    let stranger = Maker::new(r#"{"kid":"k1","key":"another-key-of-thirty-two-bytes!!"}"#).ticket(now(), HOUR);
    let taken_out = Maker::new(r#"{"kid":"k0","key":"another-key-of-thirty-two-bytes!!"}"#).ticket(now(), HOUR);
    let moved = Maker { issuer: "https://old.northwind.example", ..Maker::new(KEY) }.ticket(now(), HOUR);
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let other_payload = made.ticket(now() - 5, HOUR).split('.').nth(1).unwrap().to_owned();
    for (token, words) in [
        (stranger, "its signature is wrong"),
        (taken_out, "a key that was taken out"),
        (moved, "signed with a key of yours, but made for https://old.northwind.example"),
        (format!("{head}.{other_payload}.{signature}"), "its signature is wrong"),
        (good.get(..good.len() - 9).unwrap().to_owned(), "its end is missing"),
        (good.get(..good.len() - 60).unwrap().to_owned(), "its end is missing"),
        (head.to_owned(), "its end is missing"),
    ] {
        let told = terminal.run(&["inspect", &token, "--output", "json"]);
        assert_eq!(told.status, 3, "{words}: {told:?}");
        let read = json(&told);
        assert_eq!((&read["genuine"], &read["usable"]), (&"no".into(), &false.into()), "{read}");
        assert!(read["remarks"].to_string().contains(words), "{words}: {read}");
    }
    for text in ["hello", "https://www.example.com/", "eyJhbGciOiJub25lIn0.e30.", "/i/hello", "eyJ", ""] {
        let told = terminal.run(&["inspect", text]);
        assert_eq!((told.status, told.out.as_str()), (2, ""), "{text}: {told:?}");
    }
}

#[test]
fn a_hostile_token_is_inspected_as_text() {
    const EVIL: &str = "\u{1b}]0;evil\u{7}\u{1b}[31m\u{202e}<b>";
    let terminal = test();
    let ticket = Maker::new(KEY).ticket(now(), HOUR);
    let decoded =
        |at: usize| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(ticket.split('.').nth(at).unwrap()).unwrap()).unwrap() };
    for (part, member) in [(0, "kid"), (1, "iss"), (1, "lbl"), (1, "ref"), (1, "app"), (1, "jti")] {
        let mut parts = [decoded(0), decoded(1)];
        parts[part][member] = EVIL.into();
        let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        for output in ["table", "json"] {
            let told = terminal.run(&["inspect", &format!("{header}.{claims}.{}", "A".repeat(43)), "--output", output]);
            assert!([2, 3].contains(&told.status), "{member}: {told:?}");
            assert!(!(told.out + &told.err).contains(['\u{1b}', '\u{7}', '\u{202e}']), "{member}");
        }
    }
}

#[test]
fn a_link_that_mail_filters_wrapped_again_and_again_is_not_followed_for_ever() {
    let terminal = test();
    let ticket = Maker::new(KEY).ticket(now(), HOUR);
    let wrapped = |times: usize| {
        let wrappers = "https://eur01.safelinks.protection.outlook.com/?url=".repeat(times);
        format!("{wrappers}{BASE}/callback?state={ticket}")
    };
    assert_eq!(terminal.run(&["inspect", &wrapped(4)]).status, 0);
    for times in [5, 1_000] {
        let told = terminal.run_with(&["inspect", "-"], &wrapped(times));
        assert_eq!((told.status, told.out.as_str()), (2, ""), "{told:?}");
        assert!(told.err.contains("more than 4 times") && told.err.contains("as it was sent"), "{told:?}");
    }
}

#[test]
fn a_link_is_found_inside_what_mail_programs_made_of_it() {
    let terminal = test();
    let link = |more: &[&str]| {
        let arguments = [&["link", "--app", "user-sync", "--tenant", TENANT, "--offline"], more].concat();
        terminal.run(&arguments).out.trim().to_owned()
    };
    let (invitation, direct) = (link(&[]), link(&["--direct"]));
    let callback = format!("{BASE}/callback?admin_consent=True&tenant={TENANT}&state={}", direct.rsplit("state=").next().unwrap());
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let v2 = |text: &str| encoded(text).replace('-', "%2D").replace('_', "%5F").replace("%2F", "_").replace('%', "-");
    let soft: String = invitation.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line) + "=\r\n").collect();
    let hard: String = invitation.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
    for link in [&invitation, &direct, &callback] {
        let safe = |host: &str| format!("https://{host}/?url={}&data=05%7C02", encoded(link));
        let proofpoint = format!("https://urldefense.com/v3/__{link}__;!!x!y$");
        for text in [
            safe("eur01.safelinks.protection.outlook.com"),
            safe("usg02.safelinks.protection.office365.us"),
            safe("usg01.safelinks.protection.apps.mil"),
            safe("chn01.safelinks.protection.partner.outlook.cn"),
            safe("statics.teams.cdn.office.net/evergreen-assets/safelinks/2/atp-safelinks.html"),
            safe("STATICS.TEAMS.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html").replace("/?url", "?url"),
            format!("https://urldefense.proofpoint.com/v1/url?u={}&k=x", encoded(link)),
            format!("https://urldefense.proofpoint.com/v2/url?u={}&d=DwMF&c=x", v2(link)),
            proofpoint.clone(),
            format!("https://linkprotect.cudasvc.com/url?a={}&c=E,1,x&typo=1", encoded(link)),
            safe("eur01.safelinks.protection.outlook.com").replace(&encoded(link), &encoded(&proofpoint)),
            safe("usg02.safelinks.protection.office365.us").replace('&', "&amp;"),
            safe("nam02.safelinks.protection.outlook.com").replace('=', "=3D"),
            format!("Dear Anna,\nplease open <{link}>. Thank you!\nhttps://www.northwind.example/help\n"),
            format!("[Approve]({link})."),
            format!("\"{link}\","),
            format!("Link:{link}"),
            link.strip_prefix("https://").unwrap().to_owned(),
        ] {
            let told = terminal.run_with(&["inspect", "-", "--output", "json"], &text);
            assert_eq!(told.status, 0, "{text}: {told:?}");
            let read = json(&told);
            assert_eq!((&read["genuine"], &read["tenant"]), (&"yes".into(), &TENANT.into()), "{read}");
            let is_wrapped = read["remarks"].to_string().contains("A mail filter had wrapped the address");
            assert_eq!(
                is_wrapped,
                !text.contains(link.as_str()) && text.starts_with("https://") || text.contains("urldefense"),
                "{text}: {read}"
            );
        }
    }
    for text in [soft, hard] {
        assert_eq!(terminal.run_with(&["inspect", "-"], &text).status, 0, "{text}");
    }
    for (link, words) in [(&direct, "Microsoft does not see client_id and state"), (&callback, "The callback reads that as & once")] {
        let told = terminal.run(&["inspect", &link.replace('&', "&amp;"), "--output", "json"]);
        assert!(told.status == 0 && json(&told)["remarks"].to_string().contains(words), "{told:?}");
    }
    for (text, words) in [
        ("https://protect-eu.mimecast.com/s/AbCdC1?domain=northwind.example", "only Mimecast knows the original"),
        ("See https://url.uk.m.mimecastprotect.com/s/F6rYCAW0hl6wn3CQg3QZ now", "try: the link from the message as it was sent"),
        ("https://consent.northwind.example/callback?admin_consent=True&tenant=x", "it has no `state`"),
        ("https://evil.example/?url=https%3A%2F%2Fconsent.northwind.example%2Fi%2FeyJa.b.c", "no token in it"),
        ("https://urldefense.com/v3/__https://a.example/**__;!!", "no token in it"),
    ] {
        let told = terminal.run(&["inspect", text]);
        assert!(told.status == 2 && told.err.contains(words), "{text}: {told:?}");
    }
}

#[test]
fn what_is_genuine_and_of_no_use_says_why() {
    let terminal = test();
    let made = Maker::new(KEY);
    let expect = |text: &str, words: &str| {
        let told = terminal.run(&["inspect", text, "--output", "json"]);
        assert_eq!(told.status, 3, "{words}: {told:?}");
        let read = json(&told);
        assert_eq!((&read["genuine"], &read["usable"]), (&"yes".into(), &false.into()), "{read}");
        assert!(read["remarks"].to_string().contains(words), "{words}: {read}");
    };
    expect(&made.ticket(now() - 3 * DAY, HOUR), "EXPIRED 3 days ago");
    expect(&made.ticket(now() - 3 * HOUR, HOUR), "PAST ITS END (2 hours ago)");

    let config = terminal.read("consent.toml");
    let ticket = made.ticket(now(), HOUR);
    terminal.write("consent.toml", &config.replace("#revoked_before = 2026-01-01T00:00:00Z", "revoked_before = 2099-01-01T00:00:00Z"));
    expect(&ticket, "REVOKED");
    let id = TokenId::from_random([7; 16]);
    terminal
        .write("consent.toml", &config.replace("#revoked = [\"5f0c9b8e-3a51-4c7e-9d0f-2b6a41d7c3e8\"]", &format!("revoked = [\"{id}\"]")));
    expect(&ticket, "REVOKED");
    terminal.write("consent.toml", &config.replace("\"user-sync\"", "\"renamed\""));
    expect(&ticket, "no app `user-sync` any more");
}

#[test]
fn a_genuine_token_behind_an_address_that_was_changed_is_not_called_usable() {
    let terminal = test();
    let link = |more: &[&str]| {
        let arguments = [&["link", "--app", "user-sync", "--tenant", TENANT, "--offline"], more].concat();
        terminal.run(&arguments).out.trim().to_owned()
    };
    let (direct, invitation) = (link(&["--direct"]), link(&[]));
    let ticket = direct.rsplit("state=").next().unwrap();
    let receipt = receipt::issue(&receipt(), TokenId::from_random([8; 16]), DAY, Maker::new(KEY).signer()).unwrap();
    let other = "99990000-aaaa-bbbb-cccc-1111dddd2222";
    let elsewhere = "this site's addresses begin with https://consent.northwind.example/";
    let token = invitation.rsplit('/').next().unwrap();
    for (text, words) in [
        (direct.replace(TENANT, other), "another tenant than the ticket was made for"),
        (direct.replace(TENANT, "organizations"), "Its path is not the one"),
        (direct.replace("11112222-aaaa-bbbb-cccc-3333dddd4444", other), "asks for the app"),
        (direct.replace("consent.northwind.example", "evil.example"), "come back to another address"),
        (direct.replace("login.microsoftonline.com", "login.evil.example"), "leads to https://login.evil.example"),
        (direct.replace("https://login", "http://login"), "leads to http://login.microsoftonline.com"),
        (direct.replace("&scope=", "&scope=Mail.Send+"), "asks for Mail.Send"),
        (format!("{direct}&client_id={other}"), "asks for the app"),
        (format!("/callback?tenant={other}&state={ticket}"), "wrong_tenant"),
        (format!("https://evil.example/callback?admin_consent=True&tenant={TENANT}&state={ticket}"), elsewhere),
        (format!("{BASE}/other?admin_consent=True&tenant={TENANT}&state={ticket}"), elsewhere),
        (format!("{BASE}/callback?state={token}"), "takes a ticket"),
        (invitation.replace(BASE, "https://evil.example"), elsewhere),
        (invitation.replace(BASE, "https://consent.northwind.example.evil.example"), elsewhere),
        (invitation.replace("https://", "https://consent.northwind.example@evil.example/"), elsewhere),
        (invitation.replace("/i/", "/elsewhere/i/"), elsewhere),
        (invitation.replace("/i/", "/r/"), "a page for receipts"),
        (invitation.replace("/i/", "/"), "an address of this form"),
        (format!("https://evil.example/w/{receipt}"), elsewhere),
        (format!("{BASE}/i/{ticket}"), "a page for invitations"),
    ] {
        let told = terminal.run(&["inspect", &text, "--output", "json"]);
        let read = json(&told);
        assert_eq!((told.status, &read["genuine"], &read["usable"]), (3, &"yes".into(), &false.into()), "{words}: {told:?}");
        let remarks = read["remarks"].to_string();
        assert!(remarks.contains(words) && remarks.contains("the token is genuine, this address is not"), "{words}: {told:?}");
    }
    // People paste valid tokens in all these ways.
    let path = invitation.strip_prefix(BASE).unwrap();
    let wrapped: String = url::form_urlencoded::byte_serialize(invitation.as_bytes()).collect();
    let wrapped = format!("https://eur01.safelinks.protection.outlook.com/?url={wrapped}&data=05%7C01");
    for text in [path, &wrapped, &format!("{invitation}?utm_source=mail"), &direct.replace(TENANT, &TENANT.to_uppercase()), token] {
        let told = terminal.run(&["inspect", text, "--output", "json"]);
        assert_eq!(told.status, 0, "{text}: {told:?}");
    }
    let told = terminal.run(&["inspect", &wrapped.replace("consent.northwind.example", "evil.example"), "--output", "json"]);
    assert_eq!(told.status, 3, "{told:?}");
}

#[test]
fn without_the_key_nothing_is_called_genuine_and_nothing_is_needed() {
    let terminal = Terminal::new();
    let forged = Maker::new(r#"{"kid":"k1","key":"another-key-of-thirty-two-bytes!!"}"#).ticket(now(), HOUR);
    let told = terminal.run(&["inspect", "--no-keys", &forged]);
    assert_eq!(told.status, 3, "{told:?}");
    assert!(told.out.contains("NOT CHECKED: anyone can write this") && told.out.contains(TENANT), "{told:?}");
    let told = terminal.run(&["inspect", &forged]);
    assert_eq!(told.status, 2, "no configuration: {told:?}");
    assert!(told.err.contains("--no-keys"), "{told:?}");

    let terminal = test();
    std::fs::remove_file(terminal.path("keys.json")).unwrap();
    let told = terminal.run(&["inspect", &forged]);
    assert_eq!(told.status, 1, "{told:?}");
    assert!(told.err.contains("--no-keys"), "{told:?}");
}

#[test]
fn its_table_is_as_reviewed() {
    let terminal = test();
    let ticket = Maker::new(KEY).ticket(now() - 3 * HOUR, HOUR);
    let told = terminal.run(&["inspect", &format!("{BASE}/callback?admin_consent=True&tenant={TENANT}&state={ticket}")]);
    let steady = |line: &str| match line.split_once("UTC") {
        Some((label, rest)) => format!("{}DATE UTC{rest}", label.get(..13).unwrap()),
        None => line.to_owned(),
    };
    let text: String = told.out.lines().map(|line| steady(line) + "\n").collect();
    golden::assert_same("inspect.txt", &text);
}
