//! What leaves the process beside the browser's answer: orders for the worker, and outcome events for other systems.
//!
//! Over AWS these are SQS and EventBridge; `serve` keeps both in a store on disk. Whoever sends knows neither.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use crate::consent::callback::TraceId;
use crate::consent::outcome::Severity;
use crate::consent::{ClientId, ProfileId, TenantId, TokenId};
use crate::record::OutcomeLine;

/// The version of [`OutcomeEvent`]'s shape. It changes when a field is taken away or means something else, not when one is added.
pub const EVENT_SCHEMA: &str = "entra-consent/outcome/1";

/// What no queue delays for longer. An order that has to wait longer says so itself, and is put back.
pub const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Where orders and events go.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Whether orders are kept at all. Without that nobody looks again unasked, and [`Self::send_order`] is not called.
    fn takes_orders(&self) -> bool {
        true
    }

    /// Whether anybody is told of outcomes. Without that [`Self::put_event`] is not called.
    fn takes_events(&self) -> bool {
        true
    }

    /// What is known of an event that this outbox took: whether it has reached the operator.
    fn informed(&self, _event: &str) -> Informed {
        Informed::Unknown
    }

    /// Puts a signed order into the worker's queue, to be delivered after `delay`, at most [`LONGEST_DELAY`].
    fn send_order<'a>(&'a self, order: &'a str, delay: Duration) -> Sending<'a>;

    /// Hands an outcome event over. Consumers may see it more than once, with the same [`OutcomeEvent::id`].
    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a>;
}

/// Whether an event that was taken has reached the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Informed {
    /// Nothing is known of that.
    #[default]
    Unknown,
    /// It waits, and will be sent.
    Underway,
    /// A configured receiver has it.
    Yes,
}

/// What sending gives.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), NotSent>> + Send + 'a>>;

/// It was not taken. Holds a short reason without any content: an error code, or that there was no answer in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub Box<str>);

/// How an approval stands now, for ticket systems, chats and webhooks (`docs/outcome.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeEvent {
    /// [`EVENT_SCHEMA`].
    pub schema: &'static str,
    /// The transition's id: the same transition repeats with the same id, so that consumers can drop it.
    pub id: String,
    /// When it was concluded.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Tenant and app in one text, `TENANT/CLIENT_ID`: whoever keeps one ticket for each approval finds it by this.
    pub subject: String,
    /// The tenant.
    pub tenant: EventTenant,
    /// The app.
    pub app: EventApp,
    /// The operator's name for the customer.
    pub label: Option<Box<str>>,
    /// The operator's reference.
    pub reference: Option<Box<str>>,
    /// Before and after.
    pub outcome: OutcomeLine,
    /// What a ticket system does with it.
    pub severity: Severity,
    /// Whether another look can still change it.
    pub provisional: bool,
    /// One line for the operator.
    pub summary: Box<str>,
    /// Required permissions that were looked for and are not there.
    pub missing: Vec<String>,
    /// Permissions beyond the profile, the forbidden ones included.
    pub unexpected: Vec<String>,
    /// How many entries of each list were left out.
    pub cut: EventCut,
    /// What joins this to records and to Microsoft's logs.
    pub correlation: Correlation,
}

impl OutcomeEvent {
    /// The key of the one ticket that a (tenant, app) has.
    #[must_use]
    pub fn subject_of(tenant: Option<TenantId>, app: ClientId) -> String {
        match tenant {
            Some(tenant) => format!("{tenant}/{app}"),
            None => format!("any/{app}"),
        }
    }
}

/// How many entries of each list were left out to keep an event small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCut {
    /// Of `missing`.
    pub missing: usize,
    /// Of `unexpected`.
    pub unexpected: usize,
}

/// The tenant of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventTenant {
    /// Its id; `null` where the link was for any tenant.
    pub id: Option<TenantId>,
    /// Its name: Microsoft's where it was seen, else the operator's.
    pub name: Option<Box<str>>,
}

/// The app of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventApp {
    /// Its id in `consent.toml`.
    pub id: ProfileId,
    /// Its application id.
    pub client_id: ClientId,
    /// Its name.
    pub name: Box<str>,
}

/// Ids that join an event to other traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correlation {
    /// The ticket.
    pub ticket: TokenId,
    /// The invitation it came from.
    pub invitation: Option<TokenId>,
    /// Joins the records of one request.
    pub request: Option<TokenId>,
    /// Microsoft's trace id of a refusal.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of a refusal.
    pub correlation_id: Option<TraceId>,
}
