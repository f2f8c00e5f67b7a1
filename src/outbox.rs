//! The messages that leave the process in addition to the browser's answer: orders for the worker, and outcome events for other systems.
//!
//! On AWS, orders go to SQS and events to EventBridge. `serve` keeps orders and events in a store on disk. The sender only knows this
//! interface.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::consent::callback::TraceId;
use crate::consent::outcome::Severity;
use crate::consent::{ClientId, Draw, Outcome, ProfileId, TenantId, TokenId};
use crate::record::OutcomeLine;

/// The version of the fields of [`OutcomeEvent`]. The version changes if we remove a field or change the meaning of a field, but not if we
/// add a field.
pub const EVENT_SCHEMA: &str = "entra-consent/outcome/1";

/// As [`EVENT_SCHEMA`], for [`RenewalEvent`].
pub const RENEWAL_SCHEMA: &str = "entra-consent/renewal/1";

/// The longest delay that every queue supports. An order that must wait longer carries its own time, and the worker puts it off.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The longest time for which an order is put off at once. SQS allows 12 hours from the receipt of a message and refuses more, so two
/// minutes are left for the time since then: after these, the visibility timeout of our queue has ended anyway.
pub(crate) const LONGEST_PUT_OFF: Duration = Duration::from_secs(12 * 3_600 - 120);

/// Sends orders and outcome events.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Whether this outbox has a queue for orders. If not, we never call [`Self::send_order`], and only a visit leads to another check.
    fn takes_orders(&self) -> bool {
        true
    }

    /// Whether a receiver of outcome events exists. If not, we never call [`Self::put_event`].
    fn takes_events(&self) -> bool {
        true
    }

    /// Whether this outbox accepted orders or events that a damaged file has lost.
    fn has_lost_messages(&self) -> bool {
        false
    }

    /// Whether an event that this outbox accepted has reached the operator.
    fn informed(&self, _event: &str) -> Informed {
        Informed::Unknown
    }

    /// The last event about a subject. `None` if there is none, or if this outbox cannot know, because other processes send events too.
    fn last_statement<'a>(&'a self, _subject: &'a str) -> Pin<Box<dyn Future<Output = Option<Statement>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    /// Uses up one unit of a limit in one period, if this outbox keeps the limits for the whole installation. Else returns `None`, and the
    /// process uses its own limits.
    fn draw<'a>(&'a self, _period: &'a (u64, String), _draw: &'a Draw) -> Pin<Box<dyn Future<Output = Option<bool>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    /// Gives back the unit of a limit for a message that could not be sent.
    fn give_back<'a>(&'a self, _period: &'a (u64, String), _draw: &'a Draw) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }

    /// Sends a signed order to the worker's queue, which delivers the order after `delay`. `delay` is at most [`LONGEST_DELAY`]. `group` is
    /// the tenant, or `any`. The queue serves its groups in turn, so that no group delays another.
    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a>;

    /// Makes the queue deliver a received message again after `wait`, at most [`LONGEST_PUT_OFF`]. `receipt` is its receipt handle. Only
    /// a queue whose deliveries have receipt handles can do that.
    fn put_off<'a>(&'a self, _receipt: &'a str, _wait: Duration) -> Sending<'a> {
        Box::pin(std::future::ready(Err(NotSent("no_queue".into()))))
    }

    /// Publishes an outcome event. Consumers may see the event more than once, with the same [`OutcomeEvent::id`].
    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a>;

    /// Publishes that a customer asks for another link. Consumers may see the event more than once, with the same [`RenewalEvent::id`].
    fn put_renewal<'a>(&'a self, event: &'a RenewalEvent) -> Sending<'a>;
}

/// The parts of the last event about a subject that we need later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub(crate) outcome: Outcome,
    /// When the outcome was reached, in seconds since 1970.
    pub(crate) since: u64,
    /// As [`OutcomeEvent::as_of`].
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) as_of: OffsetDateTime,
    /// When the callback before the event arrived, in seconds since 1970.
    pub(crate) callback_at: u64,
    /// As [`OutcomeEvent::provisional`].
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
    /// The event waits in the store and will be sent.
    Underway,
    /// A configured receiver has the event.
    Yes,
}

/// The future that a sending method returns.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), NotSent>> + Send + 'a>>;

/// The receiver did not accept the message. Contains a short reason, such as an error code or a timeout, and no part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub Box<str>);

