//! The complete path without AWS: callback → store → worker → webhook and record, without a page visit in between.

use std::collections::BTreeSet;
use std::sync::Arc;

use entra_consent::env::Rng;
use entra_consent::serve::store::{Deliverer, EVENT_TYPE, OrderWorker, Store, StoreCounts, StoreOutbox};
use entra_consent::serve::webhook::Webhook;
use entra_sandbox::{UserRole, demo};
use serde_json::Value;

use super::store::Folder;
use super::webhook::{Receiver, SECRET, Say};
use crate::support::northwind::{BY_ITSELF, USUAL, mail_backup};
use crate::support::stage::{Options, Stage};

struct Set {
    stage: Stage,
    store: Store,
    worker: OrderWorker,
    deliverer: Deliverer,
    receiver: Receiver,
    _folder: Folder,
}

async fn set() -> Set {
    set_with([]).await
}

async fn set_with(says: impl IntoIterator<Item = Say>) -> Set {
    let receiver = Receiver::start(says).await;
    let folder = Folder::new();
    let secret = folder.0.join("webhook.txt");
    std::fs::write(&secret, SECRET).unwrap();
    let store = Store::open(&folder.store()).await.unwrap();
    let kept = store.clone();
    let options = Options {
        more: format!(
            "[store]\npath = \"unused\"\n[webhook]\nurl = \"{}/hook\"\nsecret = {{ file = \"{}\" }}",
            receiver.base,
            secret.display()
        ),
        outbox: Some(Box::new(move |clock| Arc::new(StoreOutbox::new(kept, clock, true)))),
        ..Options::default()
    };
    let stage = Stage::with(options).await;
    let webhook = Webhook::new(stage.installation.config.webhook.clone().unwrap()).unwrap();
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    let deliverer = Deliverer::new(Arc::clone(&stage.installation), store.clone(), webhook, Rng::system());
    Set { stage, store, worker, deliverer, receiver, _folder: folder }
}

impl Set {
    /// Advances the clock in small steps, and lets the background tasks run after each.
    async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(5) {
            self.stage.advance(5);
            while self.worker.step().await.unwrap() + self.deliverer.step().await.unwrap() > 0 {}
        }
    }

    fn told(&self) -> Vec<String> {
        let posts = self.receiver.posts();
        posts.iter().map(|post| post.json()["data"]["outcome"]["after"].as_str().unwrap().to_owned()).collect()
    }

    fn recorded_transitions(&self) -> BTreeSet<String> {
        let records = self.stage.records();
        records
            .iter()
            .filter(|record| record["event"] == "concluded")
            .map(|record| record["transition"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn an_approval_given_after_the_callback_is_noticed_without_a_visit_and_posted() {
    let mut set = set().await;
    let link = set.stage.link(demo::CONTOSO).await;
    let page = set.stage.claim_success(&crate::support::stage::ticket_of(&link), demo::CONTOSO).await;
    assert_eq!(page.outcome(), "pending");
    set.pass(60).await;
    assert_eq!(set.told(), ["pending"]);
    set.stage.grant(demo::CONTOSO, demo::APP);
    set.pass(120).await;
    assert_eq!(set.told(), ["pending", "granted"]);
    let ids: BTreeSet<_> = set.receiver.posts().iter().map(|post| post.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, set.recorded_transitions(), "events and records name the same transitions");
    let schema: Value = serde_json::from_str(include_str!("../../../docs/outcome.schema.json")).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for post in set.receiver.posts() {
        let json = post.json();
        assert!(schema.is_valid(&json["data"]), "{json}");
        assert_eq!(json["type"], EVENT_TYPE);
    }
    set.pass(30 * 3_600).await;
    assert_eq!(set.store.counts().await.unwrap(), StoreCounts { orders: 0, deliveries: 0, dead: 0 });
    assert_eq!(set.told().len(), 2, "an unchanged outcome is not published again");
}

#[tokio::test]
async fn the_operator_is_informed_once_the_webhook_took_the_event() {
    let mut set = set().await;
    set.stage.grant(demo::CONTOSO, demo::APP);
    let page = set.stage.claim_success(&set.stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    assert!(page.text().ends_with("You can close this page. Northwind Managed Services is being informed."), "{}", page.text());
    assert_eq!(set.stage.json(&page.url).await["operator_informed"], false, "it is only stored");
    assert_eq!(set.deliverer.step().await.unwrap(), 1);
    let later = set.stage.open(&page.url).await;
    assert!(later.text().ends_with("You can close this page. Northwind Managed Services has been informed."), "{}", later.text());
    assert_eq!(set.stage.json(&page.url).await["operator_informed"], true);
}

#[tokio::test]
async fn a_webhook_that_is_gone_informs_of_nothing() {
    let mut set = set_with([Say::Status(410)]).await;
    set.stage.grant(demo::CONTOSO, demo::APP);
    let page = set.stage.claim_success(&set.stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    set.deliverer.step().await.unwrap();
    let later = set.stage.open(&page.url).await;
    assert!(later.text().ends_with("Northwind Managed Services can see this in its records."), "{}", later.text());
}

#[tokio::test]
async fn worker_verification_goes_through_the_store() {
    let apps = mail_backup(&format!("{BY_ITSELF}\nverify_in = \"worker\""), USUAL);
    let store = Store::in_memory().unwrap();
    let kept = store.clone();
    let options = Options {
        apps: Some(apps),
        more: "[store]\npath = \"unused\"".into(),
        outbox: Some(Box::new(move |clock| Arc::new(StoreOutbox::new(kept, clock, false)))),
        ..Options::default()
    };
    let stage = Stage::with(options).await;
    let link = stage.link(demo::CONTOSO).await;
    let _ = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    stage.control.forget_requests();
    stage.claim_success(&crate::support::stage::ticket_of(&link), demo::CONTOSO).await;
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!(store.counts().await.unwrap().orders, 1);
    stage.advance(10);
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    while worker.step().await.unwrap() > 0 {}
    assert!(stage.records().iter().any(|record| record["outcome"]["after"] == "granted"));
}
