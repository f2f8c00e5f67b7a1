//! The report that `inspect` prints.

use serde::Serialize;
use time::OffsetDateTime;

use super::super::output::{Column, PrintedRow};
use super::super::timestamp;
use super::address;
use super::pasted_input::{Address, PastedInput};
use crate::consent::{ApprovalState, Expectation, ExpectedTenant, ProfileId};
use crate::env::from_unix;
use crate::installation::Installation;
use crate::token::unchecked::{Said, TokenKind, Unchecked};
use crate::token::{Invitation, Order, Subject};

/// The remark about a token without its end.
pub(super) const CUT: &str = "its end is missing: a mail program or a message has cut it";
/// The remark about a token that is damaged in any other way.
pub(super) const CHANGED: &str = "it was changed on its way, or never made by this program";

/// Whether the token's signature is valid.
pub(super) enum Genuine {
    /// This installation signed it.
    Yes,
    /// The signature is invalid. Contains the reason.
    No(String),
    /// The command ran without keys.
    NotChecked,
}

/// The parts of a token that are safe to show. Neither the token itself nor the hash of a browser's secret is among them.
#[derive(Debug, Serialize)]
pub(super) struct InspectReport {
    /// The kind of token, in words for people.
    what: &'static str,
    /// `invitation`, `ticket`, `receipt` or `order`.
    kind: &'static str,
    /// `yes`, `no` or `not_checked`.
    genuine: &'static str,
    /// Whether the token is genuine, and neither expired nor revoked.
    usable: bool,
    /// Why the token is not usable, and other warnings.
    remarks: Vec<String>,
    #[serde(flatten)]
    content: Option<Content>,
}

/// The token's claims.
#[derive(Debug, Default, Serialize)]
struct Content {
    /// The app's id in `consent.toml`.
    app: Option<ProfileId>,
    /// The app's name, if the configuration has the app.
    app_name: Option<Box<str>>,
    /// The chain's id in `consent.toml`.
    chain: Option<ProfileId>,
    tenant: String,
    label: Option<String>,
    reference: Option<String>,
    id: String,
    /// The `jti` of the invitation behind the token.
    invitation: Option<String>,
    made: Option<String>,
    ends: Option<String>,
    #[serde(skip)]
    made_in_words: String,
    #[serde(skip)]
    ends_in_words: String,
    /// The name of the signing key.
    kid: String,
    issuer: String,
    /// Whether the token is bound to a browser. Only tickets can be.
    bound_to_a_browser: Option<bool>,
    /// The outcome at the time of signing.
    outcome: Option<&'static str>,
    /// When the browser came back.
    called_back: Option<String>,
    /// The number of the check that an order asks for.
    attempt: Option<u32>,
    /// The earliest time to process an order.
    not_before: Option<String>,
}

impl InspectReport {
    pub(super) fn new(
        given: &PastedInput,
        read: Result<&Unchecked, &TokenKind>,
        genuine: &Genuine,
        installation: Option<&Installation>,
        now: OffsetDateTime,
    ) -> Self {
        let kind = read.map_or_else(|kind| *kind, Unchecked::kind);
        let mut remarks = Vec::new();
        match genuine {
            Genuine::Yes => {}
            Genuine::No(why) => remarks.push(format!("NOT GENUINE: {why}.")),
            Genuine::NotChecked => {
                remarks.push("NOT CHECKED: anyone can write this. Only the key can show whether it is a forgery.".into())
            }
        }
        if read.is_err() {
            remarks.push("What it said cannot be read any more.".into());
        }
        let is_genuine = matches!(genuine, Genuine::Yes);
        let mut usable = is_genuine;
        if let (Ok(read), Some(installation), true) = (read, installation, is_genuine) {
            let obstacles = obstacles(read, installation, now);
            usable = obstacles.is_empty();
            remarks.extend(obstacles);
        }
        if let Ok(read) = read {
            let disagreements = address::disagreements(given, read, installation);
            if is_genuine && !disagreements.is_empty() {
                remarks.push("DO NOT FOLLOW IT: the token is genuine, this address is not.".into());
            }
            usable &= disagreements.is_empty();
            remarks.extend(disagreements);
        }
        if let Address::Callback { refused, .. } = &given.address {
            let says = if *refused { "a refusal" } else { "what came of it" };
            remarks.push(format!("The address reports {says}. This part has no signature, so it proves nothing."));
        }
        match &given.address {
            Address::Microsoft { .. } if given.escaped => remarks.push(
                "Its & were turned into &amp;. If a browser shows that too, Microsoft does not see client_id and state: send the link again, as \
                 plain text."
                    .into(),
            ),
            Address::Callback { .. } if given.escaped => {
                remarks.push("Its & were turned into &amp;. The callback reads that as & once, so this costs no approval.".into());
            }
            _ => {}
        }
        if given.wrapped {
            remarks.push("A mail filter had wrapped the address; this is the one inside.".into());
        }
        Self {
            what: what(kind, &given.address),
            kind: kind.name(),
            genuine: match genuine {
                Genuine::Yes => "yes",
                Genuine::No(_) => "no",
                Genuine::NotChecked => "not_checked",
            },
            usable,
            remarks,
            content: read.ok().map(|read| Content::of(read, installation, now)),
        }
    }

