//! One line of the audit records.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::FrontDoor;
use super::repeats::{Repeatable, Token};
use crate::consent::callback::TraceId;
use crate::consent::finding::{Alarm, Visible};
use crate::consent::outcome::GIVE_UP;
use crate::consent::permissions::NamedPermission;
use crate::consent::{
    AadstsCode, Assessment, Binding, Claim, ClaimedError, ClientId, DisplayText, ErrorClass, Expectation, ExpectedTenant, Finding, Outcome,
    ProfileId, TenantId, TokenId,
};

/// The `schema` of every line: a format for programs.
pub const SCHEMA: &str = "entra-consent/record/1";

/// Longest line in bytes, newline included.
pub const MAX_BYTES: usize = 8 * 1024;
/// Most entries of one list; the line cuts the rest.
const MAX_ENTRIES: usize = 40;

/// The kind of event that a line records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person or a mail scanner requested an invitation's page. Never report it as opened.
    Seen,
    /// A person or a scanner pressed the button of an invitation. Written before the first call to Microsoft.
    Started,
    /// A genuine ticket came back with a claim. Written before the first call to Microsoft.
    Claimed,
    /// We concluded a claim, or a later check changed the outcome.
    Concluded,
    /// A request without a genuine ticket, or with an expired one.
    Rejected,
    /// The credential of an app expires soon, or has expired.
    Expiring,
    /// The count of lines that a flood suppressed: rejections without a genuine token, or repetitions about one token.
    Suppressed,
    /// We published the order and the outcome event, or could not: [`SendsLine`] has the details.
    Dispatched,
    /// The worker has made its last check: the outcome is final unless a person starts another one.
    Settled,
    /// The worker failed to process a queue message. The queue delivers it again, and in the end moves it to the dead-letter queue. In
    /// `serve` also: it gave up an event, or dropped a dead letter.
    Failed,
}

/// The result of publishing an order or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nothing to send, or already sent.
    None,
    /// The queue or the bus accepted it.
    Sent,
    /// The queue or the bus refused it. The worker then sends an event; a reload of the page sends an order again.
    Refused,
    /// The bus refused it, and so did the queue that would have passed it to the worker.
    Lost,
}

/// The results for order and event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SendsLine {
    /// The order for another check.
    pub order: Fate,
    /// The message to other systems.
    pub event: Fate,
    /// The cause of a refusal, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl SendsLine {
    /// Nothing to publish, or no queue and no bus.
    pub const NOTHING: Self = Self { order: Fate::None, event: Fate::None, reason: None };
}

/// The queue message that a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageLine {
    /// Its id in the queue, the same as in the dead-letter queue.
    pub id: Box<str>,
    /// The number of deliveries, including this one; 0 if the queue does not report it.
    pub received: u32,
    /// The cause of the failure, in one word. A genuine order has its own line with more details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl MessageLine {
    /// Longest id in a line, in characters.
    const LONGEST_ID: usize = 128;

    /// Cuts the id to the longest one that a line may have.
    #[must_use]
    pub fn new(id: &str, received: u32, reason: Option<&'static str>) -> Self {
        Self { id: id.chars().take(Self::LONGEST_ID).collect(), received, reason }
    }
}

/// The outcome before and after. `before` is the result of the last check for the same ticket, `null` for the first check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeLine {
    /// `None` for the first check.
    pub before: Before,
    /// The outcome of this line.
    pub after: Outcome,
}

/// The previous outcome, if any.
pub type Before = Option<Outcome>;

/// The results of a check, in the words of the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingLine {
    /// [`Verdict::name`](crate::consent::Verdict::name).
    pub verdict: &'static str,
    /// One of `seen`, `partly`, `absent`, `not_visible`, `unanswered` and `not_asked`, as in the next two.
    pub service_principal: &'static str,
    /// The list of app role assignments.
    pub application: &'static str,
    /// The list of tenant-wide delegated permission grants.
    pub delegated: &'static str,
    /// Whether users may approve the app themselves: `yes` or `no` if the tenant's policy is visible, else the reason. `None` if we did not
    /// ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_may_consent: Option<&'static str>,
    /// The number of resources for which this check minted a token.
    pub fresh_tokens: usize,
    /// When the check began; a check is valid for 30 seconds.
    #[serde(with = "time::serde::rfc3339")]
    pub looked_at: OffsetDateTime,
    /// The AADSTS number with which Microsoft refused our check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aadsts: Option<u32>,
    /// Microsoft's trace id of that refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of that refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<TraceId>,
}

