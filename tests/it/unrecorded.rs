//! If a record cannot be written, no front door performs the action or shows a result (law 2).

use entra_consent::expiry;
use entra_sandbox::{Change, PermissionSet, demo};
use reqwest::StatusCode;
use serde_json::Value;

use super::support::stage::{Options, Page, Stage};

async fn stage() -> Stage {
    Stage::with(Options { queue: true, ..Options::default() }).await
}

/// Asserts that the answer only asks the browser to reload.
fn assert_unsaid(page: &Page, what: &str) {
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"), "{what}");
    assert!(page.header("retry-after").is_some() && page.header("set-cookie").is_none() && page.header("location").is_none(), "{what}");
}

async fn press(stage: &Stage, address: &str) -> Page {
    stage.read(stage.http.post(address).send().await.unwrap()).await
}

#[tokio::test]
async fn an_unrecorded_visit_has_no_effect_and_shows_nothing() {
    let stage = stage().await;
    let (ticket, invitation) = (stage.ticket(demo::CONTOSO).await, stage.invite("mail-backup", demo::CONTOSO).await);
    let callback = format!("{}/callback", stage.base);
    stage.leave_room_for(0);
    for path in ["", "?admin_consent=True", "?admin_consent=True&state=x.y.z", "?tenant=none&state=x.y.z"] {
        assert_unsaid(&stage.get(&format!("{callback}{path}")).await, path);
    }
    assert_unsaid(&stage.get(&format!("{callback}?admin_consent=True&state={ticket}")).await, "a genuine ticket");
    assert_unsaid(&stage.get(&format!("{}/r/x.y.z", stage.base)).await, "a damaged receipt");
    assert_unsaid(&stage.get(&invitation).await, "an invitation");
    assert_unsaid(&press(&stage, &invitation).await, "its button");
    stage.advance(40 * 86_400);
    assert_unsaid(&stage.get(&format!("{callback}?admin_consent=True&state={ticket}")).await, "a ticket past its end");
    assert_eq!((stage.control.upstream_calls(), stage.outbox.sent(), stage.outbox.events().len()), (0, 0, 0));
}

#[tokio::test]
async fn an_unrecorded_conclusion_is_never_published() {
    let stage = stage().await;
    let (ticket, invitation) = (stage.ticket(demo::CONTOSO).await, stage.invite("mail-backup", demo::CONTOSO).await);
    let receipt = stage.claim_success(&ticket, demo::CONTOSO).await.url;
    let told = (stage.outbox.sent(), stage.outbox.events().len());
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    stage.leave_room_for(0);
    assert_unsaid(&stage.get(&receipt).await, "a receipt that would show a change");
    // The recorder has space for one more record: that of the button press or of the callback, but not that of the outcome.
    stage.leave_room_for(1);
    assert_unsaid(&press(&stage, &invitation).await, "what is approved already");
    stage.leave_room_for(1);
    assert_unsaid(&stage.get(&format!("{}/callback?admin_consent=True&state={ticket}", stage.base)).await, "a callback");
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), told);
}

#[tokio::test]
async fn what_became_of_order_and_event_is_recorded_or_the_visit_is_to_be_repeated() {
    let stage = stage().await;
    let callback = format!("{}/callback?admin_consent=True&state={}", stage.base, stage.ticket(demo::CONTOSO).await);
    stage.leave_room_for(2);
    assert_unsaid(&stage.get(&callback).await, "claimed and concluded have lines, dispatched has none");
    stage.leave_room_for(9);
    assert_eq!(stage.open(&callback).await.outcome(), "pending");
}

#[tokio::test]
async fn an_unrecordable_order_is_redelivered_and_then_recorded() {
    let stage = stage().await;
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.leave_room_for(0);
    stage.work(60).await;
    assert_eq!((stage.outbox.events().len(), stage.outbox.waiting().len()), (1, 1), "no event without a record; the order stays queued");
    stage.leave_room_for(9);
    stage.work(300).await;
    let concluded: Vec<_> = stage.records().into_iter().filter(|record| record["event"] == "concluded").collect();
    let told: Vec<_> = concluded.iter().map(|record| (&record["outcome"]["before"], &record["outcome"]["after"])).collect();
    assert_eq!(told, [(&Value::Null, &"pending".into()), (&"pending".into(), &"granted_in_part".into())]);
    assert_eq!(stage.outbox.events()[1]["id"], concluded[1]["transition"]);
}

#[tokio::test]
async fn a_warning_that_cannot_be_recorded_fails_and_is_said_at_the_next_call() {
    let apps = "[[apps]]\nid = \"mail-backup\"\nclient_id = \"0a1b0000-0000-4000-8000-0000000000a1\"\nname = \"Northwind Mail Backup\"\n\
                cloud = \"sandbox\"\ncredential = { client_secret = { env = \"APP_SECRET\" }, expires = 2026-11-30 }\n\
                [apps.permissions.\"Microsoft Graph\"]\napplication = { required = [\"Mail.Read\"] }\n";
    let stage = Stage::with(Options { apps: Some(apps.into()), ..Options::default() }).await;
    let ample = std::time::Duration::from_secs(60);
    stage.leave_room_for(0);
    assert_eq!(expiry::warn(&stage.installation, ample).await.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    stage.leave_room_for(9);
    expiry::warn(&stage.installation, ample).await.unwrap();
    assert_eq!(stage.last_record()["event"], "expiring");
}
