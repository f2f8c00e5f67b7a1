//! The holder of one genuine link makes claims without end. These claims cause a limited number of records, orders and events, and harm no
//! other visitor with the same link.

use std::collections::BTreeMap;
use std::sync::Arc;

use entra_consent::consent::claim::Agreement;
use entra_consent::consent::claim_bound::ClaimClass;
use entra_consent::consent::{Claim, Draw, ExpectedTenant};
use entra_consent::env::Clock;
use entra_consent::outbox::Outbox as _;
use entra_consent::serve::store::{OrderWorker, Queue, Store, StoreOutbox};
use entra_sandbox::demo;
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::support::stage::{MakeOutbox, Options, Page, Stage, ticket_of};

/// One claim of each class, in the order in which the tests mix them.
const CLASSES: [&str; 9] = [
    "error=access_denied&error_subcode=cancel",
    "error=access_denied&error_description=AADSTS90094",
    "error=access_denied&error_description=AADSTS50020",
    "error=access_denied&error_description=AADSTS53003",
    "error=invalid_request&error_description=AADSTS650056",
    "error=server_error&error_description=AADSTS123456",
    "admin_consent=True",
    "",
    "admin_consent=True&tenant=99990000-aaaa-bbbb-cccc-000000000001",
];

const SPAN: u64 = 1_200;

async fn stage() -> Stage {
    Stage::with(Options { queue: true, ..Options::default() }).await
}

/// A stage whose outbox is a store of `serve`.
pub(super) async fn stage_of_serve() -> (Stage, Store) {
    let more = "[store]\npath = \"unused\"\n[webhook]\nurl = \"https://hook.example/\"\nsecret = { env = \"APP_SECRET\" }".into();
    let store = Store::in_memory().unwrap();
    let kept = store.clone();
    let outbox: MakeOutbox = Box::new(|clock| Arc::new(StoreOutbox::new(kept, clock, true)));
    (Stage::with(Options { more, outbox: Some(outbox), ..Options::default() }).await, store)
}

async fn press(stage: &Stage, invitation: &str) -> Url {
    let page = stage.read(stage.http.post(invitation).send().await.unwrap()).await;
    page.header("location").unwrap().parse().unwrap()
}

/// Presses the button and calls back with a claim.
async fn abuse(stage: &Stage, invitation: &str, claim: &str) -> Page {
    stage.claim(&ticket_of(&press(stage, invitation).await), claim).await
}

/// Moves the clock to the start of the next span.
fn to_next_span(stage: &Stage) {
    stage.advance(SPAN - stage.installation.clock.now_unix() % SPAN);
}

fn count(records: &[Value], event: &str) -> usize {
    records.iter().filter(|record| record["event"] == event).count()
}

#[tokio::test]
async fn mixed_claims_of_one_link_cause_few_records_and_events() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    to_next_span(&stage);
    let mut pages = Vec::new();
    for round in 0..60 {
        for class in CLASSES {
            let page = abuse(&stage, &invitation, class).await;
            assert!(page.status != StatusCode::INTERNAL_SERVER_ERROR && !page.outcome().is_empty(), "round {round}: {class}");
            pages.push(page);
        }
        stage.advance(5);
    }
    for page in &pages {
        stage.get(&page.url).await;
    }
    let (records, events) = (stage.records(), stage.outbox.events());
    assert!(events.len() <= 10, "{} events: {events:?}", events.len());
    assert!(records.len() <= 50, "{} records: {:?}", records.len(), tally(&records));
    assert_eq!(count(&records, "claimed"), 5 + 4, "the first five, which are of five classes, and the other four");
    assert!(events.iter().all(|event| event["basis"] == "claim"), "{events:?}");
    let open: Vec<_> = events.iter().filter(|event| event["severity"] == "open").collect();
    assert_eq!(open.len(), 1, "wrong_tenant, which nothing checks: {open:?}");
    assert_eq!(events.iter().filter(|event| event["counted"] == true).count(), 1);
    assert!(stage.outbox.sent() <= 8, "{} orders", stage.outbox.sent());
    to_next_span(&stage);
    stage.get(&invitation).await;
    let suppressed: Vec<u64> = stage.records().iter().filter_map(|record| record["count"].as_u64()).collect();
    assert_eq!(suppressed.len(), 1, "one line counts all of them");
    assert!(suppressed[0] >= 60 * 9 - 9, "{suppressed:?}");
}

fn tally(records: &[Value]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for record in records {
        *tally.entry(record["event"].to_string()).or_default() += 1;
    }
    tally
}

