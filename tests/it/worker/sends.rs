//! Messages that the function sends together with the answer: one order and one event, within 300 ms. The record contains the results of
//! both.

use entra_consent::approval::follow_up::{Delivery, carry_out};
use entra_consent::consent::{ApprovalState, ExpectedTenant, Outcome, Queued};
use entra_consent::token::{Order, Ticket};
use entra_sandbox::{Change, ClientSecret, Effect, Fault, FaultAt, Kind, PermissionSet, UserRole, demo};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::support::northwind::{APP_SECRET, APPLE_AND_CHAIN, BY_ITSELF, DIRECTORY_AND_REQUESTS, mail_backup, reader};
use super::super::support::order::order_of;
use super::super::support::outbox::Mood;
use super::super::support::stage::{Options, READER, SIGN_IN, Stage, ticket_of};
use super::{of_kind, stage, transitions};
use crate::support::same_id;

/// The results of order and event, from each record that has them.
fn sends(stage: &Stage) -> Vec<(Value, Value)> {
    of_kind(stage, "dispatched").into_iter().map(|record| (record["sends"]["order"].clone(), record["sends"]["event"].clone())).collect()
}

fn fate(order: &str, event: &str) -> (Value, Value) {
    (order.into(), event.into())
}

#[tokio::test]
async fn a_provisional_outcome_is_queued_published_and_explained() {
    let stage = stage().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "pending");
    assert!(page.text().contains("You can close this page. We keep checking."), "{}", page.text());
    let events: Vec<_> = stage.records().into_iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events, ["claimed", "concluded", "dispatched"], "a record before the sends, and one with their results after");
    assert_eq!(sends(&stage), [fate("sent", "sent")]);
    assert_eq!(stage.outbox.waiting().len(), 1);
    let [event] = &stage.outbox.events()[..] else { panic!("one event") };
    let concluded = &of_kind(&stage, "concluded")[0];
    assert_eq!(event["id"], concluded["transition"]);
    assert_eq!(event["subject"], format!("{}/{}", demo::CONTOSO, demo::APP));
    assert_eq!(event["outcome"], json!({ "before": null, "after": "pending" }));
    assert_eq!((&event["severity"], &event["provisional"]), (&"update".into(), &true.into()));
    assert_eq!((&event["label"], &event["reference"]), (&"Contoso GmbH".into(), &"T-4711".into()));
    assert_eq!((&event["correlation"]["ticket"], &event["correlation"]["request"]), (&concluded["ticket"], &concluded["request"]));
}

#[tokio::test]
async fn a_final_outcome_is_published_and_not_queued() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    assert_eq!(sends(&stage), [fate("none", "sent")]);
    assert_eq!((stage.outbox.sent(), stage.outbox.events()[0]["severity"].as_str()), (0, Some("close")));
    let other = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::FABRIKAM).await;
    assert_eq!(other.outcome(), "wrong_tenant");
    assert_eq!(transitions(&stage.outbox.events())[1], (Value::Null, "wrong_tenant".into()));
    assert_eq!(stage.outbox.sent(), 0);
}

#[tokio::test]
async fn the_operator_is_informed_only_where_someone_receives() {
    for (receives, bus, informed) in [(false, Mood::Takes, false), (true, Mood::Takes, true), (true, Mood::Refuses, false)] {
        let stage = stage().await;
        stage.grant(demo::CONTOSO, demo::APP);
        stage.outbox.set(Mood::Takes, bus);
        if receives {
            stage.outbox.set_receiver();
        }
        let said = if informed { "Northwind Managed Services has been informed." } else { "can see this in its records." };
        let ticket = stage.ticket(demo::CONTOSO).await;
        let callback = format!("{}/callback?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::CONTOSO);
        assert_eq!(stage.json(&callback).await["operator_informed"], informed, "{receives} {bus:?}");
        // The same transition happens again. Either its event was sent before, or the worker sends it.
        let page = stage.open(&callback).await;
        for page in [stage.open(&page.url).await, page] {
            assert_eq!(page.outcome(), "granted");
            assert!(
                page.text()
                    .ends_with(&format!("You can close this page. {}", said.replace("can see", "Northwind Managed Services can see"))),
                "{}",
                page.text()
            );
            assert_eq!(stage.json(&page.url).await["operator_informed"], informed, "{receives} {bus:?}");
        }
    }
}

#[tokio::test]
async fn what_the_worker_published_informs_on_a_later_visit() {
    let stage = stage().await;
    stage.outbox.set_receiver();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(stage.json(&page.url).await["operator_informed"], false, "another check is scheduled");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(120).await;
    let later = stage.open(&page.url).await;
    assert!(later.text().contains("Northwind Managed Services has been informed."), "{}", later.text());
    let ids: std::collections::BTreeSet<_> = stage.outbox.events().iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 2, "one transition has one ID, from every sender");
}

