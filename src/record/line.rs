//! The record as an enum with one variant for each kind of record, and its form as JSON.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::check::{CheckLine, Measured};
use super::message::{MessageLine, SendsLine};
use super::transition_id::{TransitionId, hashed_id};
use crate::config::{RecordBrowser, RecordIp, RecordsConfig};
use crate::consent::callback::TraceId;
use crate::consent::finding::Alarm;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::{
    AadstsCode, ApprovalState, Assessment, Binding, Claim, ClaimedError, ClientId, DisplayText, ErrorClass, Expectation, ExpectedTenant,
    Finding, Label, Outcome, ProfileId, Reference, TenantId, TokenId,
};
use crate::token::Mangling;

/// The `schema` of every line: the version of the format, for programs that read records.
pub(crate) const SCHEMA: &str = "entra-consent/record/1";

/// Longest line in bytes, newline included.
pub const MAX_BYTES: usize = 8 * 1024;

/// One record. Every text in it has a maximum length.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Record {
    /// A person or a mail scanner requested an invitation's page. A report must not say that a person opened the invitation.
    Seen(InvitationLine),
    /// A person or a scanner pressed the button of an invitation. We write this record before the first call to Microsoft.
    Started(InvitationLine),
    /// A genuine ticket came back with a claim. We write this record before the first call to Microsoft.
    Claimed {
        /// The ticket and its claim.
        #[serde(flatten)]
        claimed: ClaimedLine,
        /// The time until we knew the claim.
        durations_ms: Durations,
    },
    /// We concluded a claim, or a later check changed the outcome.
    Concluded {
        /// The claim and its outcome.
        #[serde(flatten)]
        conclusion: ConclusionLine,
        /// The time until we knew the outcome.
        durations_ms: Durations,
    },
    /// We refused a request, for example one with a token that is not genuine or has expired.
    Rejected {
        /// The visitor, and the token if it is genuine.
        #[serde(flatten)]
        rejected: RejectedLine,
        /// The id of the event that reports this callback to other systems. `None` unless the callback has a genuine ticket.
        #[serde(flatten)]
        transition: Option<TransitionId>,
        /// The outcome that the browser sees.
        outcome: OutcomeLine,
        /// The reason.
        rejection: RejectionLine,
        /// The queue message, if the worker refused its order. Only the operator's own account can cause such a record, and the operator
        /// must be able to find each message.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<MessageLine>,
    },
    /// The credential of an app expires soon, or has expired.
    Expiring {
        /// See [`Record::expiring`].
        #[serde(flatten)]
        transition: TransitionId,
        /// The app with the credential.
        app: ProfileId,
        /// The app's id at Microsoft.
        client_id: ClientId,
        /// The alarm after the credential has expired, because every check with the credential then fails.
        #[serde(skip_serializing_if = "Option::is_none")]
        alarm: Option<&'static str>,
        /// When the credential expires.
        expiry: ExpiryLine,
    },
    /// How many requests got no line of their own: rejections without a genuine token in one minute, or uses of one link in 20 minutes.
    Suppressed {
        /// The link. `None` for rejections without a genuine token.
        #[serde(flatten)]
        link: Option<CountedLink>,
        /// The number of lines that we did not write, counted claims included.
        count: u64,
    },
    /// We published the order and the outcome event, or failed to publish them. [`SendsLine`] has the details.
    Dispatched {
        /// The request's id. `request`, `transition` and `outcome` are the same as in the record of the conclusion.
        request: TokenId,
        /// The transition that the order and the event are about.
        #[serde(flatten)]
        transition: TransitionId,
        /// The outcome of the transition.
        outcome: OutcomeLine,
        /// The ticket's id.
        ticket: TokenId,
        /// The link, without the tenant's name.
        #[serde(flatten)]
        link: LinkLine,
        /// The front door that delivered the request.
        front_door: FrontDoor,
        /// As in [`VisitLine`].
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<Box<str>>,
        /// The results of publishing.
        sends: SendsLine,
    },
    /// A person or a scanner pressed the button of an expired invitation that asks for another link. We write this record before we send
    /// the event. It contains nothing about a person.
    RenewalRequested {
        /// The invitation, without names.
        #[serde(flatten)]
        line: InvitationLine,
        /// The id of the event. All requests about one invitation on one UTC day have the same id.
        #[serde(flatten)]
        transition: TransitionId,
        /// In a second line, if the event could not be sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        sends: Option<SendsLine>,
    },
    /// The worker has made its last check. The outcome is final unless a person starts another check.
    Settled(ConclusionLine),
    /// A page showed less than the remembered outcome, because the check of that visit saw less. `before` stays the outcome, and the page
    /// showed `after`. Microsoft's replicas may differ, or Microsoft did not answer.
    Shown(ConclusionLine),
    /// The worker failed to process a queue message. The queue delivers the message again, and after several failures moves it to the
    /// dead-letter queue. `serve` also writes this record when it gives up an event or drops a dead letter.
    Failed {
        /// The message, event or dead letter.
        message: MessageLine,
    },
}

