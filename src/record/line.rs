//! One record.

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
    AadstsCode, Assessment, Claim, ClaimedError, ClientId, DisplayText, ErrorClass, Expectation, ExpectedTenant, Finding, Outcome,
    ProfileId, TenantId, TokenId,
};
use crate::token::Binding;

/// What every line says that it is: a format that programs read.
pub const SCHEMA: &str = "entra-consent/record/1";

/// Longest line in bytes, newline included.
pub const MAX_BYTES: usize = 8 * 1024;
/// Most entries of one list before it is cut.
const MAX_ENTRIES: usize = 40;

/// What a line speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An invitation's page was asked for: by a person, or by a mail scanner. Never to be reported as opened.
    Seen,
    /// The button of an invitation was pressed. Written before anybody is asked.
    Started,
    /// A genuine ticket came back with a claim. Written before anybody is asked.
    Claimed,
    /// A claim was concluded, or a later look changed how it stands.
    Concluded,
    /// A request that carried no genuine ticket, or one past its end.
    Rejected,
    /// The credential of an app ends soon, or has ended.
    Expiring,
    /// What got no line of its own in a flood: rejections without a genuine token, or repetitions about one token.
    Suppressed,
    /// Order and outcome event were handed over, or refused: [`SendsLine`] says which.
    Dispatched,
    /// The worker has looked for the last time: so it stands, and nobody looks again unasked.
    Settled,
    /// A message of the queue could not be carried out: it is delivered again, and in the end goes to the dead-letter queue. Of `serve` also:
    /// an event was given up, or a dead letter was dropped.
    Failed,
}

/// What became of something that was to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nothing was to be sent, or it was sent before.
    None,
    /// It was taken.
    Sent,
    /// It was not taken. An event is then the worker's to send; an order is sent again when the page is reloaded.
    Refused,
    /// It was not taken, and the worker could not be told either.
    Lost,
}

/// What became of order and event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SendsLine {
    /// The order for another look.
    pub order: Fate,
    /// The outcome event.
    pub event: Fate,
    /// Why something was refused, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl SendsLine {
    /// There was nothing to hand over, or nobody to take it.
    pub const NOTHING: Self = Self { order: Fate::None, event: Fate::None, reason: None };
}

/// The message of the queue that a line speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageLine {
    /// Its id in the queue, as the dead-letter queue keeps it.
    pub id: Box<str>,
    /// How often it was delivered, this time included; 0 where the queue does not say.
    pub received: u32,
    /// Why it failed, in one word. A genuine order's own line says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl MessageLine {
    /// Longest id that a line has, in characters.
    const LONGEST_ID: usize = 128;

    /// A message, its id cut to what a line holds.
    #[must_use]
    pub fn new(id: &str, received: u32, reason: Option<&'static str>) -> Self {
        Self { id: id.chars().take(Self::LONGEST_ID).collect(), received, reason }
    }
}

/// The outcome before and after. `before` is what the last look at the same ticket said, `null` for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeLine {
    /// Before.
    pub before: Before,
    /// After.
    pub after: Outcome,
}

/// An outcome that may not have been there.
pub type Before = Option<Outcome>;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingLine {
    /// What it amounts to.
    pub verdict: &'static str,
    /// Each `seen`, `absent`, `not_visible`, `unanswered` or `not_asked`.
    pub service_principal: &'static str,
    /// App role assignments.
    pub application: &'static str,
    /// Tenant-wide delegated permission grants.
    pub delegated: &'static str,
    /// Whether users may approve the app themselves: `yes` or `no` where the tenant's policy was seen, else why not. `None` where it
    /// was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_may_consent: Option<&'static str>,
    /// Resources for which a token was minted in this very look.
    pub fresh_tokens: usize,
    /// When the look was made; a look serves for 30 seconds.
    #[serde(with = "time::serde::rfc3339")]
    pub looked_at: OffsetDateTime,
    /// The AADSTS number of a refusal of our look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aadsts: Option<u32>,
    /// Microsoft's trace id of that refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Its correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<TraceId>,
}

