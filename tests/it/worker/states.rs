//! An event reports the current state. An address may contain an older state, because another address, the worker or a person in the portal
//! may have changed the state since.

use std::collections::BTreeSet;
use std::sync::Arc;

use entra_consent::approval::follow_up::{Delivery, Handled, carry_out};
use entra_consent::serve::store::{OrderWorker, Store, StoreOutbox};
use entra_sandbox::{Change, PermissionSet, demo};
use serde_json::Value;

use super::super::support::outbox::Mood;
use super::super::support::stage::{Options, Stage};
use super::{of_kind, stage};

const SPAN: u64 = 20 * 60;
const NEXT_CHECK: u64 = 31;

fn delete(stage: &Stage) {
    stage.change(Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("none").to_owned()
}

/// For each event, the previous outcome and the new outcome.
fn said(stage: &Stage) -> Vec<(String, String)> {
    stage.outbox.events().iter().map(|event| (text(&event["outcome"]["before"]), text(&event["outcome"]["after"]))).collect()
}

fn words(stage: &Stage) -> Vec<String> {
    said(stage).into_iter().map(|(_, after)| after).collect()
}

fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| text(&event["id"])).collect()
}

/// Asserts that every event has a record and an id of its own, and is newer than the event before.
fn assert_exact(stage: &Stage, count: usize) {
    let events = stage.outbox.events();
    assert_eq!((events.len(), ids(&events).len()), (count, count), "{events:?}");
    let recorded: BTreeSet<_> =
        ["concluded", "settled"].into_iter().flat_map(|kind| of_kind(stage, kind)).map(|record| text(&record["transition"])).collect();
    assert!(ids(&events).is_subset(&recorded));
    let as_of: Vec<_> = events.iter().map(|event| text(&event["as_of"])).collect();
    assert!(as_of.is_sorted(), "{as_of:?}");
}

async fn granted(stage: &Stage) -> String {
    stage.outbox.set_receiver();
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    page.url
}

#[tokio::test]
async fn an_old_address_states_what_a_newer_check_shows() {
    let stage = stage().await;
    let address = granted(&stage).await;
    for _ in 0..2 {
        delete(&stage);
        stage.advance(SPAN);
        assert_eq!(stage.open(&address).await.outcome(), "revoked");
        stage.grant(demo::CONTOSO, demo::APP);
        stage.advance(NEXT_CHECK);
        let page = stage.open(&address).await;
        assert_eq!((page.outcome().as_str(), &stage.json(&page.url).await["operator_informed"]), ("granted", &true.into()));
    }
    assert_eq!(words(&stage), ["granted", "revoked", "granted", "revoked", "granted"]);
    assert_exact(&stage, 5);
}

#[tokio::test]
async fn an_event_of_an_earlier_approval_informs_of_nothing() {
    let stage = stage().await;
    let address = granted(&stage).await;
    assert_eq!(stage.json(&address).await["operator_informed"], true);
    delete(&stage);
    stage.advance(SPAN);
    assert_eq!(stage.open(&address).await.outcome(), "revoked");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let json = stage.json(&address).await;
    assert_eq!((&json["outcome"], &json["operator_informed"]), (&"granted".into(), &false.into()), "the bus refused this one");
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(5).await;
    assert_eq!(words(&stage), ["granted", "revoked", "granted"], "the worker sent it");
    assert_exact(&stage, 3);
}

#[tokio::test]
async fn a_visit_states_its_check_after_the_worker_stated_more() {
    let stage = stage().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(300).await;
    assert_eq!(words(&stage), ["pending", "granted"]);
    delete(&stage);
    stage.advance(SPAN);
    assert_eq!(stage.open(&page.url).await.outcome(), "pending", "this address never saw an approval");
    assert_eq!(said(&stage)[2], ("none".into(), "pending".into()), "nobody here knows what was said last");
    assert_exact(&stage, 3);
}

#[tokio::test]
async fn a_state_is_said_once_in_20_minutes_for_all_addresses() {
    let stage = stage().await;
    let first = granted(&stage).await;
    stage.advance(NEXT_CHECK);
    let second = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await.url;
    let before = stage.outbox.events().len();
    stage.advance(SPAN);
    for _ in 0..3 {
        for address in [&first, &second] {
            assert_eq!(stage.open(address).await.outcome(), "granted");
            stage.advance(NEXT_CHECK);
        }
    }
    assert_eq!(stage.outbox.events().len(), before + 1);
    assert_eq!(of_kind(&stage, "concluded").len(), 4, "two claims, and one check of each ticket");
    stage.advance(SPAN);
    stage.open(&first).await;
    assert_exact(&stage, before + 2);
}