/// An approval's current outcome, for ticket systems, chats and webhooks (`docs/outcome.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeEvent {
    /// Always [`EVENT_SCHEMA`].
    pub schema: &'static str,
    /// The transition's id. A repeated event has the same id, so that consumers can drop the repetition.
    pub id: String,
    /// When we concluded the outcome.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When the check began. Without a check: when the claim arrived. Of two events about one subject, the event with the later `as_of`
    /// counts.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// [`Statement::since`]
    #[serde(skip)]
    pub since: u64,
    /// [`Statement::callback_at`]
    #[serde(skip)]
    pub callback_at: u64,
    /// Tenant and app in one text, `TENANT/CLIENT_ID`. A system with one ticket for each approval finds the ticket by this text.
    pub subject: String,
    /// The customer's tenant.
    pub tenant: EventTenant,
    /// The app to approve.
    pub app: EventApp,
    /// The operator's name for the customer.
    pub label: Option<Box<str>>,
    /// The operator's own reference. We never interpret it.
    pub reference: Option<Box<str>>,
    /// The outcome before and after.
    pub outcome: OutcomeLine,
    /// `tenant_blocked` if Microsoft blocked the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// What a ticket system should do: open a ticket, or update or close the ticket of the subject.
    pub severity: Severity,
    /// What the outcome rests on.
    pub basis: Basis,
    /// Whether this event reports that further claims of a link are counted claims. Such an event repeats the last outcome, and says
    /// nothing new about the approval.
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
    /// How many entries of each list we omitted.
    pub cut: EventCut,
    /// Ids that connect this event to records and to Microsoft's logs.
    pub correlation: Correlation,
}

/// A customer's request for another link, because theirs has expired (`docs/renewal.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenewalEvent {
    /// Always [`RENEWAL_SCHEMA`].
    pub schema: &'static str,
    /// A hash of the invitation and the UTC day.
    pub id: String,
    /// When a person or a scanner pressed the button.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The customer's tenant. The name is the operator's.
    pub tenant: EventTenant,
    /// The app in `consent.toml`. `None` for a chain.
    pub app: Option<ProfileId>,
    /// The chain in `consent.toml`.
    pub chain: Option<ProfileId>,
    /// The subjects of the outcome events about the link's apps.
    pub subjects: Vec<String>,
    /// The operator's own reference.
    pub reference: Option<Box<str>>,
    /// The `jti` of the expired invitation.
    pub invitation: TokenId,
    /// When the invitation expired.
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    /// One line for the operator.
    pub summary: Box<str>,
}

/// What an outcome rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A claim alone: we made no check, Microsoft did not answer, or a check saw nothing. Anyone who has the link can cause such an
    /// outcome.
    Claim,
    /// What Microsoft showed.
    Finding,
}

impl OutcomeEvent {
    /// The parts of the event that we need later.
    pub(crate) fn statement(&self) -> Statement {
        let Self { id, outcome, as_of, since, callback_at, provisional, .. } = self;
        let (since, callback_at, provisional) = (*since, *callback_at, *provisional);
        Statement { outcome: outcome.after, since, as_of: *as_of, callback_at, provisional, event: id.as_str().into() }
    }

    /// The subject of all events about a tenant and an app.
    pub(crate) fn subject_of(tenant: Option<TenantId>, app: ClientId) -> String {
        match tenant {
            Some(tenant) => format!("{tenant}/{app}"),
            None => format!("any/{app}"),
        }
    }
}

/// How many entries of each list we omitted to keep an event small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCut {
    /// The number of entries omitted from `missing`.
    pub(crate) missing: usize,
    /// The number of entries omitted from `unexpected`.
    pub(crate) unexpected: usize,
}

/// The tenant of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventTenant {
    /// The tenant's id. `null` if the link is for any tenant.
    pub id: Option<TenantId>,
    /// Microsoft's name of the tenant if a check saw this name, otherwise the operator's.
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

/// Ids that connect an event to records and to Microsoft's logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correlation {
    /// The `jti` of the ticket.
    pub ticket: TokenId,
    /// The `jti` of the ticket's invitation. `null` for a direct link.
    pub invitation: Option<TokenId>,
    /// The id of the request, which is also in its records.
    pub request: Option<TokenId>,
    /// Microsoft's trace id, if Microsoft refused something.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id, if Microsoft refused something.
    pub correlation_id: Option<TraceId>,
}