/// The front doors: the ways in which a request reaches this program. A front door appears in records, and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontDoor {
    /// API Gateway HTTP API, payload 2.0.
    HttpApi,
    /// API Gateway REST API, payload 1.0.
    RestApi,
    /// A Lambda function URL.
    FunctionUrl,
    /// An Application Load Balancer.
    LoadBalancer,
    /// The product's own HTTP server.
    Local,
    /// A delivery without HTTP: a message of the queue, or an event that this Lambda function does not serve.
    Other,
}

/// Where a visitor's address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// The request context, where the gateway of AWS writes the caller's address.
    RequestContext,
    /// The header `X-Forwarded-For`, where a load balancer or a trusted proxy writes the address.
    XForwardedFor,
    /// The connection itself: a browser, or a proxy that `site.trusted_proxies` does not name.
    Socket,
}

/// The request behind a record, and the data about its visitor that the configuration allows us to keep.
#[derive(Debug, Clone, Serialize)]
pub struct VisitLine {
    /// The id of the request, which is the same in all its lines.
    pub(crate) request: TokenId,
    /// The front door that delivered the request.
    pub(crate) front_door: FrontDoor,
    /// The name of the key that signed the request's token, or of the revoked key that the token names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_source: Option<AddressSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browser: Option<DisplayText>,
}

impl VisitLine {
    /// A visit of a browser or a program. The line contains only the personal data that the configuration allows. By default, that is as
    /// little as an auditor needs.
    #[must_use]
    pub fn new(
        keeps: RecordsConfig,
        request: TokenId,
        front_door: FrontDoor,
        address: Option<(IpAddr, AddressSource)>,
        user_agent: Option<&str>,
    ) -> Self {
        let ip = kept_address(keeps.ip, address.map(|(address, _)| address));
        let ip_source = address.filter(|_| ip.is_some()).map(|(_, source)| source);
        Self { request, front_door, kid: None, ip, ip_source, browser: kept_browser(keeps.browser, user_agent) }
    }

    /// The delivery of a queue message. `kid` names the key that signed the message's order.
    #[must_use]
    pub fn of_message(request: TokenId, kid: Option<Box<str>>) -> Self {
        Self { request, front_door: FrontDoor::Other, kid, ip: None, ip_source: None, browser: None }
    }
}

/// The IP address, shortened as the configuration requires: by default /24 of IPv4 and /48 of IPv6.
fn kept_address(policy: RecordIp, address: Option<IpAddr>) -> Option<String> {
    let address = address.map(|address| address.to_canonical())?;
    match (policy, address) {
        (RecordIp::Off, _) => None,
        (RecordIp::Full, address) => Some(address.to_string()),
        (RecordIp::Truncated, IpAddr::V4(v4)) => Some(format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8))),
        (RecordIp::Truncated, IpAddr::V6(v6)) => Some(format!("{}/48", Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80))),
    }
}