#[tokio::test]
async fn the_worker_states_what_it_sees_after_20_minutes() {
    let stage = stage().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.work(SPAN).await;
    stage.grant(demo::CONTOSO, demo::APP);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
    delete(&stage);
    stage.work(90 * 60).await;
    let said = words(&stage);
    assert_eq!(said, ["pending", "granted", "pending", "pending"], "its order remembers pending, but granted was said last");
    assert_exact(&stage, 4);
}

#[tokio::test]
async fn a_check_without_an_answer_states_nothing() {
    use entra_sandbox::{Effect, Fault, FaultAt};
    let stage = stage().await;
    let address = granted(&stage).await;
    stage.advance(SPAN);
    for at in [FaultAt::Token, FaultAt::Batch] {
        stage.control.fault(Fault::new(at, Effect::Status { status: 503, code: None, retry_after: None })).unwrap();
    }
    let json = stage.json(&address).await;
    assert_eq!((&json["outcome"], &json["operator_informed"]), (&"unavailable".into(), &false.into()));
    assert_exact(&stage, 1);
}

#[tokio::test]
async fn a_redelivered_order_repeats_its_statement() {
    let stage = stage().await;
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.work(SPAN).await;
    let message = stage.outbox.take_next().unwrap();
    stage.advance(u64::try_from(message.due - stage.clock.unix_seconds()).unwrap());
    stage.grant(demo::CONTOSO, demo::APP);
    for process in [&stage.installation, &stage.worker] {
        let delivery = Delivery { id: &message.id, body: &message.body, received: 1, receipt: None };
        assert_eq!(carry_out(process, delivery).await, Handled::Done);
    }
    let events = stage.outbox.events();
    assert_eq!((words(&stage), ids(&events).len()), (["pending", "granted", "granted"].map(String::from).to_vec(), 2));
}

#[tokio::test]
async fn presses_share_a_transition_within_20_minutes() {
    let stage = stage().await;
    let address = stage.invite("mail-backup", demo::CONTOSO).await;
    for wait in [0, SPAN / 2, SPAN] {
        stage.advance(wait);
        let pressed = stage.http.post(&address).send().await.unwrap();
        let link = pressed.headers()["location"].to_str().unwrap().parse().unwrap();
        stage.claim(&super::super::support::stage::ticket_of(&link), "error=access_denied&error_subcode=cancel").await;
    }
    let concluded: Vec<_> = of_kind(&stage, "concluded").iter().map(|record| text(&record["transition"])).collect();
    assert_eq!(concluded.len(), 3, "each claim has its record");
    assert_eq!((concluded[0] == concluded[1], concluded[1] == concluded[2]), (true, false));
    assert_eq!(ids(&stage.outbox.events()).len(), 2);
}

#[tokio::test]
async fn a_json_answer_carries_the_renewed_address() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let callback = format!("{}/callback?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::CONTOSO);
    let address = text(&stage.json(&callback).await["address"]);
    assert_eq!(stage.json(&address).await["outcome"], "pending");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    let json = stage.json(&address).await;
    assert_eq!(json["outcome"], "granted");
    let renewed = text(&json["address"]);
    assert!(renewed.starts_with(&format!("{}/r/", stage.base)) && renewed != address, "{renewed}");
    delete(&stage);
    stage.advance(SPAN);
    assert_eq!(stage.json(&renewed).await["outcome"], "revoked", "it remembers the approval");
}

/// A stage whose outbox is the store of `serve`, with its worker.
async fn of_serve() -> (Stage, OrderWorker, Store) {
    let store = Store::in_memory().unwrap();
    let kept = store.clone();
    let more = "[store]\npath = \"unused\"\n[webhook]\nurl = \"https://hook.example/\"\nsecret = { env = \"APP_SECRET\" }".into();
    let outbox: super::super::support::stage::MakeOutbox = Box::new(move |clock| Arc::new(StoreOutbox::new(kept, clock, true)));
    let stage = Stage::with(Options { more, outbox: Some(outbox), ..Options::default() }).await;
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    (stage, worker, store)
}

/// For each stored event, the previous outcome and the new outcome. Asserts that each has an id of its own.
async fn stored(store: &Store) -> Vec<(String, String)> {
    use entra_consent::serve::store::Queue;
    let items = store.due(Queue::Deliveries, u64::MAX, 100).await.unwrap();
    let mut events: Vec<Value> = items.iter().map(|(_, item)| serde_json::from_str::<Value>(&item.body).unwrap()["data"].take()).collect();
    events.retain(|event| event["counted"] != true);
    assert_eq!(ids(&events).len(), events.len(), "{events:?}");
    events.iter().map(|event| (text(&event["outcome"]["before"]), text(&event["outcome"]["after"]))).collect()
}

