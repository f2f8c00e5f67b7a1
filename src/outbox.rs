//! What leaves the process in addition to the browser's answer: orders for the worker, and outcome events for other systems.
//!
//! On AWS these are SQS and EventBridge; `serve` keeps both in a store on disk. The sender knows neither.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::consent::callback::TraceId;
use crate::consent::outcome::Severity;
use crate::consent::{ClientId, Draw, Drawn, Outcome, ProfileId, TenantId, TokenId};
use crate::record::OutcomeLine;

/// The version of [`OutcomeEvent`]'s shape. It changes if a field is removed or changes its meaning, not if one is added.
pub const EVENT_SCHEMA: &str = "entra-consent/outcome/1";

/// The longest delay that every queue supports. An order that must wait longer carries its own time, and the worker requeues it.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Sends orders and outcome events.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Whether orders are kept at all. If not, no check happens without a visit, and [`Self::send_order`] is not called.
    fn takes_orders(&self) -> bool {
        true
    }

    /// Whether a receiver of outcomes exists. If not, [`Self::put_event`] is not called.
    fn takes_events(&self) -> bool {
        true
    }

    /// Whether orders or events that this outbox accepted were lost, by a damaged file.
    fn has_lost_messages(&self) -> bool {
        false
    }

    /// Whether an event that this outbox accepted has reached the operator.
    fn informed(&self, _event: &str) -> Informed {
        Informed::Unknown
    }

    /// The last event about a subject that this outbox accepted. `None` if it cannot know: other processes may have sent one.
    fn last_statement<'a>(&'a self, _subject: &'a str) -> Pin<Box<dyn Future<Output = Option<Statement>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    /// Draws on a bound in one period, if this outbox keeps bounds for the whole installation. `None`: the process keeps its own.
    fn draw<'a>(&'a self, _period: &'a (u64, String), _draw: &'a Draw) -> Pin<Box<dyn Future<Output = Option<Drawn>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    /// Gives back what was drawn for a message that could not be sent.
    fn give_back<'a>(&'a self, _period: &'a (u64, String), _draw: &'a Draw) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }

    /// Sends a signed order to the worker's queue, for delivery after `delay`, at most [`LONGEST_DELAY`]. The queue serves its groups in
    /// turn: `group` is the tenant, or `any`.
    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a>;

    /// Publishes an outcome event. Consumers may see it more than once, with the same [`OutcomeEvent::id`].
    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a>;
}

/// What was said last about a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub(crate) outcome: Outcome,
    /// The second since 1970 in which it was reached.
    pub(crate) since: u64,
    /// When its check began.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) as_of: OffsetDateTime,
    /// The callback that the event followed, in seconds since 1970.
    pub(crate) callback_at: u64,
    /// Whether another check was expected to change it.
    pub(crate) provisional: bool,
    /// The event's id.
    pub(crate) event: Box<str>,
}

/// Whether an accepted event has reached the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Informed {
    /// The outbox does not know.
    #[default]
    Unknown,
    /// It waits in the store and will be sent.
    Underway,
    /// A configured receiver has it.
    Yes,
}

/// The future that a sending method returns.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), NotSent>> + Send + 'a>>;

/// The receiver did not accept the message. Contains a short reason without any content: an error code, or that there was no answer in
/// time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub Box<str>);

/// An approval's current outcome, for ticket systems, chats and webhooks (`docs/outcome.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeEvent {
    /// Always [`EVENT_SCHEMA`].
    pub schema: &'static str,
    /// The transition's id: a repeated event has the same id, so that consumers can drop it.
    pub id: String,
    /// When the outcome was concluded.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When its check began; for a claim alone, when that arrived. Of two events about one subject, the one with the later time counts.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// [`Statement::since`]
    #[serde(skip)]
    pub since: u64,
    /// [`Statement::callback_at`]
    #[serde(skip)]
    pub callback_at: u64,
    /// Tenant and app in one text, `TENANT/CLIENT_ID`: a system with one ticket for each approval finds the ticket by it.
    pub subject: String,
    /// The customer's tenant.
    pub tenant: EventTenant,
    /// The app to approve.
    pub app: EventApp,
    /// The operator's name for the customer.
    pub label: Option<Box<str>>,
    /// The operator's own reference, never interpreted.
    pub reference: Option<Box<str>>,
    /// The outcome before and after.
    pub outcome: OutcomeLine,
    /// `tenant_blocked` if Microsoft blocked the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// What a ticket system should do: open, update or close a ticket.
    pub severity: Severity,
    /// What the outcome rests on.
    pub basis: Basis,
    /// Whether this event reports that further claims of a link are only counted. It repeats the last outcome, and says nothing new about
    /// the approval.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
    /// Whether another check can still change the outcome.
    pub provisional: bool,
    /// One line for the operator.
    pub summary: Box<str>,
    /// Required permissions that a check did not find.
    pub missing: Vec<String>,
    /// Permissions beyond the profile, including forbidden ones.
    pub unexpected: Vec<String>,
    /// How many entries of each list were left out.
    pub cut: EventCut,
    /// Ids that join this event to records and to Microsoft's logs.
    pub correlation: Correlation,
}

/// What an outcome rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A claim alone: no check was made, Microsoft did not answer, or a check saw nothing. Anyone who has the link can cause it.
    Claim,
    /// What Microsoft showed.
    Finding,
}

impl OutcomeEvent {
    /// What the event says.
    pub(crate) fn statement(&self) -> Statement {
        let Self { id, outcome, as_of, since, callback_at, provisional, .. } = self;
        let (since, callback_at, provisional) = (*since, *callback_at, *provisional);
        Statement { outcome: outcome.after, since, as_of: *as_of, callback_at, provisional, event: id.as_str().into() }
    }

    /// The key of the one ticket for a tenant and an app.
    pub(crate) fn subject_of(tenant: Option<TenantId>, app: ClientId) -> String {
        match tenant {
            Some(tenant) => format!("{tenant}/{app}"),
            None => format!("any/{app}"),
        }
    }
}

/// How many entries of each list were left out to keep an event small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCut {
    /// Left out of `missing`.
    pub(crate) missing: usize,
    /// Left out of `unexpected`.
    pub(crate) unexpected: usize,
}

/// The tenant of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventTenant {
    /// The tenant id; `null` if the link was for any tenant.
    pub id: Option<TenantId>,
    /// Microsoft's name if a check saw it, otherwise the operator's.
    pub name: Option<Box<str>>,
}

/// The app of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventApp {
    /// The app's id in `consent.toml`.
    pub id: ProfileId,
    /// The application (client) id.
    pub client_id: ClientId,
    /// The app's name as users know it.
    pub name: Box<str>,
}

/// Ids that join an event to other traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correlation {
    /// The `jti` of the ticket.
    pub ticket: TokenId,
    /// The `jti` of the ticket's invitation; `null` for a direct link.
    pub invitation: Option<TokenId>,
    /// Joins the records of one request.
    pub request: Option<TokenId>,
    /// Microsoft's trace id of a refusal.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of a refusal.
    pub correlation_id: Option<TraceId>,
}