/// How a look came about, beside what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// When it was made.
    pub at: OffsetDateTime,
    /// Microsoft's trace id of the refusal that ended it.
    pub trace_id: Option<TraceId>,
    /// Its correlation id.
    pub correlation_id: Option<TraceId>,
    /// The calls this request caused.
    pub upstream: Vec<UpstreamLine>,
}

/// One call to Microsoft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamLine {
    /// `token`, `batch`, `page` …
    pub kind: &'static str,
    /// The HTTP status, `null` where none came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Why a request was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectionLine {
    /// A stable word.
    pub reason: &'static str,
    /// How many bytes the query or the body had.
    pub bytes: usize,
    /// How many parameters had unknown names, where it was read that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_parameters: Option<usize>,
}

/// A claim as a line has it.
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

    /// The claim that it was made of. `None` for an error without a class, which no line of ours has.
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
    /// `graph`, or `operator`: as named in the link.
    source: &'static str,
}

/// A credential that ends soon, or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExpiryLine {
    /// `secret` or `certificate`.
    pub credential: &'static str,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub ends: OffsetDateTime,
    /// The threshold that the end has come to, in days: 30, 14, 3, or 0 once it has ended.
    pub threshold_days: u8,
    /// Whole days left; negative once it has ended.
    pub days_left: i64,
    /// Who says when it ends: `certificate`, `configuration` or `registration`.
    pub told_by: &'static str,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Durations {
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<u64>,
}

/// How many entries of each list were left out to keep the line within bounds.
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

/// One line. Made by a constructor for its event and filled by the methods that follow; every text in it is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    schema: &'static str,
    /// What it speaks of.
    pub event: Event,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Joins the lines of one request.
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

/// A transition, and the moment of the callback that led to it.
pub(super) type TransitionKey = (Box<str>, Option<u64>);

impl Line {
    /// A bare line.
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

    /// Whether it speaks of a token that we signed: such a line is never held back in a flood of strangers.
    #[must_use]
    pub(super) fn is_genuine(&self) -> bool {
        self.ticket.is_some() || self.invitation.is_some()
    }

    /// What makes it a repetition of an earlier line; `None` for what is never held back. A claim says the same where its kind, class
    /// and binding do, whatever numbers a stranger typed; a conclusion where it is the same transition.
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

    /// Whether it names a message of the queue. Nobody outside the account can make such a line, and each message has to be found again.
    #[must_use]
    pub(super) fn is_of_message(&self) -> bool {
        self.message.is_some()
    }

    /// The id that joins the lines of one request.
    #[must_use]
    pub fn request(&self) -> Option<TokenId> {
        self.request
    }

    /// What it is the line of: a link that is used twice on one day may lead to the same transition twice, and each is recorded.
    pub(super) fn transition_key(&self) -> Option<TransitionKey> {
        Some((self.transition.as_deref()?.into(), self.callback_at))
    }

    /// What became of order and event of the conclusion that this line records: a line of the same request, without what was seen.
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

    /// The message of the queue that this is about.
    #[must_use]
    pub fn of_message(self, message: MessageLine) -> Self {
        Self { message: Some(message), ..self }
    }

    /// The same visit, concluded at another moment.
    #[must_use]
    pub fn concluded(self, at: OffsetDateTime) -> Self {
        Self { event: Event::Concluded, at, ..self }
    }

    /// The count of a flood.
    #[must_use]
    pub fn suppressed(at: OffsetDateTime, count: u64) -> Self {
        Self { count: Some(count), ..Self::new(Event::Suppressed, at) }
    }

    /// The token that a count is about.
    #[must_use]
    pub(super) fn about(self, token: Token) -> Self {
        match token {
            Token::Ticket(ticket) => Self { ticket: Some(ticket), ..self },
            Token::Invitation(invitation) => Self { invitation: Some(invitation), ..self },
        }
    }

    /// Who asked, and through which door.
    #[must_use]
    pub fn from_visitor(self, request: TokenId, front_door: FrontDoor, ip: Option<String>, browser: Option<DisplayText>) -> Self {
        Self { request: Some(request), front_door: Some(front_door), ip, browser, ..self }
    }