#[tokio::test]
async fn an_event_names_what_is_too_much_the_forbidden_ones_too() {
    let stage = stage().await;
    let more = Some(vec![PermissionSet::graph(&["Mail.Read", "User.Read.All", "Mail.ReadWrite", "Mail.Send"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: more });
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted_in_excess");
    let mut named: Vec<_> = stage.outbox.events()[0]["unexpected"].as_array().unwrap().iter().map(ToString::to_string).collect();
    named.sort();
    assert_eq!(named, ["Mail.ReadWrite", "Mail.Send"].map(|value| format!("\"Microsoft Graph / {value} (application)\"")));
}

#[tokio::test]
async fn a_wait_is_rounded_up_to_whole_seconds_so_that_no_look_comes_early() {
    let stage = stage().await;
    for _ in 0..16 {
        stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    }
    let now = stage.clock.unix_seconds();
    let waits: Vec<_> = stage.outbox.waiting().iter().map(|order| order.due - now).collect();
    // The wait is 4.5 to 5.5 s, depending on the jitter.
    assert!(waits.len() == 16 && waits.iter().all(|wait| (5..=6).contains(wait)), "{waits:?}");
}

#[tokio::test]
async fn a_process_behind_a_slow_sender_records_no_send_of_its_own() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    let page = stage.claim_success(&ticket, demo::CONTOSO).await;
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let order = order_of(Ticket::open(&ticket, signer).unwrap(), Outcome::Pending, signer.now, 0);
    let order = order.issue(stage.installation.new_id(), 86_400, signer).unwrap();
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.advance(31);
    stage.outbox.set(Mood::Hangs, Mood::Hangs);
    let sent_before = sends(&stage).len();
    // The worker of the same process waits longer than a browser.
    let delivery = Delivery { id: "m0", body: &order, received: 1, receipt: None };
    let visit = async {
        while of_kind(&stage, "concluded").len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        stage.get(&page.url).await
    };
    let page = tokio::select! {
        _ = carry_out(&stage.installation, delivery) => panic!("it waits for seconds"),
        page = visit => page,
    };
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let [busy] = &of_kind(&stage, "dispatched")[sent_before..] else { panic!("the worker is not done") };
    assert_eq!(busy["sends"], json!({ "order": "refused", "event": "none", "reason": "busy" }));
    let page = stage.get(page.header("location").unwrap()).await;
    assert!(page.text().contains("Please reload this page"), "{}", page.text());
}

#[tokio::test]
async fn an_expired_genuine_link_is_published_and_a_forged_one_is_not() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.claim_success(&format!("{ticket}x"), demo::CONTOSO).await;
    stage.claim(&ticket, "admin_consent=True&error=").await;
    stage.advance(32 * 86_400);
    assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "link_expired");
    let told: Vec<_> = stage.outbox.events().iter().map(|event| event["outcome"]["after"].clone()).collect();
    assert_eq!(told.last().unwrap(), "link_expired");
    assert_eq!(told.len(), 2, "{told:?}");
    let refused = of_kind(&stage, "rejected").pop().unwrap();
    assert_eq!(stage.outbox.events().last().unwrap()["id"], refused["transition"], "the record and the event agree");
}

#[tokio::test]
async fn a_hundred_replays_send_one_order_and_one_event() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    join_all((0..100).map(|_| stage.claim_success(&ticket, demo::CONTOSO))).await;
    let counted: Vec<_> = stage.outbox.events().iter().map(|event| event["counted"] == true).collect();
    assert_eq!((stage.outbox.sent(), counted), (1, vec![false, true]));
    assert_eq!(sends(&stage).len(), 2);
    stage.advance(20 * 60);
    stage.claim_success(&ticket, demo::CONTOSO).await;
    assert_eq!(stage.outbox.sent(), 2, "a link that is used again much later is checked again");
}