/// How a check came about, apart from its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// When the check began.
    pub at: OffsetDateTime,
    /// Microsoft's trace id of the refusal that ended it.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of that refusal.
    pub correlation_id: Option<TraceId>,
    /// The calls that this request caused.
    pub upstream: Vec<UpstreamLine>,
}

/// One call to Microsoft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamLine {
    /// `token`, `batch`, `page` …
    pub kind: &'static str,
    /// `null` if no HTTP answer came.
    pub status: Option<u16>,
    /// The duration in milliseconds.
    pub ms: u64,
}

/// Why we rejected a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectionLine {
    /// A stable word for the reason.
    pub reason: &'static str,
    /// The size of the query or the body in bytes.
    pub bytes: usize,
    /// The number of parameters with unknown names, if we parsed that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_parameters: Option<usize>,
}

/// A claim in the words of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimLine {
    kind: ClaimKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<ErrorClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aadsts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<TraceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClaimKind {
    Success,
    #[serde(rename = "silent")]
    NoFlag,
    Error,
}

impl ClaimLine {
    fn of(claim: &Claim) -> Self {
        let kind = match claim {
            Claim::Success => ClaimKind::Success,
            Claim::NoFlag => ClaimKind::NoFlag,
            Claim::Error(_) => ClaimKind::Error,
        };
        let error = claim.error();
        Self {
            kind,
            class: error.map(|error| error.class),
            aadsts: error.and_then(|error| error.code).map(AadstsCode::number),
            trace_id: error.and_then(|error| error.trace_id),
            correlation_id: error.and_then(|error| error.correlation_id),
        }
    }