/// The browser's name, shortened as the configuration requires.
fn kept_browser(policy: RecordBrowser, user_agent: Option<&str>) -> Option<DisplayText> {
    let user_agent = user_agent?;
    match policy {
        RecordBrowser::Off => None,
        RecordBrowser::Family => DisplayText::from_untrusted(browser_family(user_agent)),
        RecordBrowser::Full => DisplayText::bounded(user_agent, 256),
    }
}

/// The family of a `User-Agent`, which is enough to tell a person from a mail scanner. The families are a fixed list, so that a record
/// contains no text from a stranger.
fn browser_family(user_agent: &str) -> &'static str {
    // The order matters, because most browsers also send the names of older browsers.
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

/// The tenant and the app that a link is for, and the operator's notes on the link.
#[derive(Debug, Clone, Serialize)]
pub struct LinkLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_name: Option<NameLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<ProfileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ProfileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
}

#[derive(Debug, Clone, Serialize)]
struct NameLine {
    value: DisplayText,
    /// `graph` for Microsoft's name, or `operator` for the name in the link.
    source: &'static str,
}

impl LinkLine {
    /// A link for one app. `client_id` is the app's id at Microsoft, if the app is configured.
    #[must_use]
    pub fn new(expectation: &Expectation, client_id: Option<ClientId>) -> Self {
        let Expectation { app, tenant, label, reference, invitation } = expectation;
        let name = label.as_ref().and_then(|label| DisplayText::from_untrusted(label.as_str()));
        Self {
            invitation: invitation.as_ref().map(|origin| origin.id),
            tenant: match *tenant {
                ExpectedTenant::Tenant(tenant) => Some(tenant),
                ExpectedTenant::Any => None,
            },
            tenant_name: name.map(|value| NameLine { value, source: "operator" }),
            app: Some(app.clone()),
            chain: invitation.as_ref().and_then(|origin| origin.chain.clone()),
            client_id,
            label: label.clone(),
            reference: reference.clone(),
        }
    }

    /// The link of an invitation to a chain of apps, or to an app that is not configured.
    pub(crate) fn without_app(expectation: &Expectation) -> Self {
        Self { app: None, ..Self::new(expectation, None) }
    }
}

/// A request with an invitation, before a ticket exists.
#[derive(Debug, Clone, Serialize)]
pub struct InvitationLine {
    #[serde(flatten)]
    pub(crate) visit: VisitLine,
    #[serde(flatten)]
    pub(crate) link: LinkLine,
}

/// A request about an approval.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalLine {
    /// The request.
    #[serde(flatten)]
    pub visit: VisitLine,
    /// The ticket's id.
    pub ticket: TokenId,
    /// The link that the ticket comes from.
    #[serde(flatten)]
    pub link: LinkLine,
    /// Whether the browser that came back is the one that pressed the button.
    pub binding: Binding,
    /// Whether the ticket had expired.
    pub late: bool,
    /// The kinds of damage to the link, if it was damaged on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mangling: Vec<ManglingLine>,
}

/// A kind of damage to a link that we could still read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ManglingLine {
    pub(crate) kind: Mangling,
    /// The number of bytes that we removed.
    pub(crate) bytes: usize,
}

impl ApprovalLine {
    /// `client_id` is as in [`LinkLine::new`].
    pub(crate) fn new(visit: VisitLine, state: &ApprovalState, client_id: Option<ClientId>) -> Self {
        let ApprovalState { ticket, ref expectation, binding, late, .. } = *state;
        Self { visit, ticket, link: LinkLine::new(expectation, client_id), binding, late, mangling: Vec::new() }
    }

    /// The `dispatched` record for a transition of this approval.
    pub(crate) fn dispatched(&self, transition: TransitionId, outcome: OutcomeLine, sends: SendsLine) -> Record {
        let VisitLine { request, front_door, ref kid, .. } = self.visit;
        let link = LinkLine { tenant_name: None, ..self.link.clone() };
        Record::Dispatched { request, transition, outcome, ticket: self.ticket, link, front_door, kid: kid.clone(), sends }
    }
}

