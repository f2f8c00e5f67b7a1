//! The worker notices approvals that become visible late, and inconsistent replicas never undo an approval that a check has shown.

use entra_consent::approval::follow_up::{Delivery, Handled, carry_out};
use entra_sandbox::{Change, Effect, Fault, FaultAt, PermissionSet, Replication, RetryAfter, ReviewDecision, TenantId, TenantSetup, demo};
use serde_json::{Value, json};

use super::super::support::northwind::{BY_READER, DIRECTORY_AND_REQUESTS, USUAL, mail_backup, reader};
use super::super::support::outbox::Mood;
use super::super::support::stage::{Options, READER, Stage};
use super::{of_kind, stage, transitions};

const LAGGING: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00ff);
const HOUR: u64 = 3_600;

async fn with_lag(seconds: u32, flapping: u32) -> Stage {
    let stage = stage().await;
    let mut tenant = TenantSetup::new(LAGGING, "Lagging Ltd", "lagging.example");
    tenant.replication = Replication { service_principal: seconds, roles: seconds, graph: seconds, flapping };
    stage.change(Change::AddTenant(Box::new(tenant)));
    stage
}

fn moment(record: &Value) -> i64 {
    let at = record["at"].as_str().unwrap();
    time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp()
}

#[tokio::test]
async fn an_approval_is_verified_within_two_minutes_of_becoming_visible() {
    for seconds in [0, 5, 30, 90, 300, 900] {
        let stage = with_lag(seconds, 0).await;
        let started = stage.clock.unix_seconds();
        stage.grant(LAGGING, demo::APP);
        stage.claim_success(&stage.ticket(LAGGING).await, LAGGING).await;
        stage.work(25 * HOUR).await;
        let concluded = of_kind(&stage, "concluded");
        let granted: Vec<_> = concluded.iter().filter(|record| record["outcome"]["after"] == "granted").collect();
        let [granted] = granted[..] else { panic!("granted once: {concluded:?}") };
        let late = moment(granted) - started - i64::from(seconds);
        assert!((0..=120).contains(&late), "visible after {seconds} s, verified {late} s later");
        assert_eq!(transitions(&stage.outbox.events()).last().unwrap().1, "granted");
    }
}

#[tokio::test]
async fn replicas_that_answer_in_turn_never_take_anything_back() {
    for seconds in [30, 90, 300] {
        let stage = with_lag(seconds, 240).await;
        stage.grant(LAGGING, demo::APP);
        stage.claim_success(&stage.ticket(LAGGING).await, LAGGING).await;
        stage.work(25 * HOUR).await;
        let rank = |outcome: &Value| match outcome.as_str().unwrap() {
            "pending" => 0,
            "granted_unseen" => 1,
            "granted_in_part" => 2,
            "granted" => 3,
            other => panic!("{other} was never true"),
        };
        let ranks: Vec<_> = of_kind(&stage, "concluded").iter().map(|record| rank(&record["outcome"]["after"])).collect();
        assert!(ranks.is_sorted() && ranks.last() == Some(&3), "{ranks:?}");
    }
}

#[tokio::test]
async fn what_never_shows_is_looked_for_a_day_and_ends_with_a_final_record() {
    let stage = stage().await;
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let started = stage.clock.unix_seconds();
    stage.work(27 * HOUR).await;
    let pending = || (Value::Null, Value::from("pending"));
    let states = [pending(), pending(), pending(), pending(), pending(), ("pending".into(), "not_found".into())];
    assert_eq!(transitions(&of_kind(&stage, "concluded")), states, "at once, after 20 minutes, 1, 6 and 15 hours, and at the end");
    let [settled] = &of_kind(&stage, "settled")[..] else { panic!("one final record") };
    assert_eq!(settled["outcome"]["after"], "not_found");
    assert!((86_400..=95_040).contains(&(moment(settled) - started)), "{}", moment(settled) - started);
    assert!(stage.outbox.waiting().is_empty() && stage.outbox.dead().is_empty());
    let severities: Vec<_> = stage.outbox.events().iter().map(|event| event["severity"].clone()).collect();
    assert_eq!(severities, ["update", "update", "update", "update", "update", "open"]);
}