    /// Whether the token is genuine and usable now.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }
}

const fn what(kind: TokenKind, address: &Address) -> &'static str {
    match (kind, address) {
        (TokenKind::Invitation, _) => "an invitation: a page that asks an administrator for an approval",
        (TokenKind::Ticket, Address::Microsoft { .. }) => "a link to Microsoft's consent page, with a ticket that brings the browser back",
        (TokenKind::Ticket, Address::Callback { .. }) => "a callback: where Microsoft sent a browser back to, with its ticket",
        (TokenKind::Ticket, _) => "a ticket: what travels to Microsoft and back as `state`",
        (TokenKind::Receipt, _) => "a receipt: the address of a result or watch page",
        (TokenKind::Order, _) => "an order: a message in the queue that asks for another check",
    }
}

/// Why a genuine token is not usable now.
fn obstacles(read: &Unchecked, installation: &Installation, now: OffsetDateTime) -> Vec<String> {
    let mut obstacles = Vec::new();
    let unix = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let (id, expectation, signed_at) = match &read.said {
        Said::Invitation(_) => (read.id, None, read.issued_at),
        Said::Ticket(ticket) => (read.id, Some(&ticket.expectation), read.issued_at),
        Said::Receipt(receipt) => (receipt.ticket, Some(&receipt.expectation), receipt.signed_at),
        Said::Order(order) => (order.remembered.ticket, Some(&order.remembered.expectation), order.remembered.signed_at),
    };
    let revoked = match expectation {
        Some(expectation) => installation.is_revoked(id, expectation, signed_at),
        None => installation.is_taken_back(&[id], signed_at),
    };
    if revoked {
        obstacles.push("REVOKED: `links.revoked` or `links.revoked_before` of consent.toml has taken it back.".to_owned());
    }
    let links = &installation.config.links;
    let (late, leeway) = (links.late.as_secs(), links.leeway.as_secs());
    let ended = unix > read.expires_at.saturating_add(leeway);
    let ago = || from_unix(read.expires_at).map(|end| timestamp::distance(end, now)).unwrap_or_default();
    match read.kind() {
        TokenKind::Ticket if ended && unix <= read.expires_at.saturating_add(late) => {
            obstacles.push(format!("PAST ITS END ({}): a callback with it is still looked into, and recorded as late.", ago()));
        }
        _ if ended => obstacles.push(format!("EXPIRED {}: make a new one with `entra-consent link`.", ago())),
        _ => {}
    }
    let (app, chain) = match (&read.said, expectation) {
        (Said::Invitation(Invitation { subject: Subject::App(app), .. }), _) => (Some(app), None),
        (Said::Invitation(Invitation { subject: Subject::Chain(chain), .. }), _) => (None, Some(chain)),
        (_, expectation) => (expectation.map(|expectation| &expectation.app), None),
    };
    if let Some(app) = app.filter(|app| installation.config.app(app).is_none()) {
        obstacles.push(format!("consent.toml has no app `{app}` any more."));
    }
    if let Some(chain) = chain.filter(|chain| installation.config.chain(chain).is_none()) {
        obstacles.push(format!("consent.toml has no chain `{chain}` any more."));
    }
    obstacles
}