#[tokio::test]
async fn replays_of_a_success_cost_one_check_in_ten_seconds() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let address = format!("{}/callback?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::CONTOSO);
    for minute in 0..4 {
        let before = (stage.control.count(Kind::Token), stage.control.count(Kind::Batch) + stage.control.count(Kind::Graph));
        for _ in 0..50 {
            let answers = join_all((0..50).map(|_| stage.http.get(&address).send())).await;
            assert!(answers.into_iter().all(|answer| answer.unwrap().status() == StatusCode::SEE_OTHER));
            if minute == 0 {
                stage.advance(1);
            }
        }
        let after = (stage.control.count(Kind::Token), stage.control.count(Kind::Batch) + stage.control.count(Kind::Graph));
        assert!(after.0 - before.0 <= 6 && after.1 - before.1 <= 6, "{before:?} {after:?}");
        stage.advance(60 - if minute == 0 { 50 } else { 0 });
    }
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), (1, 2), "the second says that further claims are counted");
}

#[tokio::test]
async fn receipts_that_are_visited_flood_no_queue() {
    let stage = stage().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    for _ in 0..20 {
        stage.advance(31);
        stage.get(&page.url).await;
    }
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), (1, 1));
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), (1, 2), "the change is published, and the first order stays");
    assert_eq!(transitions(&stage.outbox.events())[1], ("pending".into(), "granted".into()));
}

#[tokio::test]
async fn a_refused_order_is_sent_again_on_reload() {
    let stage = stage().await;
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "pending");
    assert!(page.text().contains("Please reload this page"), "{}", page.text());
    assert!(sends(&stage).contains(&fate("refused", "sent")));
    assert_eq!(of_kind(&stage, "dispatched")[0]["sends"]["reason"], "AccessDenied");
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.advance(31);
    let asked = stage.control.upstream_calls();
    let reloaded = stage.open(&page.url).await;
    assert!(stage.control.upstream_calls() > asked, "reloading verifies");
    assert!(reloaded.text().contains("We keep checking"), "{}", reloaded.text());
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), (1, 1));
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(3_600).await;
    assert_eq!(of_kind(&stage, "settled")[0]["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_is_sent_by_the_worker() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.outcome().as_str(), sends(&stage)), ("granted", vec![fate("none", "refused")]));
    stage.work(60).await;
    assert_eq!(stage.last_record()["message"]["reason"], "event_refused", "the bus still refuses, so the message comes again");
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(300).await;
    let [event] = &stage.outbox.events()[..] else { panic!("one event") };
    assert_eq!(event["id"], of_kind(&stage, "concluded")[0]["transition"], "the same transition from both senders");
    assert_eq!(event["outcome"], json!({ "before": null, "after": "granted" }));
    assert!(stage.outbox.waiting().is_empty() && of_kind(&stage, "concluded").len() == 1);
}

#[tokio::test]
async fn an_event_redriven_from_the_dead_letters_is_published() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.work(3_600).await;
    let [dead] = &stage.outbox.dead()[..] else { panic!("one dead letter") };
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.advance(3 * 86_400);
    stage.outbox.smuggle(&dead.body);
    stage.work(60).await;
    let told = transitions(&stage.outbox.events());
    assert_eq!(told, [(Value::Null, "granted".into())], "no record reports the event as lost, so the worker publishes it");
}

#[tokio::test]
async fn the_workers_event_is_ordered_once_for_any_number_of_visits() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let ticket = stage.ticket(demo::CONTOSO).await;
    for _ in 0..3 {
        stage.claim_success(&ticket, demo::CONTOSO).await;
    }
    assert_eq!(stage.outbox.sent(), 1);
}

#[tokio::test]
async fn the_worker_publishes_a_repeated_change_twice() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let mut page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    for _ in 0..2 {
        stage.change(Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
        stage.advance(20 * 60);
        page = stage.open(&page.url).await;
        stage.grant(demo::CONTOSO, demo::APP);
        stage.advance(31);
        page = stage.open(&page.url).await;
    }
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(60).await;
    let mut told: Vec<_> = stage.outbox.events().iter().map(|event| event["outcome"].to_string()).collect();
    told.sort();
    let way = |before, after| json!({ "before": before, "after": after }).to_string();
    let (back, gone) = (way(Some("revoked"), "granted"), way(Some("granted"), "revoked"));
    assert_eq!(told, [back.clone(), back, way(None, "granted"), gone.clone(), gone]);
}

