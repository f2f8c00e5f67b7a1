//! The [`Outbox`] of an installation on AWS: SQS if the configuration has a queue, EventBridge if it has a bus.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

use super::{AwsClients, event_bridge, sqs};
use crate::config::Config;
use crate::outbox::{Informed, NotSent, Outbox, OutcomeEvent, RenewalEvent, Sending};

/// Sends orders to SQS and events to EventBridge. Builds no client before the first message.
#[derive(Debug)]
pub struct AwsOutbox {
    clients: Arc<AwsClients>,
    queue: Option<Url>,
    bus: Option<Box<str>>,
    has_receiver: bool,
}

impl AwsOutbox {
    /// The outbox that the configuration describes; `None` if it names neither queue nor bus.
    #[must_use]
    pub fn of(config: &Config, clients: &Arc<AwsClients>) -> Option<Self> {
        let (queue, bus) = (config.worker.queue.clone(), config.events.bus.clone());
        let has_receiver = config.events.receiver.is_some();
        (queue.is_some() || bus.is_some()).then(|| Self { clients: Arc::clone(clients), queue, bus, has_receiver })
    }
}

impl Outbox for AwsOutbox {
    fn takes_orders(&self) -> bool {
        self.queue.is_some()
    }

    fn takes_events(&self) -> bool {
        self.bus.is_some()
    }

    fn informed(&self, _event: &str) -> Informed {
        if self.has_receiver { Informed::Yes } else { Informed::Unknown }
    }

    fn send_order<'a>(&'a self, order: &'a str, group: &'a str, delay: Duration) -> Sending<'a> {
        Box::pin(async move {
            match &self.queue {
                Some(queue) => sqs::send(&self.clients, queue, order, group, delay).await,
                None => Err(NotSent("no_queue".into())),
            }
        })
    }

    fn put_off<'a>(&'a self, receipt: &'a str, wait: Duration) -> Sending<'a> {
        Box::pin(async move {
            match &self.queue {
                Some(queue) => sqs::put_off(&self.clients, queue, receipt, wait).await,
                None => Err(NotSent("no_queue".into())),
            }
        })
    }

    fn put_event<'a>(&'a self, event: &'a OutcomeEvent) -> Sending<'a> {
        self.put(event_bridge::DETAIL_TYPE, event.at, event)
    }

    fn put_renewal<'a>(&'a self, event: &'a RenewalEvent) -> Sending<'a> {
        self.put(event_bridge::RENEWAL_TYPE, event.at, event)
    }
}

impl AwsOutbox {
    fn put<'a>(&'a self, detail_type: &'a str, at: OffsetDateTime, event: &'a (impl Serialize + Sync)) -> Sending<'a> {
        Box::pin(async move {
            match &self.bus {
                Some(bus) => event_bridge::put(&self.clients, bus, detail_type, at, event).await,
                None => Err(NotSent("no_bus".into())),
            }
        })
    }
}