#[tokio::test]
async fn an_approval_in_the_portal_hours_after_a_cancel_is_noticed() {
    let stage = stage().await;
    let page = stage.claim(&stage.ticket(demo::CONTOSO).await, "error=access_denied&error_subcode=cancel").await;
    assert_eq!(page.outcome(), "declined");
    stage.work(5 * HOUR).await;
    assert!(of_kind(&stage, "settled").is_empty());
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(2 * HOUR).await;
    assert_eq!(transitions(&stage.outbox.events()).last().unwrap(), &("declined".into(), "granted".into()));
    assert_eq!(of_kind(&stage, "settled").len(), 1);
}

#[tokio::test]
async fn an_approval_given_in_the_portal_an_hour_after_a_visitor_could_not_is_noticed() {
    for code in [90094, 50020, 53003] {
        let stage = stage().await;
        let query = format!("error=access_denied&error_description=AADSTS{code}%3a+x");
        stage.claim(&stage.ticket(demo::CONTOSO).await, &query).await;
        stage.work(HOUR / 2).await;
        assert!(of_kind(&stage, "settled").is_empty(), "{code}");
        stage.grant(demo::CONTOSO, demo::APP);
        stage.work(HOUR).await;
        assert_eq!(transitions(&stage.outbox.events()).last().unwrap().1, "granted", "{code}");
    }
}

#[tokio::test]
async fn a_request_that_a_reviewer_approves_is_noticed_without_a_redirect() {
    let apps = reader(DIRECTORY_AND_REQUESTS) + &mail_backup(BY_READER, USUAL);
    let stage = Stage::with(Options { apps: Some(apps), queue: true, ..Options::default() }).await;
    stage.grant(demo::CONTOSO, READER);
    let link = stage.link(demo::CONTOSO).await;
    let answer = stage.decide(&link, demo::CONTOSO, entra_sandbox::UserRole::User, "request").await;
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!(page.outcome(), "approval_requested");
    stage.work(2 * HOUR).await;
    stage.change(Change::Review { tenant: demo::CONTOSO, app: demo::APP, decision: ReviewDecision::Approve });
    stage.work(5 * HOUR).await;
    assert_eq!(transitions(&stage.outbox.events()).last().unwrap(), &("approval_requested".into(), "granted".into()));
}

#[tokio::test]
async fn microsoft_is_left_alone_for_as_long_as_it_asked_the_callback_for() {
    let stage = stage().await;
    let effect = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(90)) };
    stage.control.fault(Fault::new(FaultAt::Token, effect)).unwrap();
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let [order] = &stage.outbox.waiting()[..] else { panic!("one order") };
    assert!(order.due - stage.clock.unix_seconds() >= 90, "{}", order.due - stage.clock.unix_seconds());
}

#[tokio::test]
async fn microsoft_is_left_alone_for_as_long_as_it_asked_the_worker_for() {
    let stage = stage().await;
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let effect = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(90)) };
    stage.control.fault(Fault::new(FaultAt::Token, effect)).unwrap();
    stage.work(6).await;
    let [order] = &stage.outbox.waiting()[..] else { panic!("one order") };
    assert!(order.due - stage.clock.unix_seconds() >= 85, "{}", order.due - stage.clock.unix_seconds());
}

#[tokio::test]
async fn an_event_refused_first_and_as_final_is_published_twice() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(60).await;
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    stage.work(24 * 60).await;
    assert_eq!((of_kind(&stage, "settled").len(), stage.outbox.events().len()), (1, 1));
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(600).await;
    let half = || Value::from("granted_in_part");
    assert_eq!(transitions(&stage.outbox.events()), [(Value::Null, half()), (half(), half())]);
}