#[tokio::test]
async fn an_hour_of_abuse_causes_few_records_and_events() {
    let (stage, store) = stage_of_serve().await;
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    to_next_span(&stage);
    for minute in 0..60 {
        for class in CLASSES {
            abuse(&stage, &invitation, class).await;
        }
        stage.advance(if minute == 59 { 59 } else { 60 });
        while worker.step().await.unwrap() > 0 {}
    }
    let (records, events) = (stage.records(), stored(&store).await);
    assert!(events.len() <= 30, "{} events", events.len());
    assert!(records.len() <= 150, "{} records: {:?}", records.len(), tally(&records));
    let counted = events.iter().filter(|event| event["counted"] == true).count();
    assert_eq!(counted, 3, "one in each span reaches the webhook");
    let open = events.iter().filter(|event| event["severity"] == "open").count();
    assert_eq!(open, 1, "one a day: {events:?}");
}

pub(super) async fn stored(store: &Store) -> Vec<Value> {
    let due = store.due(Queue::Deliveries, u64::MAX, 1_000).await.unwrap();
    due.iter().map(|(_, item)| serde_json::from_str::<Value>(&item.body).unwrap()["data"].take()).collect()
}

#[tokio::test]
async fn a_third_administrator_with_the_abused_link_is_seen() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for _ in 0..100 {
        abuse(&stage, &invitation, "admin_consent=True").await;
    }
    let checks = stage.control.upstream_calls();
    let page = abuse(&stage, &invitation, "admin_consent=True").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::ACCEPTED, "pending"));
    assert_eq!(stage.control.upstream_calls(), checks, "a claim that is only counted starts no check");
    let link = press(&stage, &invitation).await;
    stage.advance(1);
    let approved = stage.administrator(&link, demo::CONTOSO, "accept").await;
    stage.advance(10);
    assert_eq!(stage.open(&approved.url).await.outcome(), "granted");
    let granted: Vec<_> = stage.records().into_iter().filter(|record| record["outcome"]["after"] == "granted").collect();
    assert!(granted.iter().any(|record| record["event"] == "concluded"), "{granted:?}");
    let events = stage.outbox.events();
    let granted = events.iter().find(|event| event["outcome"]["after"] == "granted").unwrap();
    assert_eq!((&granted["basis"], &granted["severity"]), (&json!("finding"), &json!("close")));
}

#[tokio::test]
async fn the_worker_grants_what_a_counted_claim_brought() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for _ in 0..20 {
        abuse(&stage, &invitation, "admin_consent=True").await;
    }
    let link = press(&stage, &invitation).await;
    stage.decide(&link, demo::CONTOSO, entra_sandbox::UserRole::Administrator, "accept").await;
    stage.work(180).await;
    assert!(stage.records().iter().any(|record| record["event"] == "concluded" && record["outcome"]["after"] == "granted"));
}

#[tokio::test]
async fn the_first_claim_of_a_further_class_is_in_full() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    for _ in 0..50 {
        abuse(&stage, &invitation, CLASSES[0]).await;
    }
    let before = count(&stage.records(), "claimed");
    assert_eq!(before, 5);
    abuse(&stage, &invitation, "admin_consent=True").await;
    assert_eq!(count(&stage.records(), "claimed"), before + 1);
    let last = stage.records().into_iter().rfind(|record| record["event"] == "claimed").unwrap();
    assert_eq!(last["claim"]["kind"], "success");
}

#[tokio::test]
async fn a_direct_links_replays_are_bounded_like_an_invitation() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    for _ in 0..100 {
        for class in CLASSES {
            stage.claim(&ticket, class).await;
        }
    }
    assert!(stage.outbox.events().len() <= 10);
    assert!(stage.records().len() <= 50, "{:?}", tally(&stage.records()));
}

#[tokio::test]
async fn a_link_for_any_tenant_has_a_budget_of_its_own() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    let link = stage.link_for("mail-backup", ExpectedTenant::Any).await;
    let ticket = ticket_of(&link);
    for customer in 0..80 {
        let query = format!("admin_consent=True&tenant=99990000-aaaa-bbbb-cccc-{customer:012}");
        assert_eq!(stage.claim(&ticket, &query).await.outcome(), "awaiting_confirmation");
    }
    assert_eq!((count(&stage.records(), "claimed"), count(&stage.records(), "concluded")), (60, 60));
    let open = stage.outbox.events().iter().filter(|event| event["severity"] == "open").count();
    assert_eq!(open, 1);
}