    /// Converts the line back to its claim. `None` for an error without a class, which none of our lines has.
    #[must_use]
    pub fn claim(self) -> Option<Claim> {
        let Self { kind, class, aadsts, trace_id, correlation_id } = self;
        Some(match kind {
            ClaimKind::Success => Claim::Success,
            ClaimKind::NoFlag => Claim::NoFlag,
            ClaimKind::Error => {
                let code = aadsts.and_then(|number| AadstsCode::from_number(number.into()));
                Claim::Error(ClaimedError { class: class?, code, trace_id, correlation_id })
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct NameLine {
    value: DisplayText,
    /// `graph`, or `operator` for the name in the link.
    source: &'static str,
}

/// A credential that expires soon, or has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExpiryLine {
    /// `secret` or `certificate`.
    pub credential: &'static str,
    /// The moment of expiry.
    #[serde(with = "time::serde::rfc3339")]
    pub ends: OffsetDateTime,
    /// The threshold in days that the credential has reached: 30, 14, 3, or 0 after its expiry.
    pub threshold_days: u8,
    /// Whole days until the expiry; negative after it.
    pub days_left: i64,
    /// The source of the expiry date: `certificate`, `configuration` or `registration`.
    pub told_by: &'static str,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Durations {
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<u64>,
}

/// How many entries of each list we left out to keep the line within its maximum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cut {
    #[serde(skip_serializing_if = "is_zero")]
    missing: usize,
    #[serde(skip_serializing_if = "is_zero")]
    unseen: usize,
    #[serde(skip_serializing_if = "is_zero")]
    unexpected: usize,
    #[serde(skip_serializing_if = "is_zero")]
    forbidden: usize,
    #[serde(skip_serializing_if = "is_zero")]
    optional_absent: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One line. A constructor makes it for its event, and the methods below fill it. Every text has a maximum length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    schema: &'static str,
    /// The kind of event.
    pub event: Event,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The same in all lines of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<String>,
    #[serde(skip)]
    callback_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_name: Option<NameLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<ProfileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ProfileId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<ClaimLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<FindingLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<ExpiryLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unexpected: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forbidden: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    optional_absent: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<Binding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried_secret: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    front_door: Option<FrontDoor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browser: Option<DisplayText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sends: Option<SendsLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durations_ms: Option<Durations>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<UpstreamLine>,
}

/// A transition, and the time of the callback that led to it.
pub(super) type TransitionKey = (Box<str>, Option<u64>);

impl Line {
    /// A line with nothing but event and time.
    #[must_use]
    pub fn new(event: Event, at: OffsetDateTime) -> Self {
        Self {
            schema: SCHEMA,
            event,
            at,
            request: None,
            transition: None,
            callback_at: None,
            outcome: None,
            ticket: None,
            invitation: None,
            tenant: None,
            tenant_name: None,
            returned_tenant: None,
            app: None,
            chain: None,
            client_id: None,
            label: None,
            reference: None,
            claim: None,
            finding: None,
            alarm: None,
            expiry: None,
            missing: Vec::new(),
            unseen: Vec::new(),
            unexpected: Vec::new(),
            forbidden: Vec::new(),
            optional_absent: Vec::new(),
            cut: None,
            binding: None,
            late: None,
            carried_secret: None,
            front_door: None,
            ip: None,
            browser: None,
            rejection: None,
            sends: None,
            message: None,
            count: None,
            durations_ms: None,
            upstream: Vec::new(),
        }
    }

    /// Whether the line is about a token that we signed. A flood of requests without genuine tokens never suppresses such a line.
    #[must_use]
    pub(super) fn is_genuine(&self) -> bool {
        self.ticket.is_some() || self.invitation.is_some()
    }

    /// The key under which a later line repeats this one; `None` for a line that we never suppress. A claim repeats one with the same kind,
    /// class and binding, because a stranger can type any other number. A conclusion repeats one with the same transition.
    #[must_use]
    pub(super) fn repeatable(&self) -> Option<Repeatable> {
        if self.is_of_message() {
            return None;
        }
        let app = self.app.as_ref().map_or("", ProfileId::as_str);
        let (token, says) = match self.event {
            Event::Seen => (Token::Invitation(self.invitation?), "seen".to_owned()),
            Event::Started => (Token::Invitation(self.invitation?), format!("started {app}")),
            Event::Concluded => (Token::Ticket(self.ticket?), format!("concluded {}", self.transition.as_ref()?)),
            Event::Claimed => {
                let claim = self.claim?;
                let elsewhere = self.returned_tenant.is_some();
                let secret = self.carried_secret.is_some();
                let says = format!("claimed {:?} {:?} {elsewhere} {secret} {:?} {:?}", claim.kind, claim.class, self.binding, self.late);
                (Token::Ticket(self.ticket?), says)
            }
            Event::Rejected => {
                let token = self.ticket.map(Token::Ticket).or(self.invitation.map(Token::Invitation))?;
                (token, format!("rejected {}", self.rejection.as_ref()?.reason))
            }
            Event::Dispatched => (Token::Ticket(self.ticket?), format!("dispatched {:?} {:?}", self.transition, self.sends)),
            Event::Expiring | Event::Settled | Event::Failed | Event::Suppressed => return None,
        };
        Some(Repeatable { token, says })
    }

    /// Whether the line names a queue message. Only this account can cause such a line, and an operator must find each message again.
    #[must_use]
    pub(super) fn is_of_message(&self) -> bool {
        self.message.is_some()
    }

    /// The id that all lines of one request have.
    #[must_use]
    pub fn request(&self) -> Option<TokenId> {
        self.request
    }

    /// The key of the transition that this line records. A link that is used twice on one day may lead to the same transition twice, and we
    /// record both.
    pub(super) fn transition_key(&self) -> Option<TransitionKey> {
        Some((self.transition.as_deref()?.into(), self.callback_at))
    }

    /// The line that reports the order and the event of this conclusion. It belongs to the same request, and omits the finding.
    #[must_use]
    pub fn dispatched(&self, at: OffsetDateTime, sends: SendsLine) -> Self {
        Self {
            request: self.request,
            transition: self.transition.clone(),
            callback_at: self.callback_at,
            outcome: self.outcome,
            ticket: self.ticket,
            invitation: self.invitation,
            tenant: self.tenant,
            app: self.app.clone(),
            chain: self.chain.clone(),
            client_id: self.client_id,
            label: self.label.clone(),
            reference: self.reference.clone(),
            front_door: self.front_door,
            sends: Some(sends),
            ..Self::new(Event::Dispatched, at)
        }
    }

    /// Adds the queue message that the line is about.
    #[must_use]
    pub fn of_message(self, message: MessageLine) -> Self {
        Self { message: Some(message), ..self }
    }

    /// Makes the conclusion of the same visit, with its own time.
    #[must_use]
    pub fn concluded(self, at: OffsetDateTime) -> Self {
        Self { event: Event::Concluded, at, ..self }
    }

    /// A line with the number of suppressed lines.
    #[must_use]
    pub fn suppressed(at: OffsetDateTime, count: u64) -> Self {
        Self { count: Some(count), ..Self::new(Event::Suppressed, at) }
    }

    /// Adds the token that a count is about.
    #[must_use]
    pub(super) fn about(self, token: Token) -> Self {
        match token {
            Token::Ticket(ticket) => Self { ticket: Some(ticket), ..self },
            Token::Invitation(invitation) => Self { invitation: Some(invitation), ..self },
        }
    }

    /// Adds the request and its visitor.
    #[must_use]
    pub fn from_visitor(self, request: TokenId, front_door: FrontDoor, ip: Option<String>, browser: Option<DisplayText>) -> Self {
        Self { request: Some(request), front_door: Some(front_door), ip, browser, ..self }
    }

    /// Adds the ticket and its expectation.
    #[must_use]
    pub fn of_ticket(self, ticket: TokenId, expectation: &Expectation, binding: Binding, late: bool) -> Self {
        Self { ticket: Some(ticket), binding: Some(binding), late: Some(late), ..self.of_expectation(expectation) }
    }

    fn of_expectation(self, expectation: &Expectation) -> Self {
        let origin = expectation.invitation.as_ref();
        Self {
            invitation: origin.map(|origin| origin.id),
            chain: origin.and_then(|origin| origin.chain.clone()),
            tenant: match expectation.tenant {
                ExpectedTenant::Tenant(tenant) => Some(tenant),
                ExpectedTenant::Any => None,
            },
            tenant_name: expectation
                .label
                .as_ref()
                .and_then(|label| Some(NameLine { value: DisplayText::from_untrusted(label.as_str())?, source: "operator" })),
            app: Some(expectation.app.clone()),
            label: expectation.label.as_ref().map(|label| label.as_str().into()),
            reference: expectation.reference.as_ref().map(|reference| reference.as_str().into()),
            ..self
        }
    }

    /// Adds an invitation, before a ticket exists.
    #[must_use]
    pub fn of_invitation(self, expectation: &Expectation) -> Self {
        let chain = expectation.invitation.as_ref().and_then(|origin| origin.chain.clone());
        let line = self.of_expectation(expectation);
        Self { app: None, chain, ..line }
    }

    /// Adds the app, by both its ids.
    #[must_use]
    pub fn of_app(self, app: &ProfileId, client_id: ClientId) -> Self {
        Self { app: Some(app.clone()), client_id: Some(client_id), ..self }
    }

    /// Adds the client id alone, for a line without an app profile.
    #[must_use]
    pub fn of_client(self, client_id: ClientId) -> Self {
        Self { client_id: Some(client_id), ..self }
    }

    /// Adds the callback's claim.
    #[must_use]
    pub fn with_claim(self, claim: &Claim, carried_secret: bool, returned_tenant: Option<TenantId>) -> Self {
        let returned_tenant = returned_tenant.filter(|returned| Some(*returned) != self.tenant);
        Self { claim: Some(ClaimLine::of(claim)), carried_secret: carried_secret.then_some(true), returned_tenant, ..self }
    }

    /// Adds the finding, and the lists behind its verdict.
    #[must_use]
    pub fn with_finding(self, finding: &Finding, assessment: &Assessment, check: CheckLine) -> Self {
        let difference = &assessment.difference;
        let mut cut = Cut::default();
        let named = NameLine::from_graph(finding).or(self.tenant_name);
        Self {
            finding: Some(FindingLine {
                verdict: assessment.verdict.name(),
                service_principal: finding.service_principal.name(),
                application: finding.application.name(),
                delegated: finding.delegated.name(),
                users_may_consent: users_may_consent(&finding.users_may_consent),
                fresh_tokens: finding.fresh_roles.len(),
                looked_at: check.at,
                aadsts: finding.code.map(AadstsCode::number),
                trace_id: check.trace_id,
                correlation_id: check.correlation_id,
            }),
            alarm: finding.alarm().map(Alarm::name),
            tenant_name: named,
            missing: bounded(&difference.missing, &mut cut.missing),
            unseen: bounded(&difference.unseen, &mut cut.unseen),
            unexpected: bounded(&difference.unexpected, &mut cut.unexpected),
            forbidden: bounded(&difference.forbidden, &mut cut.forbidden),
            optional_absent: bounded(&difference.optional_absent, &mut cut.optional_absent),
            cut: (cut != Cut::default()).then_some(cut),
            upstream: check.upstream.into_iter().take(MAX_ENTRIES).collect(),
            ..self
        }
    }

    /// Adds the outcome. `transition` becomes the [`transition_id`] of the same values.
    #[must_use]
    pub fn with_outcome(self, ticket: TokenId, callback_at: u64, step: u32, before: Before, after: Outcome) -> Self {
        let transition = transition_id(ticket, callback_at, step, before, after);
        Self { outcome: Some(OutcomeLine { before, after }), transition: Some(transition), callback_at: Some(callback_at), ..self }
    }

    /// Adds the expiry of a credential. An expired one raises an alarm, because every check with it fails.
    #[must_use]
    pub fn with_expiry(self, expiry: ExpiryLine, has_ended: bool) -> Self {
        let transition = self.client_id.map(|client_id| expiry_id(client_id, expiry));
        let alarm = has_ended.then_some(Alarm::Credential.name());
        Self { transition, alarm, expiry: Some(expiry), ..self }
    }

    /// Adds the reason for a rejection, and the outcome that the browser sees.
    #[must_use]
    pub fn with_rejection(self, outcome: Outcome, rejection: RejectionLine) -> Self {
        Self { outcome: Some(OutcomeLine { before: None, after: outcome }), rejection: Some(rejection), ..self }
    }

    /// Adds durations in milliseconds.
    #[must_use]
    pub fn took(self, total: u64, verify: Option<u64>) -> Self {
        Self { durations_ms: Some(Durations { total, verify }), ..self }
    }

    /// The line as JSON with its newline: at most [`MAX_BYTES`], and pure ASCII, so that it cannot control a terminal or a log viewer.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        let mut line = self.clone();
        loop {
            let json = ascii(&serde_json::to_string(&line).unwrap_or_default());
            if json.len() < MAX_BYTES || !line.shorten() {
                return json + "\n";
            }
        }
    }

    /// Drops half of the longest list and counts the dropped entries. `false` if no entry is left to drop.
    fn shorten(&mut self) -> bool {
        let mut cut = self.cut.take().unwrap_or_default();
        let lists = [
            (&mut self.missing, &mut cut.missing),
            (&mut self.unseen, &mut cut.unseen),
            (&mut self.unexpected, &mut cut.unexpected),
            (&mut self.forbidden, &mut cut.forbidden),
            (&mut self.optional_absent, &mut cut.optional_absent),
        ];
        let shortened = lists.into_iter().max_by_key(|(list, _)| list.iter().map(String::len).sum::<usize>()).is_some_and(|(list, cut)| {
            let keep = list.len() / 2;
            *cut += list.len() - keep;
            let any = !list.is_empty();
            list.truncate(keep);
            any
        });
        self.cut = (cut != Cut::default()).then_some(cut);
        shortened
    }
}

impl NameLine {
    fn from_graph(finding: &Finding) -> Option<Self> {
        finding.tenant_name.clone().map(|value| Self { value, source: "graph" })
    }
}

fn users_may_consent(policy: &Visible<bool>) -> Option<&'static str> {
    match (policy.seen(), policy) {
        (Some(true), _) => Some("yes"),
        (Some(false), _) => Some("no"),
        (None, Visible::NotAsked) => None,
        (None, unseen) => Some(unseen.name()),
    }
}

fn bounded(list: &[NamedPermission], cut: &mut usize) -> Vec<String> {
    *cut = list.len().saturating_sub(MAX_ENTRIES);
    list.iter().take(MAX_ENTRIES).map(ToString::to_string).collect()
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

/// The id of a transition: hash(ticket jti, day of the callback, step, before, after). A repeated visit or a redelivered message repeats
/// the line with the same id, so consumers can drop it. The step separates a second revocation from the first. The day separates two uses
/// of a link that is valid for weeks. `callback_at` is in seconds since 1970.
#[must_use]
pub fn transition_id(ticket: TokenId, callback_at: u64, step: u32, before: Before, after: Outcome) -> String {
    let before = before.map_or("none", Outcome::name);
    let day = callback_at / GIVE_UP.as_secs();
    let hash = digest::digest(&digest::SHA256, format!("{ticket} {day} {step} {before} {}", after.name()).as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default())
}

/// The id of a warning. It depends on the app, the expiry and the threshold, and not on the day.
#[must_use]
pub fn expiry_id(client_id: ClientId, expiry: ExpiryLine) -> String {
    let what = format!("expiring {client_id} {} {} {}", expiry.credential, expiry.ends.unix_timestamp(), expiry.threshold_days);
    let hash = digest::digest(&digest::SHA256, what.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default())
}