#[tokio::test]
async fn a_late_order_repeats_no_event_and_lives_for_two_days() {
    let stage = stage().await;
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    let mut page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    for mood in [Mood::Refuses, Mood::Takes] {
        stage.outbox.set(mood, Mood::Takes);
        stage.advance(31);
        page = stage.open(&page.url).await;
    }
    let [order] = &stage.outbox.waiting()[..] else { panic!("one order") };
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    assert_eq!(Order::open(&order.body, signer).unwrap().ends - signer.now, 2 * 86_400);
    assert_eq!(
        transitions(&stage.outbox.events()),
        [(Value::Null, "pending".into()), ("pending".into(), "granted_in_part".into())],
        "the order carries no event"
    );
}

#[tokio::test]
async fn an_order_that_was_refused_and_is_needed_no_more_is_not_tried_again_at_each_visit() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.advance(20 * 60);
    let page = stage.open(&page.url).await;
    let refused = || sends(&stage).into_iter().filter(|(order, _)| order == "refused").count();
    let before = refused();
    stage.advance(20 * 60);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted_in_part");
    assert_eq!(refused(), before);
}

#[tokio::test]
async fn an_event_names_the_customer_as_microsoft_or_by_the_label() {
    let stage = stage().await;
    for (app, id) in [("reader", READER), ("sign-in", SIGN_IN)] {
        stage.grant(demo::CONTOSO, id);
        let link = stage.link_for(app, ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
        stage.claim_success(&ticket_of(&link), demo::CONTOSO).await;
    }
    let names: Vec<_> = stage.outbox.events().iter().map(|event| event["tenant"]["name"].clone()).collect();
    assert_eq!(names, ["Contoso Ltd", "Contoso GmbH"]);
}

#[tokio::test]
async fn a_late_overtaken_event_is_only_informative() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted_in_part");
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
    stage.work(60).await;
    let told: Vec<_> = stage.outbox.events().iter().map(|event| (event["outcome"]["after"].clone(), event["severity"].clone())).collect();
    assert!(told.contains(&("granted".into(), "close".into())) && told.contains(&("granted_in_part".into(), "update".into())), "{told:?}");
}

#[tokio::test]
async fn a_link_reused_days_later_publishes_under_new_ids() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    let ticket = stage.ticket(demo::CONTOSO).await;
    for _ in 0..2 {
        assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "granted_in_part");
        stage.work(2 * 86_400).await;
    }
    let events = stage.outbox.events();
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!((events.len(), ids.len()), (4, 4), "published each time, and again as final");
}

#[tokio::test]
async fn where_queue_and_bus_refuse_the_record_says_that_the_event_is_lost() {
    let stage = stage().await;
    stage.outbox.set(Mood::Refuses, Mood::Refuses);
    stage
        .get(&format!("{}/callback?admin_consent=True&tenant={}&state={}", stage.base, demo::CONTOSO, stage.ticket(demo::CONTOSO).await))
        .await;
    assert_eq!(sends(&stage), [fate("refused", "lost")]);
}

#[tokio::test]
async fn queue_and_bus_that_never_answer_keep_no_browser_waiting() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::FABRIKAM).await;
    stage.outbox.set(Mood::Hangs, Mood::Hangs);
    let address = format!("{}/callback?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::FABRIKAM);
    assert_eq!(stage.get(&address).await.status, StatusCode::SEE_OTHER);
    assert_eq!(sends(&stage), [fate("refused", "lost")]);
    assert_eq!(of_kind(&stage, "dispatched")[0]["sends"]["reason"], "no_answer_in_time");
}

#[tokio::test]
async fn a_silent_bus_leaves_time_to_order_from_the_worker() {
    let stage = stage().await;
    stage.outbox.set(Mood::Takes, Mood::Hangs);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "pending");
    assert_eq!(sends(&stage), [fate("sent", "refused")]);
    assert_eq!(stage.outbox.sent(), 2, "one order for a check, one for an event");
}

