//! The worker in process, step by step with a stopped clock.

use std::sync::Arc;

use entra_consent::consent::Outcome;
use entra_consent::outbox::{Informed, NotSent, Outbox};
use entra_consent::serve::store::{OrderWorker, Queue, Store, StoreCounts, StoreOutbox, StoredItem, millis_of};
use entra_sandbox::demo;
use std::time::Duration;

use super::store::Folder;
use super::webhook::event;
use crate::support::order::signed_order;
use crate::support::stage::{Options, Stage};

struct Set {
    stage: Stage,
    store: Store,
    outbox: StoreOutbox,
    worker: OrderWorker,
}

async fn set(options: Options) -> Set {
    on(Store::in_memory().unwrap(), options).await
}

async fn on(store: Store, options: Options) -> Set {
    let kept = store.clone();
    let stage = Stage::with(Options { outbox: Some(Box::new(|clock| Arc::new(StoreOutbox::new(kept, clock, false)))), ..options }).await;
    let outbox = StoreOutbox::new(store.clone(), stage.installation.clock.clone(), false);
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    Set { stage, store, outbox, worker }
}

impl Set {
    async fn order(&self) -> String {
        signed_order(&self.stage.installation, &self.stage.ticket(demo::CONTOSO).await, Outcome::Pending, 0).await
    }

    async fn carry_out(&self) -> usize {
        let mut carried_out = 0;
        loop {
            match self.worker.step().await.unwrap() {
                0 => return carried_out,
                some => carried_out += some,
            }
        }
    }

    async fn counts(&self) -> StoreCounts {
        self.store.counts().await.unwrap()
    }
}

#[tokio::test]
async fn an_order_is_carried_out_when_its_delay_has_passed() {
    let set = set(Options::default()).await;
    set.stage.grant(demo::CONTOSO, demo::APP);
    set.outbox.send_order(&set.order().await, "any", Duration::from_secs(15)).await.unwrap();
    set.stage.advance(14);
    assert_eq!(set.carry_out().await, 0);
    set.stage.advance(1);
    assert_eq!(set.carry_out().await, 1);
    assert_eq!(set.stage.last_record()["outcome"]["after"], "granted");
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 0 });
}

#[tokio::test]
async fn an_order_carried_out_again_after_a_crash_repeats_its_transition() {
    let set = set(Options::default()).await;
    set.stage.grant(demo::CONTOSO, demo::APP);
    let order = set.order().await;
    // Three deliveries of one order, as if the process had ended twice between the conclusion and the write to the store.
    for _ in 0..3 {
        set.outbox.send_order(&order, "any", Duration::ZERO).await.unwrap();
    }
    set.carry_out().await;
    let records = set.stage.records();
    let concluded = records.iter().filter(|record| record["event"] == "concluded");
    let transitions: std::collections::BTreeSet<_> = concluded.map(|record| record["transition"].as_str().unwrap()).collect();
    assert_eq!(transitions.len(), 1);
}

#[tokio::test]
async fn poison_is_tried_for_hours_fails_alone_and_ends_as_a_dead_letter() {
    let set = set(Options::default()).await;
    set.stage.grant(demo::CONTOSO, demo::APP);
    set.outbox.send_order("poison", "any", Duration::ZERO).await.unwrap();
    set.outbox.send_order(&set.order().await, "any", Duration::ZERO).await.unwrap();
    assert_eq!(set.carry_out().await, 2);
    assert_eq!(set.counts().await, StoreCounts { orders: 1, deliveries: 0, dead: 0 });
    let hour = 3_600;
    for wait in [10, 60, 300, 900, hour, 2 * hour, 4 * hour] {
        set.stage.advance(wait - 1);
        assert_eq!(set.carry_out().await, 0, "before {wait} s");
        set.stage.advance(1);
        assert_eq!(set.carry_out().await, 1, "after {wait} s");
    }
    set.stage.advance(8 * hour);
    assert_eq!(set.carry_out().await, 1);
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 1 });
    let letter = set.store.dead_letters(1).await.unwrap().remove(0);
    assert_eq!((letter.kind.as_str(), letter.failures), ("order", 9));
    let record = set.stage.last_record();
    assert_eq!((&record["event"], &record["message"]["received"]), (&"rejected".into(), &9.into()));
    assert_eq!(record["message"]["id"], format!("store-{}", letter.number), "the record names the dead letter");
}

#[tokio::test]
async fn a_full_queue_empties_since_what_follows_from_an_order_is_taken() {
    let store = Store::in_memory_for(2, 9).unwrap();
    let set = on(store, Options::default()).await;
    for _ in 0..2 {
        set.outbox.send_order(&set.order().await, "any", Duration::ZERO).await.unwrap();
    }
    assert!(set.outbox.send_order(&set.order().await, "any", Duration::ZERO).await.is_err(), "it is full");
    // Nothing is granted yet, so each order schedules another check.
    assert_eq!(set.carry_out().await, 2);
    assert!(set.stage.records().iter().all(|record| record["event"] != "failed" && record["sends"]["order"] != "refused"));
    for (slot, item) in set.store.due(Queue::Orders, u64::MAX, 9).await.unwrap() {
        assert_eq!(item.failures, 0, "a new order, not one put off: {slot:?}");
    }
    assert_eq!(set.counts().await, StoreCounts { orders: 2, deliveries: 0, dead: 0 });
    set.stage.grant(demo::CONTOSO, demo::APP);
    set.stage.advance(86_400);
    set.carry_out().await;
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 0 });
}