/// The event of a new claim has the severity "update", which opens no ticket. If Microsoft still shows nothing 20 minutes later, one event
/// a day has the severity "open".
async fn opens_once_a_day(stage: &Stage, work: impl AsyncFn(u64), severities: impl AsyncFn() -> Vec<String>) {
    // Moves the clock to the start of a day, so that the day does not end during the test.
    stage.advance(86_400 - stage.installation.clock.now_unix() % 86_400);
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let blocked = "error=access_denied&error_description=AADSTS53003";
    abuse(stage, &invitation, blocked).await;
    assert_eq!(severities().await, ["update"]);
    work(SPAN + 150).await;
    let after = severities().await;
    assert_eq!(after.iter().filter(|severity| *severity == "open").count(), 1, "{after:?}");
    for _ in 0..3 {
        abuse(stage, &invitation, blocked).await;
        work(SPAN + 150).await;
    }
    let after = severities().await;
    assert_eq!(after.iter().filter(|severity| *severity == "open").count(), 1, "{after:?}");
}

#[tokio::test]
async fn a_claim_opens_a_ticket_once_a_day_after_20_minutes() {
    let stage = stage().await;
    let severities = async || stage.outbox.events().iter().map(|event| event["severity"].as_str().unwrap().to_owned()).collect();
    opens_once_a_day(&stage, async |seconds| stage.work(seconds).await, severities).await;
}

#[tokio::test]
async fn links_that_ended_are_quiet_for_a_day() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let mut tickets = Vec::new();
    for _ in 0..30 {
        tickets.push(ticket_of(&press(&stage, &invitation).await));
    }
    stage.advance(2 * 3_600 + 86_400 + 120);
    let (records, sent) = (stage.records().len(), stage.outbox.sent());
    for ticket in &tickets {
        let page = stage.claim(ticket, CLASSES[3]).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
    }
    let new: Vec<_> = stage.records()[records..].iter().filter(|record| record["event"] != "suppressed").cloned().collect();
    let kinds: Vec<_> = new.iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["rejected", "dispatched"]);
    assert_eq!(new[0]["transition"], new[1]["transition"]);
    let events = stage.outbox.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["id"], new[0]["transition"]);
    assert_eq!(stage.outbox.sent(), sent, "none reaches the queue");
    stage.advance(86_400);
    stage.claim(&tickets[0], CLASSES[3]).await;
    assert_eq!(stage.outbox.events().len(), 2, "the next day has an event of its own");
}

#[tokio::test]
async fn an_ended_links_refused_event_reaches_no_queue() {
    use super::support::outbox::Mood;
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let ticket = ticket_of(&press(&stage, &invitation).await);
    let sent = stage.outbox.sent();
    stage.advance(2 * 3_600 + 86_400 + 120);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    stage.claim(&ticket, CLASSES[3]).await;
    assert_eq!((stage.outbox.sent(), stage.outbox.events().len()), (sent, 0));
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.claim(&ticket, CLASSES[3]).await;
    assert_eq!(stage.outbox.events().len(), 1, "the next use sends what could not be sent");
}

#[tokio::test]
async fn serve_keeps_the_bounds_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let period = (1_200, "link tenant app".to_owned());
    let claim = Draw::Claim { class: ClaimClass::of(&Claim::Success, Agreement::Unbound(None)), most: 5 };
    let (mut granted, mut presses) = (0, 0);
    for _ in 0..3 {
        let outbox = StoreOutbox::new(Store::open(&path).await.unwrap(), Clock::system(), true);
        for _ in 0..4 {
            granted += u32::from(outbox.draw(&period, &claim).await == Some(true));
            presses += u32::from(outbox.draw(&period, &Draw::Press).await == Some(true));
        }
    }
    assert_eq!((granted, presses), (5, 1));
}

#[tokio::test]
async fn serve_opens_a_ticket_once_a_day_after_20_minutes() {
    let (stage, store) = stage_of_serve().await;
    let worker = OrderWorker::new(Arc::clone(&stage.installation), store.clone());
    let work = async |seconds: u64| {
        for _ in 0..seconds / 15 {
            stage.advance(15);
            while worker.step().await.unwrap() > 0 {}
        }
    };
    let severities = async || stored(&store).await.iter().map(|event| event["severity"].as_str().unwrap().to_owned()).collect();
    opens_once_a_day(&stage, work, severities).await;
}

#[tokio::test]
async fn saved_result_pages_record_few_approvals() {
    let (stage, _) = stage_of_serve().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let mut saved = Vec::new();
    for _ in 0..12 {
        to_next_span(&stage);
        for class in [CLASSES[6], CLASSES[0], CLASSES[3]] {
            saved.push(abuse(&stage, &invitation, class).await.url);
            stage.advance(31);
        }
    }
    stage.grant(demo::CONTOSO, demo::APP);
    to_next_span(&stage);
    let before = stage.records().len();
    for address in &saved {
        assert_eq!(stage.open(address).await.outcome(), "granted");
    }
    let granted = stage.records()[before..].iter().filter(|record| record["outcome"]["after"] == "granted").count();
    assert!((1..=20).contains(&granted), "{granted} records of one approval");
}