#[tokio::test]
async fn a_last_look_without_an_answer_lends_its_refusal_to_no_event() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.work(19 * 60).await;
    let busy = Effect::Aadsts { code: 90_033, status: None, error: None, granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, busy)).unwrap();
    stage.work(6 * 60).await;
    let [settled] = &of_kind(&stage, "settled")[..] else { panic!("one final record") };
    assert_eq!((&settled["outcome"]["after"], settled["finding"]["trace_id"].is_string()), (&"granted_in_part".into(), true), "{settled}");
    let events = stage.outbox.events();
    let last = &events.last().unwrap()["correlation"];
    assert_eq!((&last["trace_id"], &last["correlation_id"]), (&Value::Null, &Value::Null), "that check did not find the published outcome");
}

#[tokio::test]
async fn an_unchanged_final_outcome_is_published_again() {
    let stage = stage().await;
    stage.claim(&stage.ticket(demo::CONTOSO).await, "error=access_denied&error_subcode=cancel").await;
    stage.work(20 * HOUR).await;
    let before = stage.outbox.events().len();
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    stage.work(7 * HOUR).await;
    assert_eq!((of_kind(&stage, "settled").len(), stage.outbox.events().len()), (1, before));
    stage.outbox.set(Mood::Takes, Mood::Takes);
    for dead in stage.outbox.dead() {
        stage.outbox.smuggle(&dead.body);
    }
    stage.work(60).await;
    let told: Vec<_> = stage.outbox.events().iter().map(|event| (event["outcome"].clone(), event["provisional"].clone())).collect();
    let outcome = |before: Value| json!({ "before": before, "after": "declined" });
    assert!(told[..before].iter().all(|said| *said == (outcome(Value::Null), true.into())), "{told:?}");
    assert_eq!(told[before..], [(outcome("declined".into()), false.into())]);
}

#[tokio::test]
async fn half_an_approval_is_final_after_the_provisional_time() {
    let stage = stage().await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.work(25 * 60).await;
    let [settled] = &of_kind(&stage, "settled")[..] else { panic!("one final record") };
    assert_eq!(settled["outcome"]["after"], "granted_in_part");
    assert_eq!(settled["missing"], serde_json::json!(["Microsoft Graph / User.Read.All (application)"]));
    let [first, last] = &stage.outbox.events()[..] else { panic!("published at once, and again as final") };
    assert_eq!((&first["missing"], &last["missing"]), (&settled["missing"], &settled["missing"]));
    assert_eq!((&first["provisional"], &last["provisional"]), (&true.into(), &false.into()));
    assert_eq!((&last["id"], &last["outcome"]), (&settled["transition"], &settled["outcome"]));
    assert!(stage.outbox.waiting().is_empty());
}

#[tokio::test]
async fn check_now_reuses_a_check_for_30_seconds() {
    let stage = stage().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let asked = stage.control.upstream_calls();
    stage.advance(20);
    let shown = stage.get(&page.url).await;
    assert!(shown.text().contains("20 seconds ago") && stage.control.upstream_calls() == asked, "{}", shown.text());
    stage.advance(11);
    let fresh = stage.get(&page.url).await;
    assert!(fresh.text().contains("just now") && stage.control.upstream_calls() > asked, "{}", fresh.text());
}

#[tokio::test]
async fn one_process_verifies_within_two_minutes_despite_visits() {
    for round in 0..8 {
        let stage = stage().await;
        let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
        let (started, mut visible) = (stage.clock.unix_seconds(), None);
        let verified = loop {
            let order = stage.outbox.take_next().unwrap();
            let wait = |until: i64| stage.advance(u64::try_from(until - stage.clock.unix_seconds()).unwrap_or(0));
            if visible.is_none() && order.due - started > 160 + 100 * round {
                wait(order.due - 26);
                stage.get(&page.url).await;
                stage.advance(1);
                stage.grant(demo::CONTOSO, demo::APP);
                visible = Some(stage.clock.unix_seconds());
            }
            wait(order.due);
            let delivery = Delivery { id: &order.id, body: &order.body, received: 1, receipt: None };
            assert_eq!(carry_out(&stage.installation, delivery).await, Handled::Done);
            if of_kind(&stage, "concluded").iter().any(|record| record["outcome"]["after"] == "granted") {
                break stage.clock.unix_seconds();
            }
        };
        let late = verified - visible.unwrap();
        assert!(late <= 120, "verified {late} s after it became visible");
    }
}