#[tokio::test]
async fn an_outbox_that_waits_for_its_store_holds_1000_messages_in_order() {
    let set = set(Options::default()).await;
    let clock = set.stage.installation.clock.clone();
    let refused = |reason: &str| Err(NotSent(reason.into()));
    let outbox = StoreOutbox::in_wait(clock.clone(), true);
    for number in 0..999 {
        let tenant = format!("tenant {}", number / 8);
        assert_eq!(outbox.send_order(&format!("order {number}"), &tenant, Duration::ZERO).await, refused("held"));
    }
    let event = event(&set.stage, "e1");
    assert_eq!(outbox.put_event(&event).await, Ok(()));
    assert_eq!(outbox.informed("e1"), Informed::Unknown, "no page may promise it");
    assert_eq!(outbox.put_event(&event).await, refused("store_full"));
    assert_eq!(outbox.send_order("one more", "any", Duration::ZERO).await, refused("store_full"));

    assert_eq!(outbox.open(&set.store, &set.stage.installation).await, 1_000);
    assert_eq!(outbox.informed("e1"), Informed::Underway);
    assert_eq!(outbox.send_order("order 999", "any", Duration::ZERO).await, Ok(()));
    let mut stored = set.store.due(Queue::Orders, u64::MAX, 2_000).await.unwrap();
    stored.sort_by_key(|(slot, _)| slot.number);
    let expected: Vec<_> = (0..1_000).map(|number| format!("order {number}")).collect();
    assert_eq!(stored.into_iter().map(|(_, item)| item.body).collect::<Vec<_>>(), expected);
    assert!(set.stage.records().iter().all(|record| record["event"] != "failed"));

    // A visit to a result page repeats an order that is only held.
    let outbox = StoreOutbox::in_wait(clock.clone(), true);
    for visit in 0..20 {
        let answer = outbox.send_order("the same order", "one tenant", Duration::ZERO).await;
        assert_eq!(answer, refused(if visit < 8 { "held" } else { "store_full" }));
    }
    assert_eq!(outbox.send_order("an order", "another tenant", Duration::ZERO).await, refused("held"));

    // A store that takes nothing, and one that never comes.
    let lost = serde_json::json!({ "id": "e1", "received": 0, "reason": "not_stored" });
    let outbox = StoreOutbox::in_wait(clock.clone(), true);
    outbox.put_event(&event).await.unwrap();
    outbox.open(&Store::in_memory_for(0, 0).unwrap(), &set.stage.installation).await;
    assert_eq!(set.stage.last_record()["message"], lost);
    let outbox = StoreOutbox::in_wait(clock, true);
    outbox.put_event(&event).await.unwrap();
    outbox.close(&set.stage.installation);
    assert_eq!(set.stage.records().iter().filter(|record| record["message"] == lost).count(), 2);
    assert_eq!(outbox.put_event(&event).await, refused("store_in_use"));
}

#[tokio::test]
async fn a_damaged_store_still_knows_what_was_said_last() {
    let folder = Folder::new();
    let stage = Stage::new().await;
    let opened = async || {
        let store = Store::open(&folder.store()).await.unwrap();
        (store.was_damaged(), StoreOutbox::new(store, stage.installation.clock.clone(), true))
    };
    let event = event(&stage, "e1");
    let (was_damaged, outbox) = opened().await;
    outbox.put_event(&event).await.unwrap();
    let said = outbox.last_statement(&event.subject).await;
    assert!(said.is_some() && !was_damaged);
    drop(outbox);
    let mut content = std::fs::read(folder.store()).unwrap();
    let payload: Vec<_> = (0..content.len()).filter(|at| content[*at..].starts_with(b"\"type\":\"consent.outcome\"")).collect();
    payload.into_iter().for_each(|at| content[at..at + 20].fill(b'?'));
    std::fs::write(folder.store(), content).unwrap();
    let (was_damaged, outbox) = opened().await;
    assert_eq!((was_damaged, outbox.last_statement(&event.subject).await), (true, said));
}

#[tokio::test]
async fn without_the_key_orders_wait() {
    let set = set(Options { key_variable: Some("MISSING"), ..Options::default() }).await;
    let item = StoredItem { id: String::new(), body: "an order that cannot be opened".into(), failures: 0, since: 0 };
    set.store.put(Queue::Orders, millis_of(set.stage.installation.clock.now()), item).await.unwrap();
    assert_eq!(set.carry_out().await, 1);
    assert_eq!(set.counts().await, StoreCounts { orders: 1, deliveries: 0, dead: 0 });
    let record = set.stage.last_record();
    assert_eq!(record["message"], serde_json::json!({ "id": "store-1", "received": 1, "reason": "keys_unavailable" }));
}