/// A rejected request.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum RejectedLine {
    /// A request without a genuine token.
    Stranger(VisitLine),
    /// A request with a genuine invitation.
    Invitation(InvitationLine),
    /// A request with a genuine ticket, receipt or order.
    Approval(ApprovalLine),
}

/// A claim about an approval.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimedLine {
    #[serde(flatten)]
    pub(crate) approval: ApprovalLine,
    /// The callback's tenant, if the ticket names another tenant or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_tenant: Option<TenantId>,
    claim: ClaimLine,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    carried_secret: bool,
    /// The number of the callback's parameters with unknown names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_parameters: Option<NonZeroUsize>,
}

impl ClaimedLine {
    /// `returned_tenant` is the callback's tenant. The line contains it only if the link names another tenant or none.
    #[must_use]
    pub fn new(approval: ApprovalLine, claim: &Claim, carried_secret: bool, returned_tenant: Option<TenantId>) -> Self {
        let returned_tenant = returned_tenant.filter(|returned| Some(*returned) != approval.link.tenant);
        Self { approval, returned_tenant, claim: ClaimLine::of(claim), carried_secret, unknown_parameters: None }
    }
}

/// A claim in the words of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ClaimLine {
    /// [`Claim::Success`]
    Success,
    /// [`Claim::NoFlag`]
    #[serde(rename = "silent")]
    NoFlag,
    /// [`Claim::Error`]
    Error {
        /// The meaning of the error if a check finds no approval.
        class: ErrorClass,
        /// The AADSTS number.
        #[serde(skip_serializing_if = "Option::is_none")]
        aadsts: Option<u32>,
        /// Microsoft's trace id, which Microsoft's support needs.
        #[serde(skip_serializing_if = "Option::is_none")]
        trace_id: Option<TraceId>,
        /// Microsoft's correlation id, which Microsoft's support needs.
        #[serde(skip_serializing_if = "Option::is_none")]
        correlation_id: Option<TraceId>,
    },
}

impl ClaimLine {
    fn of(claim: &Claim) -> Self {
        match *claim {
            Claim::Success => Self::Success,
            Claim::NoFlag => Self::NoFlag,
            Claim::Error(ClaimedError { class, code, trace_id, correlation_id, .. }) => {
                Self::Error { class, aadsts: code.map(AadstsCode::number), trace_id, correlation_id }
            }
        }
    }

    /// Converts the line back to its claim.
    pub(crate) fn claim(self) -> Claim {
        match self {
            Self::Success => Claim::Success,
            Self::NoFlag => Claim::NoFlag,
            Self::Error { class, aadsts, trace_id, correlation_id } => {
                let code = aadsts.and_then(|number| AadstsCode::from_number(number.into()));
                Claim::Error(ClaimedError { class, code, resource: None, trace_id, correlation_id, other_tenant: false })
            }
        }
    }
}

/// The outcome before and after a transition. `before` is the outcome that we published last for the approval, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeLine {
    /// `None` for the first outcome, and if we do not know the previous one.
    pub before: Option<Outcome>,
    /// The outcome that this line records.
    pub after: Outcome,
}

/// A claim and its outcome.
#[derive(Debug, Clone, Serialize)]
pub struct ConclusionLine {
    #[serde(flatten)]
    transition: TransitionId,
    outcome: OutcomeLine,
    #[serde(flatten)]
    claimed: ClaimedLine,
    #[serde(flatten)]
    check: Option<CheckLine>,
}