#[tokio::test]
async fn a_claim_without_a_credential_is_verified_once_it_is_back() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let other = |value: &str| ClientSecret { value: value.into(), expires: None };
    stage.control.apply(Change::SetSecrets { app: demo::APP, secrets: vec![other("canary-secret-of-tomorrow")] }).unwrap();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "operator_fault"));
    assert_eq!(of_kind(&stage, "concluded")[0]["alarm"], "credential");
    assert_eq!(sends(&stage), [fate("sent", "sent")]);
    stage.control.apply(Change::SetSecrets { app: demo::APP, secrets: vec![other(APP_SECRET)] }).unwrap();
    stage.work(600).await;
    let told = transitions(&stage.outbox.events());
    assert_eq!(told, [(Value::Null, "operator_fault".into()), ("operator_fault".into(), "granted".into())]);
}

async fn verified_in_worker() -> Stage {
    let more = "[worker]\nqueue = \"https://sqs.eu-west-1.amazonaws.com/123456789012/orders\"\n".into();
    let apps =
        mail_backup(&format!("verify_in = \"worker\"\n{BY_ITSELF}"), r#"application = { required = ["Mail.Read", "User.Read.All"] }"#);
    Stage::with(Options { apps: Some(apps), more, queue: true, ..Options::default() }).await
}

#[tokio::test]
async fn worker_verification_keeps_the_public_function_offline() {
    let stage = verified_in_worker().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::ACCEPTED, "pending"));
    assert!(page.text().contains("Northwind Managed Services can see the answer in its records"), "{}", page.text());
    assert_eq!(page.header("refresh"), None, "reloading would never show more");
    stage.advance(60);
    assert_eq!(stage.get(&page.url).await.outcome(), "pending");
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!((stage.outbox.sent(), sends(&stage)), (1, vec![fate("sent", "sent")]));
    let record = &of_kind(&stage, "concluded")[0];
    assert!(record.get("finding").is_none() && record["outcome"]["after"] == "pending");
    stage.work(120).await;
    assert_eq!(transitions(&stage.outbox.events()), [(Value::Null, "pending".into()), ("pending".into(), "granted".into())]);
    assert_eq!(stage.last_record()["event"], "settled");
    let answer = stage.http.get(&page.url).header("accept", "application/json").send().await.unwrap();
    let json: Value = answer.json().await.unwrap();
    assert_eq!((&json["confirmed_to_operator"], &json["keeps_looking"]), (&true.into(), &true.into()));
}

#[tokio::test]
async fn a_companion_left_to_the_worker_has_a_complete_record() {
    let more = "[worker]\nqueue = \"https://sqs.eu-west-1.amazonaws.com/123456789012/orders\"\n".into();
    let in_worker = "cloud = \"sandbox\"\nverify_in = \"worker\"";
    let companion = APPLE_AND_CHAIN.split("[[chains]]").next().unwrap();
    let apps = reader(DIRECTORY_AND_REQUESTS).replacen("cloud = \"sandbox\"", in_worker, 1) + companion;
    let stage = Stage::with(Options { apps: Some(apps), more, queue: true, ..Options::default() }).await;
    let address = stage.invite("apple", demo::CONTOSO).await;
    assert_eq!(stage.http.post(&address).send().await.unwrap().status(), StatusCode::SEE_OTHER);
    let record = &of_kind(&stage, "concluded")[0];
    assert!(record["durations_ms"]["total"].is_u64() && record["durations_ms"].get("verify").is_none(), "{record}");
}