impl Content {
    fn of(read: &Unchecked, installation: Option<&Installation>, now: OffsetDateTime) -> Self {
        let moments = |seconds| {
            let at = from_unix(seconds);
            (at.map(timestamp::exact), at.map(|at| timestamp::in_words(at, now)).unwrap_or_default())
        };
        let (made, made_in_words) = moments(read.issued_at);
        let (ends, ends_in_words) = moments(read.expires_at);
        let blank = Self {
            id: read.id.to_string(),
            made,
            ends,
            made_in_words,
            ends_in_words,
            kid: super::bounded(&read.kid),
            issuer: super::bounded(&read.issuer),
            ..Self::default()
        };
        let said = match &read.said {
            Said::Invitation(invitation) => blank.of_invitation(invitation),
            Said::Ticket(ticket) => Self { bound_to_a_browser: Some(ticket.browser.is_some()), ..blank.expecting(&ticket.expectation) },
            Said::Receipt(receipt) => blank.of_receipt(receipt),
            Said::Order(order) => {
                let Order { remembered, attempt, not_before, tell: _ } = order.as_ref();
                let not_before = from_unix(*not_before).map(timestamp::exact);
                Self { attempt: Some(*attempt), not_before, ..blank.of_receipt(remembered) }
            }
        };
        let app_name = said.app.as_ref().and_then(|app| Some(installation?.config.app(app)?.profile.name.clone()));
        Self { app_name, ..said }
    }

    fn of_invitation(self, invitation: &Invitation) -> Self {
        let (app, chain) = match &invitation.subject {
            Subject::App(app) => (Some(app.clone()), None),
            Subject::Chain(chain) => (None, Some(chain.clone())),
        };
        Self {
            app,
            chain,
            tenant: tenant(invitation.tenant),
            label: invitation.label.as_ref().map(ToString::to_string),
            reference: invitation.reference.as_ref().map(ToString::to_string),
            ..self
        }
    }

    fn of_receipt(self, receipt: &ApprovalState) -> Self {
        let called_back = from_unix(receipt.callback_at).map(timestamp::exact);
        Self { outcome: Some(receipt.outcome.name()), called_back, ..self.expecting(&receipt.expectation) }
    }

    fn expecting(self, expectation: &Expectation) -> Self {
        let origin = expectation.invitation.as_ref();
        Self {
            app: Some(expectation.app.clone()),
            chain: origin.and_then(|origin| origin.chain.clone()),
            tenant: tenant(expectation.tenant),
            label: expectation.label.as_ref().map(ToString::to_string),
            reference: expectation.reference.as_ref().map(ToString::to_string),
            invitation: origin.map(|origin| origin.id.to_string()),
            ..self
        }
    }
}

fn tenant(tenant: ExpectedTenant) -> String {
    match tenant {
        ExpectedTenant::Tenant(id) => id.to_string(),
        ExpectedTenant::Any => "any".to_owned(),
    }
}

/// A cell of the token's claims; empty if the token cannot be read.
fn claim(report: &InspectReport, cell: impl FnOnce(&Content) -> Option<String>) -> String {
    report.content.as_ref().and_then(cell).unwrap_or_default()
}

impl PrintedRow for InspectReport {
    const COLUMNS: &'static [Column<Self>] = &[
        ("this_is", |report| report.what.to_owned()),
        ("genuine", |report| if report.genuine == "yes" { "yes".into() } else { report.genuine.replace('_', " ").to_uppercase() }),
        ("usable", |report| if report.usable { "yes" } else { "no" }.to_owned()),
        ("mind", |report| report.remarks.join("\n")),
        ("app", |report| {
            claim(report, |content| {
                let name = content.app_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                content.app.as_ref().map(|app| format!("{app}{name}"))
            })
        }),
        ("chain", |report| claim(report, |content| content.chain.as_ref().map(ToString::to_string))),
        ("tenant", |report| claim(report, |content| Some(content.tenant.clone()))),
        ("label", |report| claim(report, |content| content.label.clone())),
        ("reference", |report| claim(report, |content| content.reference.clone())),
        ("made", |report| claim(report, |content| Some(content.made_in_words.clone()))),
        ("ends", |report| claim(report, |content| Some(content.ends_in_words.clone()))),
        ("id", |report| claim(report, |content| Some(content.id.clone()))),
        ("invitation", |report| claim(report, |content| content.invitation.clone())),
        ("browser", |report| {
            claim(report, |content| {
                let bound = |is_bound| if is_bound { "bound to the one that pressed the button" } else { "bound to none: a direct link" };
                content.bound_to_a_browser.map(|is_bound| bound(is_bound).to_owned())
            })
        }),
        ("outcome", |report| claim(report, |content| content.outcome.map(str::to_owned))),
        ("called_back", |report| claim(report, |content| content.called_back.clone())),
        ("attempt", |report| claim(report, |content| content.attempt.map(|attempt| attempt.to_string()))),
        ("not_before", |report| claim(report, |content| content.not_before.clone())),
        ("made_by", |report| claim(report, |content| Some(content.issuer.clone()))),
        ("key", |report| claim(report, |content| Some(content.kid.clone()))),
    ];
}
