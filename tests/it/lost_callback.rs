//! The callback of an approval never arrives: one check after the press of the button finds what Microsoft shows, and is the only one.

use std::sync::Arc;

use entra_consent::consent::{ExpectedTenant, ProfileId};
use entra_consent::serve::store::{OrderWorker, Queue};
use entra_consent::token::Subject;
use entra_sandbox::{Change, Effect, Fault, FaultAt, PermissionSet, demo};
use serde_json::Value;

use super::one_link::{stage_of_serve, stored};
use super::support::outbox::Mood;
use super::support::stage::{Options, Stage, ticket_of};

async fn stage() -> Stage {
    Stage::with(Options { queue: true, ..Options::default() }).await
}

/// Presses the button, which leads to Microsoft, and returns the ticket.
async fn press(stage: &Stage, invitation: &str) -> String {
    let page = stage.read(stage.http.post(invitation).send().await.unwrap()).await;
    let address = page.header("location").unwrap();
    assert!(address.starts_with(&stage.microsoft), "{address}");
    ticket_of(&address.parse().unwrap())
}

fn of_kind(records: Vec<Value>, event: &str) -> Vec<Value> {
    records.into_iter().filter(|record| record["event"] == event).collect()
}

#[tokio::test]
async fn an_approval_without_a_callback_is_found_in_10_minutes() {
    let stage = stage().await;
    press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(599).await;
    assert!(stage.outbox.events().is_empty());
    stage.work(61).await;
    let (events, concluded) = (stage.outbox.events(), of_kind(stage.records(), "concluded"));
    assert_eq!((events.len(), concluded.len()), (1, 1));
    assert_eq!((&events[0]["outcome"]["after"], &concluded[0]["outcome"]["after"]), (&"granted".into(), &"granted".into()));
    assert_eq!((&events[0]["id"], &events[0]["basis"]), (&concluded[0]["transition"], &"finding".into()));
    assert_eq!((events[0]["provisional"].as_bool(), concluded[0]["claim"]["kind"].as_str()), (Some(false), Some("silent")));
    assert_eq!((stage.outbox.sent(), stage.outbox.waiting().len()), (1, 0), "no chain");
}

#[tokio::test]
async fn a_callback_and_the_check_after_its_press_share_an_event() {
    let stage = stage().await;
    let ticket = press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.claim_success(&ticket, demo::CONTOSO).await;
    stage.work(1_800).await;
    let mut ids: Vec<_> = stage.outbox.events().into_iter().map(|event| event["id"].clone()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(of_kind(stage.records(), "concluded").iter().all(|record| record["transition"] == ids[0]));
}

#[tokio::test]
async fn an_approval_that_never_comes_leaves_one_order_and_no_more() {
    let stage = stage().await;
    press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    let before = stage.records().len();
    stage.work(2 * 86_400).await;
    assert_eq!((stage.outbox.sent(), stage.outbox.waiting().len(), stage.outbox.events().len()), (1, 0, 0));
    assert_eq!(stage.records().len(), before);
}

#[tokio::test]
async fn a_thousand_presses_within_20_minutes_send_one_order() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for _ in 0..1_000 {
        press(&stage, &invitation).await;
    }
    assert_eq!(stage.outbox.sent(), 1);
    stage.advance(1_200);
    press(&stage, &invitation).await;
    press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    assert_eq!(stage.outbox.sent(), 3, "the next span, and another invitation");
}

#[tokio::test]
async fn a_press_for_any_tenant_sends_no_order() {
    let stage = stage().await;
    let subject = Subject::App(ProfileId::parse("mail-backup").unwrap());
    let life = stage.installation.config.links.invitation;
    let invitation = stage.installation.invitation(subject, ExpectedTenant::Any, None, None, life).await.unwrap().1;
    press(&stage, &invitation).await;
    assert_eq!(stage.outbox.sent(), 0);
}

#[tokio::test]
async fn the_button_leads_to_microsoft_without_its_order() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for mood in [Mood::Refuses, Mood::Hangs] {
        stage.outbox.set(mood, Mood::Takes);
        press(&stage, &invitation).await;
    }
    stage.outbox.set(Mood::Takes, Mood::Takes);
    press(&stage, &invitation).await;
    assert_eq!(stage.outbox.sent(), 1, "the next press sends what was refused");
}

#[tokio::test]
async fn serve_finds_an_approval_without_a_callback() {
    let (stage, store) = stage_of_serve().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for _ in 0..50 {
        press(&stage, &invitation).await;
    }
    let orders = async || store.due(Queue::Orders, u64::MAX, 100).await.unwrap().len();
    assert_eq!(orders().await, 1);
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(660);
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    while worker.step().await.unwrap() > 0 {}
    let (events, concluded) = (stored(&store).await, of_kind(stage.records(), "concluded"));
    assert_eq!((events.len(), &events[0]["outcome"]["after"], orders().await), (1, &"granted".into(), 0));
    assert_eq!((concluded.len(), &concluded[0]["transition"]), (1, &events[0]["id"]));
}

#[tokio::test]
async fn serve_says_once_what_callback_and_check_found() {
    let (stage, store) = stage_of_serve().await;
    let ticket = press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.claim_success(&ticket, demo::CONTOSO).await;
    stage.advance(660);
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    while worker.step().await.unwrap() > 0 {}
    assert_eq!((stored(&store).await.len(), of_kind(stage.records(), "concluded").len()), (1, 1));
}

#[tokio::test]
async fn half_an_approval_without_a_callback_is_published_as_final() {
    let stage = stage().await;
    press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.work(86_400).await;
    let events = stage.outbox.events();
    let published: Vec<_> = events.iter().map(|event| (&event["outcome"]["after"], &event["provisional"])).collect();
    assert_eq!(published, [(&"granted_in_part".into(), &false.into())]);
    assert_eq!(stage.outbox.sent(), 1, "no chain");
}

#[tokio::test]
async fn a_check_after_a_press_without_an_answer_leaves_nothing() {
    let stage = stage().await;
    press(&stage, &stage.invite("mail-backup", demo::CONTOSO).await).await;
    let before = stage.records().len();
    for at in [FaultAt::Token, FaultAt::Batch] {
        stage.control.fault(Fault::new(at, Effect::Status { status: 503, code: None, retry_after: None })).unwrap();
    }
    stage.work(86_400).await;
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len(), stage.records().len()), (1, 0, before));
}