impl ConclusionLine {
    /// If the finding has Microsoft's name of the tenant, this name replaces the operator's.
    #[must_use]
    pub fn new(
        transition: TransitionId,
        outcome: OutcomeLine,
        mut claimed: ClaimedLine,
        check: Option<(&Finding, &Assessment, Measured)>,
    ) -> Self {
        let named = check.as_ref().and_then(|(finding, ..)| finding.tenant_name.clone());
        if let Some(value) = named {
            claimed.approval.link.tenant_name = Some(NameLine { value, source: "graph" });
        }
        Self {
            transition,
            outcome,
            claimed,
            check: check.map(|(finding, assessment, measured)| CheckLine::new(finding, assessment, measured)),
        }
    }
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Durations {
    /// The time since the request arrived.
    pub total: u64,
    /// The duration of the check, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<u64>,
}

/// Why we rejected a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectionLine {
    /// The reason in one word, which never changes its meaning.
    pub reason: &'static str,
    /// The size of the query or the body in bytes.
    pub bytes: usize,
    /// The number of parameters with unknown names, if we parsed the parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_parameters: Option<usize>,
}

/// A credential that expires soon, or has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExpiryLine {
    /// `secret` or `certificate`.
    pub(crate) credential: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) ends: OffsetDateTime,
    /// The threshold in days that the credential has reached: 30, 14, 3, or 0 after its expiry.
    pub(crate) threshold_days: u8,
    /// Days until the expiry, rounded. Negative after the expiry.
    pub(crate) days_left: i64,
    /// The source of the expiry date: `certificate`, `configuration` or `registration`.
    pub(crate) told_by: &'static str,
}

/// The link that repeated lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedLink {
    /// A direct link, by its ticket's id.
    Ticket(TokenId),
    /// An invitation.
    Invitation(TokenId),
}

/// The reason for rejecting a genuine callback that no route takes. It has a line a day of its own for each link.
pub(crate) const WRONG_PATH: &str = "wrong_path";

/// A line that may repeat an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repeatable {
    pub(super) link: CountedLink,
    /// The content of the line, without the parts that differ between visits.
    pub(super) says: String,
    /// The maximum number of lines with this content in a period.
    pub(super) most: u32,
    /// The length of the period in seconds.
    pub(super) period: u64,
}

impl Record {
    /// A warning about a credential. The id depends on the app, the expiry and the threshold, but not on the day. A repeated warning
    /// therefore has the same id.
    pub(crate) fn expiring(app: ProfileId, client_id: ClientId, expiry: ExpiryLine) -> Self {
        let ExpiryLine { credential, ends, threshold_days, .. } = expiry;
        let id = hashed_id(&format!("expiring {client_id} {credential} {} {threshold_days}", ends.unix_timestamp()));
        let alarm = (threshold_days == 0).then_some(Alarm::Credential.name());
        Self::Expiring { transition: TransitionId { id, ticket: None }, app, client_id, alarm, expiry }
    }

    /// A request for another link.
    pub(crate) fn renewal_requested(mut line: InvitationLine, transition: TransitionId, sends: Option<SendsLine>) -> Self {
        line.visit = VisitLine { ip: None, ip_source: None, browser: None, ..line.visit };
        line.link = LinkLine { tenant_name: None, label: None, reference: None, ..line.link };
        Self::RenewalRequested { line, transition, sends }
    }

    /// The record of a page that showed less than the remembered outcome. No transition happened, so this record has an id of its own.
    pub(crate) fn shown(mut conclusion: ConclusionLine) -> Self {
        conclusion.transition.id = hashed_id(&format!("shown {}", conclusion.transition.id));
        Self::Shown(conclusion)
    }

    /// The link that an approval came from.
    pub(super) fn link_of(approval: &ApprovalLine) -> CountedLink {
        approval.link.invitation.map_or(CountedLink::Ticket(approval.ticket), CountedLink::Invitation)
    }

    /// Whether a stranger caused the record, without a token that we signed. In a flood, we only count such records.
    pub(super) fn is_of_stranger(&self) -> bool {
        matches!(self, Self::Rejected { rejected: RejectedLine::Stranger(_), message: None, .. })
    }

