//! The steps of the worker: each order as the queue delivers it, and everything that leaves the worker.

use serde_json::{Value, json};

use super::doors::{Door, Request};
use super::golden;
use super::names::{fixed, sign};
use super::product::{Change, Effect, Fault, FaultAt, Mood, PermissionSet, RetryAfter, Setup, apps, demo};
use super::walk::Walk;

const NOW: u64 = 1_795_176_000;
const DAY: u64 = 86_400;
const DOOR: [Door; 1] = [Door::HttpApi];
const SIGNED: &str = "by an order signed with the key of the tests";
const CLAIMED: &str = "by a callback whose ticket was signed with the key of the tests, then by the worker";

/// An order as the callback signs it, with some claims changed.
fn order(changed: Value) -> String {
    let mut claims = json!({
        "iat": NOW, "exp": NOW + 2 * DAY, "jti": fixed(3), "tkt": fixed(2), "app": "mail-backup", "ten": demo::CONTOSO, "inv": null,
        "lbl": "Contoso GmbH", "ref": "T-4711", "clm": "success", "cod": null, "trc": null, "cor": null, "out": "pending", "cba": NOW,
        "bnd": "none", "late": false, "sgn": NOW, "stp": 0, "que": "sent", "att": 1, "due": NOW, "tel": null,
    });
    claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    sign("order", "worker", claims)
}

fn ticket(app: &str) -> String {
    let claims = json!({
        "iat": NOW, "exp": NOW + 7_200, "jti": fixed(2), "app": app, "ten": demo::CONTOSO, "inv": null, "lbl": "Contoso GmbH", "ref": "T-4711",
        "bnd": null,
    });
    sign("ticket", "callback", claims)
}

async fn claim(walk: &mut Walk, app: &str) {
    let callback = format!("/callback?admin_consent=True&tenant={}&state={}", demo::CONTOSO, ticket(app));
    walk.visit("a callback", Request::get(&callback)).await;
}

fn change(walk: &mut Walk, what: &str, change: Change) {
    walk.product.change(change);
    walk.meanwhile(what);
}

fn granted(permissions: Option<&[&str]>) -> Change {
    let permissions = permissions.map(|permissions| vec![PermissionSet::graph(permissions, &[])]);
    Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions }
}