#[tokio::test]
async fn an_event_of_the_day_survives_two_refusals() {
    use super::support::outbox::Mood;
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    assert_eq!(stage.claim(&ticket, CLASSES[8]).await.outcome(), "wrong_tenant");
    stage.work(30).await;
    assert!(stage.outbox.events().is_empty());
    stage.outbox.set(Mood::Takes, Mood::Takes);
    stage.work(300).await;
    let events = stage.outbox.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["severity"], "open");
}

#[tokio::test]
async fn serve_reports_another_customer_of_a_link_for_any_tenant() {
    let (stage, store) = stage_of_serve().await;
    let ticket = ticket_of(&stage.link_for("mail-backup", ExpectedTenant::Any).await);
    for day in 1..=2 {
        assert_eq!(stage.claim(&ticket, CLASSES[8]).await.outcome(), "awaiting_confirmation");
        let severities: Vec<_> = stored(&store).await.iter().map(|event| event["severity"].clone()).collect();
        assert_eq!(severities, vec![json!("open"); day]);
        stage.advance(86_400);
    }
}

#[tokio::test]
async fn claims_of_every_kind_about_an_approval_share_one_event() {
    let stage = stage().await;
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let mut tickets = Vec::new();
    for _ in CLASSES {
        tickets.push(ticket_of(&press(&stage, &invitation).await));
    }
    stage.advance(1);
    stage.grant(demo::CONTOSO, demo::APP);
    for (ticket, class) in tickets.iter().zip(&CLASSES[..8]) {
        stage.claim(ticket, class).await;
        stage.advance(31);
    }
    let granted = stage.outbox.events().iter().filter(|event| event["outcome"]["after"] == "granted").count();
    assert_eq!(granted, 1);
}

#[tokio::test]
async fn a_bus_that_fails_is_asked_few_times_about_counted_claims() {
    use super::support::outbox::Mood;
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    for _ in 0..50 {
        stage.claim(&ticket, CLASSES[0]).await;
    }
    let lost = stage.records().iter().filter(|record| record["sends"]["event"] == "lost").count();
    assert!(lost <= 3, "{lost} attempts");
}

#[tokio::test]
async fn a_callback_under_a_wrong_path_is_recorded_once_a_day() {
    let stage = Stage::new().await;
    for path in ["/prod/callback", "/callback/", "/Callback", "/", "/elsewhere"] {
        let (ticket, usual) = (stage.ticket(demo::CONTOSO).await, stage.get(&format!("{}{path}", stage.base)).await);
        let earlier = stage.records().len();
        let address = format!("{}{path}?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::CONTOSO);
        stage.http.head(&address).send().await.unwrap();
        assert_eq!(stage.records().len(), earlier, "{path}: HEAD has no effect");
        for _ in 0..50 {
            let page = stage.get(&address).await;
            assert_eq!((page.status, page.outcome()), (usual.status, usual.outcome()), "{path}");
        }
        let records = stage.records();
        assert_eq!(records.len(), earlier + 1, "{path}");
        let record = &records[earlier];
        assert_eq!((&record["event"], &record["rejection"]["reason"]), (&"rejected".into(), &"wrong_path".into()));
        assert_eq!((&record["tenant"], &record["app"]), (&demo::CONTOSO.to_string().into(), &"mail-backup".into()));
        assert!(record["ticket"].is_string());
    }
    let (ticket, earlier) = (stage.ticket(demo::CONTOSO).await, stage.records().len());
    let form = [("admin_consent", "True"), ("state", ticket.as_str())];
    let posted = stage.http.post(format!("{}/", stage.base)).form(&form).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    assert_eq!(stage.records()[earlier]["rejection"]["reason"], "wrong_path", "a form counts as well");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_stranger_under_a_wrong_path_leaves_nothing() {
    let stage = Stage::new().await;
    let forged = stage.ticket(demo::CONTOSO).await.replacen('.', ".e", 1);
    for query in ["", "?state=x", "?state=x&state=y", "?admin_consent=True", &format!("?state={forged}")] {
        for path in ["/prod/callback", "/"] {
            stage.get(&format!("{}{path}{query}", stage.base)).await;
        }
    }
    assert!(stage.records().is_empty());
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_unrecorded_callback_under_a_wrong_path_is_a_503() {
    let stage = Stage::new().await;
    let address = format!("{}/prod/callback?admin_consent=True&state={}", stage.base, stage.ticket(demo::CONTOSO).await);
    stage.leave_room_for(0);
    assert_eq!(stage.get(&address).await.status, 503);
    stage.leave_room_for(9);
    assert_eq!((stage.get(&address).await.status.as_u16(), stage.records().len()), (404, 1), "the next one is recorded");
}