#[tokio::test]
async fn with_worker_verification_the_button_makes_no_call() {
    let stage = verified_in_worker().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let address = stage.invite("mail-backup", demo::CONTOSO).await;
    let answer = stage.http.post(&address).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(answer.headers()["location"].to_str().unwrap().contains("/adminconsent"));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn with_verification_in_the_worker_a_refused_queue_is_tried_again_by_reloading() {
    let stage = verified_in_worker().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.outbox.set(Mood::Refuses, Mood::Takes);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert!(page.text().contains("Please reload this page"), "{}", page.text());
    assert!(!page.text().contains("in its records"), "the page cannot promise that yet: {}", page.text());
    stage.outbox.set(Mood::Takes, Mood::Takes);
    let reloaded = stage.open(&page.url).await;
    assert!(reloaded.text().contains("Northwind Managed Services can see the answer in its records"), "{}", reloaded.text());
    assert_eq!(stage.control.upstream_calls(), 0);
    stage.work(120).await;
    assert_eq!(of_kind(&stage, "settled")[0]["outcome"]["after"], "granted");
}

#[tokio::test]
async fn an_error_claimed_where_only_the_worker_asks_is_pending_until_it_was_verified() {
    let stage = verified_in_worker().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let query = "error=access_denied&error_subcode=cancel";
    let page = stage.claim(&stage.ticket(demo::CONTOSO).await, query).await;
    assert_eq!(page.outcome(), "pending", "nobody looked, so the error takes nothing back");
    stage.work(120).await;
    assert_eq!(transitions(&stage.outbox.events()), [(Value::Null, "pending".into()), ("pending".into(), "granted".into())]);
}

#[tokio::test]
async fn a_claim_without_any_answer_ends_as_unavailable() {
    let stage = verified_in_worker().await;
    let silent = Effect::Status { status: 503, code: None, retry_after: None };
    for at in [FaultAt::Token, FaultAt::Batch] {
        stage.control.fault(Fault::new(at, silent.clone())).unwrap();
    }
    stage.claim(&stage.ticket(demo::CONTOSO).await, "error=access_denied&error_description=AADSTS90094%3a+x").await;
    stage.work(27 * 3_600).await;
    assert_eq!(transitions(&of_kind(&stage, "concluded")), [(Value::Null, "pending".into()), ("pending".into(), "unavailable".into())]);
    let [settled] = &of_kind(&stage, "settled")[..] else { panic!("one final record") };
    assert_eq!(settled["outcome"]["after"], "unavailable");
}

#[tokio::test]
async fn worker_verification_checks_each_new_claim_of_a_link() {
    let stage = verified_in_worker().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.claim(&ticket, "error=access_denied&error_subcode=cancel").await;
    stage.work(600).await;
    assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "pending");
    // The approval becomes visible 15 minutes after the callback, when the checks of the first claim have become rare.
    stage.work(890).await;
    let visible = stage.clock.unix_seconds();
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(27 * 3_600).await;
    let concluded = of_kind(&stage, "concluded");
    let granted = concluded.iter().find(|record| record["outcome"]["after"] == "granted").unwrap();
    let at = time::OffsetDateTime::parse(granted["at"].as_str().unwrap(), &time::format_description::well_known::Rfc3339).unwrap();
    assert!(at.unix_timestamp() - visible <= 120, "verified {} s after it became visible", at.unix_timestamp() - visible);
    let claims: Vec<_> = of_kind(&stage, "settled").iter().map(|record| record["claim"]["kind"].clone()).collect();
    assert_eq!(claims.len(), 2, "each claim has a conclusion: {claims:?}");
}

/// A receipt with an outcome that no check ever found. Only a holder of the ticket key can make it.
async fn forged(stage: &Stage, queued: Queued) -> String {
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let ticket = Ticket::open(&stage.ticket(demo::CONTOSO).await, signer).unwrap();
    let remembered = order_of(ticket, Outcome::Granted, signer.now, 0).remembered;
    stage.installation.receipt_address("r", &ApprovalState { queued, ..remembered }).await.unwrap()
}

#[tokio::test]
async fn a_forged_receipt_publishes_no_approval() {
    for stage in [stage().await, verified_in_worker().await] {
        stage.open(&forged(&stage, Queued::Refused).await).await;
        stage.work(60).await;
        let told = transitions(&stage.outbox.events());
        assert!(told.iter().all(|(_, after)| after != "granted"), "{told:?}");
    }
}

#[tokio::test]
async fn where_only_the_worker_asks_a_forged_receipt_shows_no_approval() {
    let stage = verified_in_worker().await;
    let page = stage.open(&forged(&stage, Queued::Sent).await).await;
    assert_eq!(page.outcome(), "pending");
}

#[tokio::test]
async fn an_event_carries_the_ids_that_microsofts_support_asks_for() {
    let stage = stage().await;
    let link = stage.link(demo::CONTOSO).await;
    let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "cancel").await;
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!(page.outcome(), "declined");
    let claimed = &of_kind(&stage, "claimed")[0]["claim"];
    assert!(claimed["trace_id"].is_string() && claimed["correlation_id"].is_string(), "{claimed}");
    let told = &stage.outbox.events()[0]["correlation"];
    assert_eq!((&told["trace_id"], &told["correlation_id"]), (&claimed["trace_id"], &claimed["correlation_id"]));
}
