//! A queue and an event bus in memory. The queue delivers a message after its delay, and delivers a failed message or one that was put off
//! again, at most 5 times.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use entra_consent::outbox::{Informed, NotSent, Outbox, OutcomeEvent, RenewalEvent, Sending};
use entra_sandbox::SandboxClock;
use jsonschema::Validator;
use serde_json::Value;

/// The maximum number of deliveries, as in the template.
pub(crate) const DELIVERIES: u32 = 5;
const VISIBILITY: i64 = 120;

/// How an outbox treats a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Takes,
    Refuses,
    /// The outbox never answers.
    Hangs,
    /// The outbox panics, which breaks the trait's contract.
    Panics,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) group: String,
    pub(crate) due: i64,
    pub(crate) received: u32,
}

#[derive(Debug)]
pub(crate) struct MemoryOutbox {
    clock: SandboxClock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Mood,
    bus: Mood,
    has_receiver: bool,
    waiting: Vec<Message>,
    dead: Vec<Message>,
    /// The due times of received messages that were put off, by receipt handle, which is the message's id.
    put_off: HashMap<String, i64>,
    refuses_put_off: bool,
    events: Vec<Value>,
    sent: usize,
}

impl MemoryOutbox {
    pub(crate) fn new(clock: SandboxClock) -> Self {
        Self { clock, inner: Mutex::default() }
    }

    pub(crate) fn set(&self, queue: Mood, bus: Mood) {
        let mut inner = self.inner.lock().unwrap();
        (inner.queue, inner.bus) = (queue, bus);
    }

    /// From now on, the queue puts no message off.
    pub(crate) fn refuse_put_off(&self) {
        self.inner.lock().unwrap().refuses_put_off = true;
    }

    /// From now on, the bus has a receiver.
    pub(crate) fn set_receiver(&self) {
        self.inner.lock().unwrap().has_receiver = true;
    }

    /// The queued messages, delayed ones included.
    pub(crate) fn waiting(&self) -> Vec<Message> {
        self.inner.lock().unwrap().waiting.clone()
    }

    /// The number of orders that the queue has accepted.
    pub(crate) fn sent(&self) -> usize {
        self.inner.lock().unwrap().sent
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.inner.lock().unwrap().events.clone()
    }

    pub(crate) fn dead(&self) -> Vec<Message> {
        self.inner.lock().unwrap().dead.clone()
    }

    /// Adds a message that the product did not send.
    pub(crate) fn smuggle(&self, body: &str) {
        self.put(body, "", Duration::ZERO);
    }

    /// Removes and returns the message that is due next, with its delivery time.
    pub(crate) fn take_next(&self) -> Option<Message> {
        let mut inner = self.inner.lock().unwrap();
        let next = inner.waiting.iter().enumerate().min_by_key(|(at, message)| (message.due, *at))?.0;
        let mut message = inner.waiting.remove(next);
        message.received += 1;
        Some(message)
    }

    /// Returns a message to the queue unprocessed.
    pub(crate) fn requeue(&self, message: Message) {
        let message = Message { received: message.received - 1, ..message };
        self.inner.lock().unwrap().waiting.push(message);
    }

    /// Returns a failed message or one that was put off to the queue, which delivers it again or moves it to the dead letters.
    pub(crate) fn give_back(&self, message: Message) {
        let mut inner = self.inner.lock().unwrap();
        let due = inner.put_off.remove(&message.id).unwrap_or(self.clock.unix_seconds() + VISIBILITY);
        if message.received >= DELIVERIES {
            inner.dead.push(message);
        } else {
            inner.waiting.push(Message { due, ..message });
        }
    }

    fn put(&self, body: &str, group: &str, delay: Duration) {
        let mut inner = self.inner.lock().unwrap();
        inner.sent += 1;
        let message = Message {
            id: format!("m{}", inner.sent),
            body: body.to_owned(),
            group: group.to_owned(),
            due: self.clock.unix_seconds() + i64::try_from(delay.as_secs()).unwrap(),
            received: 0,
        };
        inner.waiting.push(message);
    }
}

async fn in_mood(mood: Mood) -> Result<(), NotSent> {
    match mood {
        Mood::Takes => Ok(()),
        Mood::Refuses => Err(NotSent("AccessDenied".into())),
        Mood::Hangs => std::future::pending().await,
        Mood::Panics => panic!("an outbox that panics"),
    }
}

impl Outbox for MemoryOutbox {
    fn informed(&self, _event: &str) -> Informed {
        if self.inner.lock().unwrap().has_receiver { Informed::Yes } else { Informed::Unknown }
    }

    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a> {
        assert!(delay <= Duration::from_secs(900), "SQS delays for 15 minutes at most");
        let mood = self.inner.lock().unwrap().queue;
        Box::pin(async move {
            in_mood(mood).await?;
            self.put(order, group, delay);
            Ok(())
        })
    }

    fn put_off<'a>(&'a self, receipt: &'a str, wait: Duration) -> Sending<'a> {
        assert!(wait <= Duration::from_secs(12 * 3_600), "SQS hides a message for 12 hours at most");
        let (mood, refuses) = {
            let inner = self.inner.lock().unwrap();
            (inner.queue, inner.refuses_put_off)
        };
        Box::pin(async move {
            in_mood(if refuses { Mood::Refuses } else { mood }).await?;
            let due = self.clock.unix_seconds() + i64::try_from(wait.as_millis().div_ceil(1_000)).unwrap();
            self.inner.lock().unwrap().put_off.insert(receipt.to_owned(), due);
            Ok(())
        })
    }

    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a> {
        let mood = self.inner.lock().unwrap().bus;
        Box::pin(async move {
            in_mood(mood).await?;
            self.inner.lock().unwrap().events.push(checked_event(event));
            Ok(())
        })
    }

    fn put_renewal<'a>(&'a self, event: &'a RenewalEvent) -> Sending<'a> {
        let mood = self.inner.lock().unwrap().bus;
        Box::pin(async move {
            in_mood(mood).await?;
            self.inner.lock().unwrap().events.push(checked_renewal(&serde_json::to_string(event).unwrap()));
            Ok(())
        })
    }
}

/// An event as JSON, after a check against its schema and EventBridge's size limit.
pub(crate) fn checked_event(event: &OutcomeEvent) -> Value {
    let text = serde_json::to_string(event).unwrap();
    assert!(text.len() < 256 * 1024 - 1024, "{} bytes", text.len());
    checked_event_text(&text)
}

pub(crate) fn checked_event_text(text: &str) -> Value {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| schema(include_str!("../../../docs/outcome.schema.json")));
    checked(&SCHEMA, text)
}

/// A request for another link as JSON, after a check against its schema.
pub(crate) fn checked_renewal(text: &str) -> Value {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| schema(include_str!("../../../docs/renewal.schema.json")));
    checked(&SCHEMA, text)
}

fn schema(text: &str) -> Validator {
    jsonschema::options().should_validate_formats(true).build(&serde_json::from_str(text).unwrap()).unwrap()
}

fn checked(schema: &Validator, text: &str) -> Value {
    let event: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<_> = schema.iter_errors(&event).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    event
}
