//! The ticket: the signed token that goes to Microsoft as `state` and comes back with the browser.

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::expectation::ExpectationClaims;
use super::signer::{Flaw, Signer, Stamp, TokenBody, TooLong, required_option};
use crate::consent::approval_state::Binding;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::{Expectation, ProfileId, TokenId};

/// A ticket whose signature was verified, with the approval that the link asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// `jti`. Every transition id of this approval derives from it.
    pub id: TokenId,
    /// Seconds since 1970.
    pub issued_at: u64,
    /// Seconds since 1970.
    pub expires_at: u64,
    /// The approval that the link asks for.
    pub expectation: Expectation,
    /// SHA-256(secret ‖ jti) of the browser that pressed the button; `None` for a direct link.
    pub browser: Option<[u8; 32]>,
}

/// Whether a genuine ticket has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Before its end.
    Valid,
    /// Past its end, within the grace period: finding an administrator takes time.
    Late,
    /// Past the grace period.
    Expired,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TicketBody {
    #[serde(flatten)]
    expectation: ExpectationClaims,
    #[serde(deserialize_with = "required_option")]
    bnd: Option<String>,
}

impl TokenBody for TicketBody {
    const TYP: &'static str = "ec-ticket+jwt";
    const AUDIENCE: &'static str = "callback";
}

impl Ticket {
    /// Signs the ticket.
    ///
    /// # Errors
    /// [`TooLong`] if label, reference and address make the token too long.
    pub fn issue(&self, signer: Signer<'_>) -> Result<String, TooLong> {
        let body = TicketBody {
            expectation: ExpectationClaims::from(&self.expectation),
            bnd: self.browser.map(|hash| URL_SAFE_NO_PAD.encode(hash)),
        };
        signer.sign(Stamp { id: self.id, issued_at: self.issued_at, expires_at: self.expires_at }, &body)
    }

    /// Opens a `state`. Does not check whether the ticket has expired: see [`Self::life`].
    ///
    /// # Errors
    /// [`Flaw`] if the text is not a ticket of this installation.
    pub fn open(state: &str, signer: Signer<'_>) -> Result<Self, Flaw> {
        let (stamp, body) = signer.open::<TicketBody>(state)?;
        Self::of(stamp, body)
    }

    pub(super) fn of(stamp: Stamp, body: TicketBody) -> Result<Self, Flaw> {
        let browser = match body.bnd {
            None => None,
            Some(text) => {
                let hash = URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::Claims)?;
                Some(<[u8; 32]>::try_from(hash).map_err(|_| Flaw::Claims)?)
            }
        };
        Ok(Self { id: stamp.id, issued_at: stamp.issued_at, expires_at: stamp.expires_at, expectation: body.expectation.into(), browser })
    }

    /// Whether the ticket has expired at `now`. `leeway` and `grace` are in seconds.
    pub(crate) fn life(&self, now: u64, leeway: u64, grace: u64) -> Life {
        if now <= self.expires_at.saturating_add(leeway) {
            Life::Valid
        } else if now <= self.expires_at.saturating_add(grace) {
            Life::Late
        } else {
            Life::Expired
        }
    }

    /// Compares the secret in the browser's cookie, if it sent one, with the ticket.
    #[must_use]
    pub fn binding(&self, cookie_secret: Option<&str>) -> Binding {
        binding(self.mark().as_deref(), self.id, cookie_secret)
    }

    /// The mark for [`ApprovalState::browser`](crate::consent::ApprovalState::browser) of an approval that begins with this ticket.
    pub(crate) fn mark(&self) -> Option<Box<str>> {
        self.browser.map(mark)
    }
}

/// Compares the secret in a browser's cookie, if it sent one, with the mark of the browser that pressed the button.
pub(crate) fn binding(browser: Option<&str>, ticket: TokenId, cookie_secret: Option<&str>) -> Binding {
    let (Some(browser), Some(secret)) = (browser, cookie_secret) else { return Binding::None };
    match constant_time::verify_slices_are_equal(mark(browser_hash(secret, ticket)).as_bytes(), browser.as_bytes()) {
        Ok(()) => Binding::Browser,
        Err(_) => Binding::Mismatch,
    }
}

/// The first 16 bytes of a [`browser_hash`] in base64url, so that receipts stay short.
fn mark(hash: [u8; 32]) -> Box<str> {
    URL_SAFE_NO_PAD.encode(hash.first_chunk::<16>().copied().unwrap_or_default()).into()
}