fn way(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(before, after)| ((*before).to_owned(), (*after).to_owned())).collect()
}

#[tokio::test]
async fn serve_holds_an_old_address_against_the_last_statement() {
    let (stage, _, store) = of_serve().await;
    let address = granted(&stage).await;
    for _ in 0..2 {
        delete(&stage);
        stage.advance(SPAN);
        assert_eq!(stage.open(&address).await.outcome(), "revoked");
        stage.advance(NEXT_CHECK);
        assert_eq!(stage.open(&address).await.outcome(), "revoked");
        stage.grant(demo::CONTOSO, demo::APP);
        stage.advance(NEXT_CHECK);
        assert_eq!(stage.open(&address).await.outcome(), "granted");
        stage.advance(2 * SPAN);
        assert_eq!(stage.open(&address).await.outcome(), "granted");
    }
    let turns = [("none", "granted"), ("granted", "revoked"), ("revoked", "granted"), ("granted", "revoked"), ("revoked", "granted")];
    assert_eq!(stored(&store).await, way(&turns));
    assert_eq!(of_kind(&stage, "concluded").len(), 5, "what was said already leaves no record");
}

#[tokio::test]
async fn serve_says_revoked_after_its_worker_said_granted() {
    let (stage, worker, store) = of_serve().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(60);
    while worker.step().await.unwrap() > 0 {}
    delete(&stage);
    stage.advance(SPAN);
    assert_eq!(stage.open(&page.url).await.outcome(), "revoked", "the store knows that an approval was seen");
    assert_eq!(stored(&store).await, way(&[("none", "pending"), ("pending", "granted"), ("granted", "revoked")]));
}

#[tokio::test]
async fn two_claims_in_turn_make_serve_say_no_more() {
    let (stage, _, store) = of_serve().await;
    let link = stage.ticket(demo::CONTOSO).await;
    let claimed = stage.claim_success(&link, demo::CONTOSO).await;
    stage.advance(NEXT_CHECK);
    let cancelled = stage.claim(&link, "error=access_denied&error_subcode=cancel").await;
    assert_eq!((claimed.outcome().as_str(), cancelled.outcome().as_str()), ("pending", "declined"));
    for _ in 0..5 {
        for page in [&claimed, &cancelled] {
            stage.advance(NEXT_CHECK);
            assert_eq!(stage.open(&page.url).await.outcome(), page.outcome());
        }
        stage.claim(&link, "error=access_denied&error_subcode=cancel").await;
        stage.claim_success(&link, demo::CONTOSO).await;
    }
    assert_eq!(stored(&store).await, way(&[("none", "pending"), ("none", "declined")]));
}

#[tokio::test]
async fn serve_repeats_nothing_for_a_second_link() {
    let (stage, worker, store) = of_serve().await;
    stage.grant(demo::CONTOSO, demo::APP);
    for _ in 0..2 {
        stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
        stage.advance(SPAN);
        while worker.step().await.unwrap() > 0 {}
    }
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    delete(&stage);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(stored(&store).await, way(&[("none", "granted"), ("granted", "granted_in_part")]));
    assert_eq!(of_kind(&stage, "concluded").len(), 3, "each claim has its record");
}

#[tokio::test]
async fn a_statement_before_a_claim_concludes_nothing_for_it() {
    const CANCEL: &str = "error=access_denied&error_subcode=cancel";
    let (stage, worker, _) = of_serve().await;
    let link = stage.ticket(demo::CONTOSO).await;
    assert_eq!(stage.claim(&link, CANCEL).await.outcome(), "declined");
    stage.advance(NEXT_CHECK);
    stage.grant(demo::CONTOSO, demo::APP);
    assert_eq!(stage.claim_success(&link, demo::CONTOSO).await.outcome(), "granted");
    delete(&stage);
    stage.advance(NEXT_CHECK);
    let before = of_kind(&stage, "concluded").len();
    let page = stage.claim(&link, CANCEL).await;
    for _ in 0..3 {
        assert_eq!(stage.open(&page.url).await.outcome(), "declined");
        stage.advance(NEXT_CHECK);
        while worker.step().await.unwrap() > 0 {}
    }
    for record in &of_kind(&stage, "concluded")[before..] {
        let (outcome, verdict) = (text(&record["outcome"]["after"]), text(&record["finding"]["verdict"]));
        assert!(outcome != "granted" || verdict == "all_required", "{record}");
    }
}