    /// Returns the limit for lines like this one, if repetitions could fill the log with them. Returns `None` for a line that we always
    /// write, because the caller has limited it already or a stranger cannot cause it.
    pub(super) fn repeatable(&self) -> Option<Repeatable> {
        let invitation = |line: &InvitationLine| line.link.invitation.map(CountedLink::Invitation);
        let (link, says, most) = match self {
            Self::Seen(line) => (invitation(line)?, "seen".to_owned(), 3),
            Self::Started(line) => (invitation(line)?, format!("started {:?}", line.link.app), 5),
            // Several tickets of one link may reach the same outcome. Each of the first 10 gets its own line.
            Self::Concluded { conclusion: ConclusionLine { outcome, claimed, .. }, .. } => {
                let LinkLine { app, .. } = &claimed.approval.link;
                (Self::link_of(&claimed.approval), format!("concluded {app:?} {}", outcome.after.name()), 10)
            }
            Self::Shown(ConclusionLine { transition, claimed, .. }) => {
                (Self::link_of(&claimed.approval), format!("shown {}", transition.id), 5)
            }
            Self::Rejected { rejected, rejection, message: None, .. } => {
                let link = match rejected {
                    RejectedLine::Stranger(_) => return None,
                    RejectedLine::Invitation(line) => invitation(line)?,
                    RejectedLine::Approval(line) => Self::link_of(line),
                };
                let says = if rejection.reason == WRONG_PATH { WRONG_PATH } else { "rejected" };
                return Some(Repeatable { link, says: says.into(), most: 1, period: 24 * 60 * 60 });
            }
            Self::RenewalRequested { line, sends, .. } => (invitation(line)?, format!("renewal {sends:?}"), 1),
            Self::Dispatched { transition, ticket, link, sends, .. } => {
                let link = link.invitation.map_or(CountedLink::Ticket(*ticket), CountedLink::Invitation);
                (link, format!("dispatched {} {sends:?}", transition.id), 5)
            }
            Self::Claimed { .. }
            | Self::Rejected { .. }
            | Self::Expiring { .. }
            | Self::Settled(_)
            | Self::Failed { .. }
            | Self::Suppressed { .. } => return None,
        };
        Some(Repeatable { link, says, most, period: PROVISIONAL.as_secs() })
    }

    /// The transition that this line records. `None` for a `dispatched` line, which only names the transition of another line.
    pub(super) fn transition(&self) -> Option<&TransitionId> {
        match self {
            Self::Concluded { conclusion, .. } | Self::Settled(conclusion) => Some(&conclusion.transition),
            Self::Rejected { transition, .. } => transition.as_ref(),
            Self::Expiring { transition, .. } => Some(transition),
            _ => None,
        }
    }

    /// The record as one line of JSON with its newline. The line has at most [`MAX_BYTES`]. It is pure ASCII, so that it cannot control a
    /// terminal or a log viewer. `at` is the time of writing.
    #[must_use]
    pub fn to_json_line(&self, at: OffsetDateTime) -> String {
        let invocation = INVOCATION.try_with(Clone::clone).ok();
        let mut line = StampedRecord { schema: SCHEMA, at, invocation, record: self.clone() };
        loop {
            let json = ascii(&serde_json::to_string(&line).unwrap_or_default());
            if json.len() < MAX_BYTES || !line.record.shorten() {
                return json + "\n";
            }
        }
    }

    fn shorten(&mut self) -> bool {
        match self {
            Self::Concluded { conclusion, .. } | Self::Settled(conclusion) | Self::Shown(conclusion) => {
                conclusion.check.as_mut().is_some_and(|check| check.lists.shorten())
            }
            _ => false,
        }
    }
}

tokio::task_local! {
    /// Code between [`in_invocation`] and a record must not spawn a task.
    static INVOCATION: Box<str>;
}

/// Runs `work` and names Lambda's invocation in each record that it writes.
pub(crate) async fn in_invocation<T>(request_id: &str, work: impl Future<Output = T>) -> T {
    INVOCATION.scope(request_id.into(), work).await
}

#[derive(Serialize)]
struct StampedRecord {
    schema: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<Box<str>>,
    #[serde(flatten)]
    record: Record,
}

/// Escapes every non-ASCII character as `\uXXXX`, which is still valid JSON (RFC 8259 §7).
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            line.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    line
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