/// SHA-256(secret ‖ jti): one secret serves all tabs of a browser, and no ticket reveals it.
pub(crate) fn browser_hash(secret: &str, ticket: TokenId) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(secret.as_bytes());
    context.update(ticket.to_string().as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The id that replaces a ticket's id if the button finds an outcome without a callback. All presses of one button within the provisional
/// period get the same id. `now` is in seconds since 1970.
pub(crate) fn press_id(invitation: TokenId, app: &ProfileId, now: u64) -> TokenId {
    let span = now / PROVISIONAL.as_secs();
    let hash = digest::digest(&digest::SHA256, format!("press {invitation} {app} {span}").as_bytes());
    TokenId::from_random(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{ApprovalState, Claim, ExpectedTenant, InvitationOrigin, Label, Outcome, Queued, Reference, TenantId};
    use crate::secret::Secret;
    use crate::token::KeyRing;
    use crate::token::receipt;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const KEY: &str = "5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L";
    const ISSUER: &str = "https://consent.example/prod";
    const NOW: u64 = 1_800_000_000;

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(&Secret::new(text.into())).unwrap()
    }

    fn keys() -> KeyRing {
        ring(&format!(r#"{{"kid":"k1","key":"{KEY}"}}"#))
    }

    fn signer(keys: &KeyRing) -> Signer<'_> {
        Signer { keys, issuer: ISSUER, now: NOW }
    }

    fn ticket() -> Ticket {
        Ticket {
            id: TokenId::from_random([7; 16]),
            issued_at: NOW,
            expires_at: NOW + 7_200,
            expectation: Expectation {
                app: ProfileId::parse("mail-backup").unwrap(),
                tenant: ExpectedTenant::Tenant(TenantId::from_u128(0xaaaa)),
                label: Some(Label::parse("Contoso GmbH").unwrap()),
                reference: None,
                invitation: None,
            },
            browser: None,
        }
    }

    fn good_header() -> Value {
        json!({ "alg": "HS256", "typ": "ec-ticket+jwt", "kid": "k1" })
    }

    fn good_claims() -> Value {
        json!({ "iss": ISSUER, "aud": "callback", "iat": NOW, "exp": NOW + 7200, "jti": ticket().id, "app": "mail-backup",
                "ten": "00000000-0000-0000-0000-00000000aaaa", "inv": null, "lbl": null, "ref": null, "bnd": null })
    }

    /// Signs any header and payload with the installation's real key, so that a refusal can only come from the content.
    fn signed(header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(KEY.as_bytes()).unwrap(), Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn open(token: &str) -> Result<Ticket, Flaw> {
        Ticket::open(token, signer(&keys()))
    }

    #[test]
    fn a_ticket_opens_as_it_was_issued() {
        let with_browser = Ticket { browser: Some([9; 32]), ..ticket() };
        for ticket in [ticket(), with_browser] {
            let token = ticket.issue(signer(&keys())).unwrap();
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')), "survives any client");
            assert_eq!(open(&token).unwrap(), ticket);
        }
        assert!(open(&signed(&good_header().to_string(), &good_claims().to_string())).is_ok());
    }

    #[test]
    fn a_header_with_anything_but_our_three_members_is_refused() {
        let mut cases: Vec<(String, Flaw)> = Vec::new();
        for (member, value) in [
            ("alg", json!("none")),
            ("alg", json!("hs256")),
            ("alg", json!("HS384")),
            ("alg", json!("RS256")),
            ("alg", json!(null)),
            ("alg", json!(["HS256"])),
            ("typ", json!("JWT")),
            ("typ", json!("ec-receipt+jwt")),
            ("typ", json!("EC-TICKET+JWT")),
            ("typ", json!(null)),
            ("kid", json!(1)),
            ("kid", json!(null)),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("jku", json!("https://evil.example/k")),
            ("jwk", json!({})),
            ("x5u", json!("x")),
            ("x5c", json!([])),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("b64", json!(false)),
            ("enc", json!("A128GCM")),
            ("nonce", json!("n")),
            ("extra", json!(1)),
        ] {
            let mut header = good_header();
            header[member] = value;
            cases.push((header.to_string(), Flaw::Header));
        }
        for missing in ["alg", "typ", "kid"] {
            let mut header = good_header();
            header.as_object_mut().unwrap().remove(missing);
            cases.push((header.to_string(), Flaw::Header));
        }
        for kid in ["", "k2", "K1", "../k1", "k1\u{0}", "' OR 1=1 --"] {
            let mut header = good_header();
            header["kid"] = json!(kid);
            cases.push((header.to_string(), Flaw::UnknownKey));
        }
        cases.push((r#"{"alg":"HS256","alg":"HS256","typ":"ec-ticket+jwt","kid":"k1"}"#.into(), Flaw::Header));
        cases.push(("\u{feff}{}".into(), Flaw::Header));
        cases.push(("[]".into(), Flaw::Header));
        cases.push(("".into(), Flaw::Header));
        for (header, flaw) in cases {
            assert_eq!(open(&signed(&header, &good_claims().to_string())).unwrap_err(), flaw, "{header}");
        }
    }

    #[test]
    fn every_claim_is_required_and_type_checked() {
        let header = good_header().to_string();
        for claim in ["iss", "aud", "iat", "exp", "jti", "app", "ten", "inv", "lbl", "ref", "bnd"] {
            let mut claims = good_claims();
            claims.as_object_mut().unwrap().remove(claim);
            assert!(open(&signed(&header, &claims.to_string())).is_err(), "without {claim}");
        }
        for (claim, value) in [
            ("iss", json!(null)),
            ("iss", json!(7)),
            ("iss", json!([ISSUER])),
            ("iss", json!([ISSUER, "https://evil.example"])),
            ("iss", json!("https://consent.example")),
            ("iss", json!("https://consent.example/prod/")),
            ("aud", json!(null)),
            ("aud", json!(7)),
            ("aud", json!(["callback"])),
            ("aud", json!("receipt")),
            ("aud", json!("")),
            ("iat", json!(NOW + 121)),
            ("iat", json!("1800000000")),
            ("iat", json!(-1)),
            ("iat", json!(1.8e9)),
            ("iat", json!(null)),
            ("exp", json!(NOW)),
            ("exp", json!(NOW - 1)),
            ("exp", json!(NOW + 181 * 86_400)),
            ("exp", json!(u64::MAX)),
            ("exp", json!("1800007200")),
            ("exp", json!(null)),
            ("exp", json!(1.8e30)),
            ("nbf", json!(NOW + 10)),
            ("nbf", json!(0)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("{00000000-0000-4000-8000-000000000000}")),
            ("app", json!("")),
            ("app", json!("Mail")),
            ("app", json!(null)),
            ("app", json!(["mail-backup"])),
            ("ten", json!("common")),
            ("ten", json!("")),
            ("ten", json!(null)),
            ("ten", json!("Any")),
            ("inv", json!("x")),
            ("lbl", json!("")),
            ("lbl", json!("a@b")),
            ("lbl", json!(7)),
            ("ref", json!("\u{1b}[0m")),
            ("bnd", json!("AAAA")),
            ("bnd", json!("!")),
            ("bnd", json!(7)),
        ] {
            let mut claims = good_claims();
            claims[claim] = value.clone();
            assert!(open(&signed(&header, &claims.to_string())).is_err(), "{claim} = {value}");
        }
        let twice = good_claims().to_string().replacen('{', r#"{"app":"other","#, 1);
        assert_eq!(open(&signed(&header, &twice)).unwrap_err(), Flaw::Claims, "a claim that occurs twice");
    }

    #[test]
    fn a_token_that_was_changed_cut_or_decorated_is_refused() {
        let token = ticket().issue(signer(&keys())).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let cases = [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            "12345".into(),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}=="),
            format!("{token} "),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}Sign in to your account"),
            format!("state={token}"),
            token.to_lowercase(),
            token.to_uppercase(),
            token.get(..token.len() - 1).unwrap().into(),
            token.get(1..).unwrap().into(),
            token.replace('.', "%2E"),
            "é".repeat(100),
            "a".repeat(4_096),
            format!("{}.{}.{}", parts[1], parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[2], parts[1]),
        ];
        for case in cases {
            assert!(open(&case).is_err(), "{case}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(open(std::str::from_utf8(&bytes).unwrap()).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn keys_and_sites_and_kinds_of_token_do_not_mix() {
        let ours = keys();
        let token = ticket().issue(signer(&ours)).unwrap();
        let other_site = Signer { issuer: "https://other.example", ..signer(&ours) };
        assert_eq!(Ticket::open(&token, other_site).unwrap_err(), Flaw::Foreign);
        let other_key = ring(r#"{"kid":"k1","key":"another-key-of-thirty-two-bytes!!"}"#);
        assert_eq!(Ticket::open(&token, signer(&other_key)).unwrap_err(), Flaw::Signature);
        let rotated = ring(&format!(r#"{{"kid":"k2","key":"another-key-of-thirty-two-bytes!!","older":[{{"kid":"k1","key":"{KEY}"}}]}}"#));
        assert_eq!(Ticket::open(&token, signer(&rotated)).unwrap(), ticket());
        let dropped = ring(r#"{"kid":"k2","key":"another-key-of-thirty-two-bytes!!"}"#);
        assert_eq!(Ticket::open(&token, signer(&dropped)).unwrap_err(), Flaw::UnknownKey);

        let receipt = ApprovalState {
            ticket: ticket().id,
            expectation: ticket().expectation,
            claim: Claim::Success,
            outcome: Outcome::Pending,
            since: NOW,
            callback_at: NOW,
            counts_from: NOW * 1_000_000,
            binding: Binding::None,
            browser: None,
            late: false,
            signed_at: NOW,
            step: 0,
            queued: Queued::No,
            event: None,
            verifier_claimed_at: None,
        };
        let receipt_token = receipt::issue(&receipt, TokenId::from_random([8; 16]), 60, signer(&keys())).unwrap();
        assert_eq!(receipt::open(&receipt_token, signer(&keys())).unwrap(), (receipt, NOW + 60));
        assert_eq!(open(&receipt_token).unwrap_err(), Flaw::Header);
        assert_eq!(receipt::open(&token, signer(&keys())).unwrap_err(), Flaw::Header);
        let none = jsonwebtoken::encode(&Header::default(), &good_claims(), &EncodingKey::from_secret(KEY.as_bytes()).unwrap()).unwrap();
        assert_eq!(open(&none).unwrap_err(), Flaw::Header, "signed with our key, but not as a ticket");
    }

    #[test]
    fn an_ended_key_verifies_what_it_signed_until_an_hour_later() {
        let (until, hour) = (NOW - 7_200, 3_600);
        let older = |more: &str| {
            ring(&format!(r#"{{"kid":"k2","key":"another-key-of-thirty-two-bytes!!","older":[{{"kid":"k1","key":"{KEY}"{more}}}]}}"#))
        };
        let moment = crate::env::moment(until).format(&time::format_description::well_known::Rfc3339).unwrap();
        let ended = older(&format!(r#","signed_until":"{moment}""#));
        let signed = |at: u64| Ticket { issued_at: at, expires_at: NOW + 60, ..ticket() }.issue(signer(&keys())).unwrap();
        let open = |token: &str, ring: &KeyRing, now: u64| Ticket::open(token, Signer { now, ..signer(ring) }).map(|_| ());
        assert_eq!(open(&signed(until + hour), &ended, NOW), Ok(()));
        assert_eq!(open(&signed(until + hour + 1), &ended, NOW), Err(Flaw::EndedKey));
        let undated = older("");
        assert_eq!(open(&signed(NOW), &undated, NOW), Ok(()), "the document does not record the end");
        let prepared = older(r#","prepared":true"#);
        assert_eq!(open(&signed(NOW), &prepared, NOW), Ok(()));

        let over = until + 188 * 86_400;
        assert_eq!(open(&signed(until), &ended, over), Ok(()));
        assert_eq!(open(&signed(until), &ended, over + 1), Err(Flaw::UnknownKey), "it leaves the ring while the process runs");
    }

    #[test]
    fn a_revoked_key_is_known_by_its_name_alone() {
        let token = ticket().issue(signer(&keys())).unwrap();
        let revoked = ring(r#"{"kid":"k2","key":"another-key-of-thirty-two-bytes!!","revoked":[{"kid":"k1"}]}"#);
        assert_eq!(Ticket::open(&token, signer(&revoked)).unwrap_err(), Flaw::RevokedKey);
        let twice = r#"{"kid":"k2","key":"another-key-of-thirty-two-bytes!!","revoked":[{"kid":"k2"}]}"#;
        assert_eq!(KeyRing::parse(&Secret::new(twice.into())).unwrap_err(), crate::token::key_document::BadKeys::DuplicateKid);
    }

    #[test]
    fn a_ticket_is_late_for_a_day_and_then_expired() {
        let end = ticket().expires_at;
        let life = |now| ticket().life(now, 60, 86_400);
        for (now, expected) in [
            (end, Life::Valid),
            (end + 60, Life::Valid),
            (end + 61, Life::Late),
            (end + 86_400, Life::Late),
            (end + 86_401, Life::Expired),
            (u64::MAX, Life::Expired),
        ] {
            assert_eq!(life(now), expected, "{now}");
        }
    }

    #[test]
    fn only_the_cookie_of_the_same_browser_binds() {
        let direct = ticket();
        let bound = Ticket { browser: Some(browser_hash("secret", direct.id)), ..ticket() };
        assert_eq!(direct.binding(Some("secret")), Binding::None);
        assert_eq!(bound.binding(None), Binding::None);
        assert_eq!(bound.binding(Some("secret")), Binding::Browser);
        for other in ["", "Secret", "secret ", "secret\u{0}"] {
            assert_eq!(bound.binding(Some(other)), Binding::Mismatch);
        }
        let another_tab = Ticket { id: TokenId::from_random([1; 16]), ..bound };
        assert_eq!(another_tab.binding(Some("secret")), Binding::Mismatch, "the hash holds for one ticket only");
    }

    #[test]
    fn what_does_not_fit_is_refused_when_it_is_made() {
        let long = "\u{1f600}".repeat(64);
        let expectation = Expectation {
            label: Some(Label::parse(&long).unwrap()),
            reference: Some(Reference::parse(&long).unwrap()),
            ..ticket().expectation
        };
        let issuer = format!("https://{}.example", "a".repeat(180));
        let keys = keys();
        let signer = Signer { issuer: &issuer, ..signer(&keys) };
        assert_eq!(Ticket { expectation, ..ticket() }.issue(signer), Err(TooLong));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_opens(text in "\\PC{0,400}") {
            prop_assert!(open(&text).is_err());
        }

        #[test]
        fn no_signed_payload_panics(payload in "\\PC{0,300}", header in "\\PC{0,80}") {
            prop_assert!(open(&signed(&header, &payload)).is_err());
            let _ = open(&signed(&good_header().to_string(), &payload));
        }

        #[test]
        fn every_receipt_survives_the_round_trip(id: [u8; 16], code: Option<u32>, trace: Option<u128>, outcome in proptest::sample::select(Outcome::ALL), callback_at: u32, late: bool, claim in 0..8_usize) {
            use crate::consent::{AadstsCode, ClaimedError, ErrorClass};
            let classes = [ErrorClass::Declined, ErrorClass::NotAnAdmin, ErrorClass::WrongAccount, ErrorClass::BlockedByPolicy, ErrorClass::AppMisconfigured, ErrorClass::Unknown];
            let trace_id = trace.map(crate::consent::ObjectId::from_u128);
            let error = |class| Claim::Error(ClaimedError { class, code: code.and_then(|code| AadstsCode::from_number(code.into())), resource: None, trace_id, correlation_id: trace_id, other_tenant: false });
            let claim = match claim { 0 => Claim::Success, 1 => Claim::NoFlag, other => error(classes[other - 2]) };
            let receipt = ApprovalState { ticket: TokenId::from_random(id), expectation: ticket().expectation, claim, outcome, since: NOW, callback_at: callback_at.into(), counts_from: u64::from(callback_at) * 7, binding: Binding::Mismatch, browser: late.then(|| mark(browser_hash("a secret", TokenId::from_random(id)))), late, signed_at: NOW, step: 7, queued: Queued::Refused, event: late.then(|| "an event".into()), verifier_claimed_at: late.then_some(NOW) };
            let token = receipt::issue(&receipt, TokenId::from_random(id), 60, signer(&keys())).unwrap();
            prop_assert_eq!(receipt::open(&token, signer(&keys())).unwrap(), (receipt, NOW + 60));
        }

        #[test]
        fn every_expectation_survives_the_round_trip(label in proptest::option::of("[^\\p{C}@\\s]{1,64}"), reference in proptest::option::of("[A-Za-z0-9-]{1,64}"), tenant: u128, id: [u8; 16], any: bool) {
            let expectation = Expectation {
                app: ProfileId::parse("a").unwrap(),
                tenant: if any { ExpectedTenant::Any } else { ExpectedTenant::Tenant(TenantId::from_u128(tenant)) },
                label: label.and_then(|text| Label::parse(&text).ok()),
                reference: reference.and_then(|text| Reference::parse(&text).ok()),
                invitation: any.then(|| InvitationOrigin { id: TokenId::from_random(id), issued_at: NOW - 1, expires_at: NOW, chain: ProfileId::parse("b").ok() }),
            };
            let ticket = Ticket { expectation, id: TokenId::from_random(id), ..ticket() };
            prop_assert_eq!(open(&ticket.issue(signer(&keys())).unwrap()).unwrap(), ticket);
        }
    }
}