#[tokio::test]
async fn an_approval_seen_later_keeps_its_golden() {
    golden("worker/seen_later", CLAIMED, &DOOR, Setup::default, async |walk: &mut Walk| {
        claim(walk, "mail-backup").await;
        walk.work(10).await;
        change(walk, "the app is approved", granted(None));
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_approval_never_seen_keeps_its_golden() {
    golden("worker/never_seen", CLAIMED, &DOOR, Setup::default, async |walk: &mut Walk| {
        claim(walk, "mail-backup").await;
        walk.work(2 * DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_app_verified_in_the_worker_keeps_its_golden() {
    let queue = "[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/orders\"\n";
    let in_worker = || apps().replacen("cloud = \"sandbox\"", "cloud = \"sandbox\"\nverify_in = \"worker\"", 1);
    let setup = || Setup { apps: Some(in_worker()), more: queue.into(), ..Setup::default() };
    golden("worker/verified_in_worker", CLAIMED, &DOOR, setup, async |walk: &mut Walk| {
        change(walk, "the app is approved", granted(None));
        claim(walk, "mail-backup").await;
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_approval_withdrawn_keeps_its_golden() {
    golden("worker/revoked", SIGNED, &DOOR, Setup::default, async |walk: &mut Walk| {
        change(walk, "the app is approved in part", granted(Some(&["Mail.Read"])));
        walk.product.outbox.smuggle(&order(json!({})));
        walk.work(60).await;
        change(walk, "the approval is withdrawn", Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_approval_reduced_and_enlarged_keeps_its_golden() {
    golden("worker/reduced_and_enlarged", SIGNED, &DOOR, Setup::default, async |walk: &mut Walk| {
        change(walk, "more is approved than is asked for", granted(Some(&["Mail.Read", "User.Read.All", "Sites.Read.All"])));
        walk.product.outbox.smuggle(&order(json!({})));
        walk.work(60).await;
        change(walk, "less is approved", granted(Some(&["Mail.Read", "Sites.Read.All"])));
        walk.work(2 * DAY).await;
        change(walk, "more again", granted(Some(&["Mail.Read", "User.Read.All", "Sites.Read.All"])));
        let late = json!({ "jti": fixed(6), "out": "granted", "iat": NOW + DAY, "exp": NOW + 4 * DAY, "due": NOW + DAY });
        walk.product.outbox.smuggle(&order(late));
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn a_throttled_look_keeps_its_golden() {
    golden("worker/throttled", SIGNED, &DOOR, Setup::default, async |walk: &mut Walk| {
        let effect = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Text("40".into())) };
        let fault = Fault::new(FaultAt::Token, effect).for_seconds(70);
        change(walk, "Microsoft throttles for 70 s", Change::AddFault(Box::new(fault)));
        change(walk, "the app is approved", granted(None));
        walk.product.outbox.smuggle(&order(json!({})));
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_keeps_its_golden() {
    golden("worker/event_refused", CLAIMED, &DOOR, Setup::default, async |walk: &mut Walk| {
        change(walk, "the app is approved", granted(None));
        walk.product.outbox.set(Mood::Takes, Mood::Refuses);
        walk.meanwhile("the event bus refuses");
        claim(walk, "mail-backup").await;
        walk.work(60).await;
        walk.product.outbox.set(Mood::Takes, Mood::Takes);
        walk.meanwhile("the event bus takes events again");
        walk.work(DAY).await;
    })
    .await;
}

#[tokio::test]
async fn an_order_that_the_queue_refuses_keeps_its_golden() {
    golden("worker/order_refused", CLAIMED, &DOOR, Setup::default, async |walk: &mut Walk| {
        walk.product.outbox.set(Mood::Refuses, Mood::Takes);
        walk.meanwhile("the queue refuses");
        let callback = format!("/callback?admin_consent=True&tenant={}&state={}", demo::CONTOSO, ticket("mail-backup"));
        let answer = walk.visit("a callback", Request::get(&callback)).await;
        walk.result(&answer).await;
        walk.product.outbox.set(Mood::Takes, Mood::Takes);
        walk.meanwhile("the queue takes orders again");
        walk.advance(31);
        walk.again(answer.location()).await;
    })
    .await;
}

#[tokio::test]
async fn orders_that_come_to_nothing_keep_their_golden() {
    let setup = || Setup { more: format!("[links]\nrevoked = [\"{}\"]\n", fixed(7)), ..Setup::default() };
    golden("worker/refused", SIGNED, &DOOR, setup, async |walk: &mut Walk| {
        let genuine = order(json!({}));
        for body in [
            "poison".to_owned(),
            format!("{genuine}x"),
            ticket("mail-backup"),
            order(json!({ "iat": NOW - 3 * DAY, "exp": NOW - DAY })),
            order(json!({ "tkt": fixed(7) })),
            order(json!({ "app": "given-up" })),
            order(json!({ "ten": "any", "out": "awaiting_confirmation" })),
            order(json!({ "tkt": fixed(7), "out": "granted", "tel": { "bef": null, "at": NOW } })),
            order(json!({ "jti": fixed(8), "due": NOW + 3_600 })),
            genuine,
        ] {
            walk.product.outbox.smuggle(&body);
        }
        walk.work(0).await;
        walk.work(20 * 60).await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_and_what_is_no_batch_keep_their_golden() {
    golden("worker/events", SIGNED, &DOOR, Setup::default, async |walk: &mut Walk| {
        change(walk, "the app is approved", granted(None));
        let message = |id: &str, body: &Value| {
            json!({ "messageId": id, "body": body, "attributes": { "ApproximateReceiveCount": "2" }, "eventSource": "aws:sqs" })
        };
        let records = [
            message("good", &json!(order(json!({})))),
            message("poison", &json!("poison")),
            message("number", &json!(7)),
            message("", &json!("poison without an id")),
            json!("no message"),
        ];
        walk.invoke_worker("a batch of which parts fail", json!("five messages"), json!({ "Records": records })).await;
        for event in [json!({ "task": "daily" }), json!({ "task": "hourly" }), json!({}), json!([])] {
            walk.invoke_worker("another event", event.clone(), event).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_credential_that_ends_keeps_its_golden() {
    let ends = |at: &str| apps().replace("{ env = \"APP_SECRET\" }", &format!("{{ env = \"APP_SECRET\" }}, expires = \"{at}\""));
    let setup = || Setup { apps: Some(ends("2026-12-01T00:00:00Z")), ..Setup::default() };
    golden("worker/credential_ends", "by the daily schedule", &DOOR, setup, async |walk: &mut Walk| {
        for wait in [0, DAY, 12 * DAY] {
            walk.advance(wait);
            walk.invoke_worker("the schedule", json!("daily"), json!({ "task": "daily" })).await;
        }
    })
    .await;
}
