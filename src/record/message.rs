//! What records say about queue messages and events: what we sent, and what arrived.

use serde::Serialize;

/// The result of publishing an order or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
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
    pub(crate) order: Fate,
    /// The message to other systems.
    pub(crate) event: Fate,
    /// The cause of a refusal, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Box<str>>,
}

impl SendsLine {
    /// Nothing to publish, or no queue and no bus.
    pub(crate) const NOTHING: Self = Self { order: Fate::None, event: Fate::None, reason: None };
}

/// The queue message that a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageLine {
    /// Its id in the queue, the same as in the dead-letter queue.
    pub(crate) id: Box<str>,
    /// The number of deliveries, including this one; 0 if the queue does not report it.
    pub(crate) received: u32,
    /// The cause of the failure, in one word. A genuine order has its own line with more details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
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
