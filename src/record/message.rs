//! The parts of a record that describe queue messages and events.

use serde::Serialize;

/// The result of publishing an order or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// There was nothing to send, or it was sent before.
    None,
    /// The queue or the bus accepted the message.
    Sent,
    /// The queue or the bus refused the message. The worker sends a refused event, and a reload of the page sends a refused order.
    Refused,
    /// The bus refused the event. The queue, through which the worker would have sent the event, refused it too.
    Lost,
}

/// The results of publishing an order and an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SendsLine {
    /// The order for another check.
    pub(crate) order: Fate,
    /// The outcome event.
    pub(crate) event: Fate,
    /// The cause of a refusal, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Box<str>>,
}

impl SendsLine {
    /// There was nothing to publish, or neither a queue nor a bus exists.
    pub(crate) const NOTHING: Self = Self { order: Fate::None, event: Fate::None, reason: None };
}

/// The queue message that a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageLine {
    /// The message's id, which is the same in the queue and in the dead-letter queue.
    pub(crate) id: Box<str>,
    /// The number of deliveries, including this one; 0 if the queue does not report it.
    pub(crate) received: u32,
    /// The cause of the failure, in one word. A genuine order has a record of its own with more details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

impl MessageLine {
    /// Longest id in a line, in characters.
    const LONGEST_ID: usize = 128;

    /// Cuts the id to the maximum length.
    #[must_use]
    pub fn new(id: &str, received: u32, reason: Option<&'static str>) -> Self {
        Self { id: id.chars().take(Self::LONGEST_ID).collect(), received, reason }
    }
}