    /// The ticket and what it was made for.
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

    /// An invitation, before there is a ticket.
    #[must_use]
    pub fn of_invitation(self, expectation: &Expectation) -> Self {
        let chain = expectation.invitation.as_ref().and_then(|origin| origin.chain.clone());
        let line = self.of_expectation(expectation);
        Self { app: None, chain, ..line }
    }

    /// The app, by both its ids.
    #[must_use]
    pub fn of_app(self, app: &ProfileId, client_id: ClientId) -> Self {
        Self { app: Some(app.clone()), client_id: Some(client_id), ..self }
    }

    /// The app registration.
    #[must_use]
    pub fn of_client(self, client_id: ClientId) -> Self {
        Self { client_id: Some(client_id), ..self }
    }

    /// What the callback said.
    #[must_use]
    pub fn with_claim(self, claim: &Claim, carried_secret: bool, returned_tenant: Option<TenantId>) -> Self {
        let returned_tenant = returned_tenant.filter(|returned| Some(*returned) != self.tenant);
        Self { claim: Some(ClaimLine::of(claim)), carried_secret: carried_secret.then_some(true), returned_tenant, ..self }
    }

    /// What was seen, and the lists behind it.
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

    /// The outcome. `transition` is [`transition_id`] of the same things.
    #[must_use]
    pub fn with_outcome(self, ticket: TokenId, callback_at: u64, step: u32, before: Before, after: Outcome) -> Self {
        let transition = transition_id(ticket, callback_at, step, before, after);
        Self { outcome: Some(OutcomeLine { before, after }), transition: Some(transition), callback_at: Some(callback_at), ..self }
    }

    /// A credential that ends. One that has ended is an alarm: every look that it is used for fails.
    #[must_use]
    pub fn with_expiry(self, expiry: ExpiryLine, has_ended: bool) -> Self {
        let transition = self.client_id.map(|client_id| expiry_id(client_id, expiry));
        let alarm = has_ended.then_some(Alarm::Credential.name());
        Self { transition, alarm, expiry: Some(expiry), ..self }
    }

    /// Why a request was turned away, and what the browser was told.
    #[must_use]
    pub fn with_rejection(self, outcome: Outcome, rejection: RejectionLine) -> Self {
        Self { outcome: Some(OutcomeLine { before: None, after: outcome }), rejection: Some(rejection), ..self }
    }

    /// Durations in milliseconds.
    #[must_use]
    pub fn took(self, total: u64, verify: Option<u64>) -> Self {
        Self { durations_ms: Some(Durations { total, verify }), ..self }
    }

    /// The line as JSON with its newline: at most [`MAX_BYTES`], pure ASCII, so that no terminal and no log viewer is steered by it.
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

    /// Drops half of the longest list and counts what was dropped. `false` when nothing is left to drop.
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

/// JSON with everything beyond ASCII as `\uXXXX`: valid JSON all the same (RFC 8259 §7).
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
/// the line with the same id, so that consumers can drop it; the step keeps a second revocation from passing for the first one again, and the
/// day what a link of some weeks leads to from passing for what it led to when it was used before. `callback_at` in seconds since 1970.
#[must_use]
pub fn transition_id(ticket: TokenId, callback_at: u64, step: u32, before: Before, after: Outcome) -> String {
    let before = before.map_or("none", Outcome::name);
    let day = callback_at / GIVE_UP.as_secs();
    let hash = digest::digest(&digest::SHA256, format!("{ticket} {day} {step} {before} {}", after.name()).as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default())
}

/// The id of a warning: the same app, end and threshold have the same, on whatever day they are found.
#[must_use]
pub fn expiry_id(client_id: ClientId, expiry: ExpiryLine) -> String {
    let what = format!("expiring {client_id} {} {} {}", expiry.credential, expiry.ends.unix_timestamp(), expiry.threshold_days);
    let hash = digest::digest(&digest::SHA256, what.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..18).unwrap_or_default())
}
