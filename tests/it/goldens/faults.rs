//! Faults of the installation that ring an alarm: `tests/template/test_alarms.py` feeds their records to the filters of `template.yaml`.

use serde_json::{Value, json};

use super::doors::{Door, Request, event};
use super::golden;
use super::names::{fixed, sign};
use super::product::{Change, Effect, Fault, FaultAt, Mood, Setup, demo};
use super::walk::Walk;

const NOW: u64 = 1_795_176_000;
const DAY: u64 = 86_400;
const DOOR: [Door; 1] = [Door::HttpApi];

fn token(kind: &str, purpose: &str, more: Value) -> String {
    let mut claims = json!({
        "iat": NOW, "exp": NOW + 2 * DAY, "jti": fixed(2), "app": "mail-backup", "ten": demo::CONTOSO, "inv": null, "lbl": null, "ref": null,
        "bnd": null,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sign(kind, purpose, claims)
}

fn callback() -> Request {
    let ticket = token("ticket", "callback", json!({ "exp": NOW + 7_200 }));
    Request::get(&format!("/callback?admin_consent=True&tenant={}&state={ticket}", demo::CONTOSO))
}

fn order() -> String {
    let state = json!({
        "jti": fixed(3), "tkt": fixed(2), "clm": "success", "cod": null, "trc": null, "cor": null, "out": "pending", "cba": NOW, "bnd": "none",
        "late": false, "sgn": NOW, "stp": 0, "que": "sent", "att": 1, "due": NOW, "tel": null,
    });
    token("order", "worker", state)
}

#[tokio::test]
async fn settings_that_microsoft_refuses_keep_their_golden() {
    golden("faults/settings_refused", "by a ticket signed with the key of the tests", &DOOR, Setup::default, async |walk: &mut Walk| {
        let effect = Effect::Aadsts { code: 70011, status: None, error: None, granted: false };
        walk.product.change(Change::AddFault(Box::new(Fault::new(FaultAt::Token, effect))));
        walk.meanwhile("Microsoft refuses the scope of our request");
        walk.visit("a callback", callback()).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_nothing_takes_keeps_its_golden() {
    golden(
        "faults/event_lost",
        "by a ticket and an order signed with the key of the tests",
        &DOOR,
        Setup::default,
        async |walk: &mut Walk| {
            walk.product.outbox.set(Mood::Refuses, Mood::Refuses);
            walk.meanwhile("the queue and the event bus refuse");
            let answer = walk.visit("a callback", callback()).await;
            walk.result(&answer).await;
            walk.product.outbox.smuggle(&order());
            walk.work(60).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_worker_without_its_keys_keeps_its_golden() {
    let setup = || Setup { without_keys: true, ..Setup::default() };
    golden("faults/worker_without_keys", "by a key secret that cannot be read", &DOOR, setup, async |walk: &mut Walk| {
        walk.product.outbox.smuggle(&order());
        walk.work(0).await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_keeps_its_golden() {
    golden("faults/flood", "by an address that is easy to type", &DOOR, Setup::default, async |walk: &mut Walk| {
        let typed = event(Door::HttpApi, &Request::get("/callback?admin_consent=True")).to_string();
        for _ in 0..30 {
            walk.product.callback(typed.as_bytes()).await;
        }
        walk.put("thirty callbacks without a ticket, in one minute", json!({}), "");
    })
    .await;
}
