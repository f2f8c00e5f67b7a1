//! A check that began before the ticket never concludes that ticket's approval, and a check that began before a claim of success never
//! concludes that claim.

use std::sync::Arc;
use std::time::Duration;

use entra_consent::serve::store::{Store, StoreOutbox};
use entra_sandbox::{Change, Kind, demo};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use super::support::northwind::{APPLE_AND_CHAIN, BY_ITSELF, DIRECTORY_AND_REQUESTS, USUAL, mail_backup, reader};
use super::support::stage::{MakeOutbox, Options, Page, Stage, ticket_of};

const CANCEL: &str = "error=access_denied&error_subcode=cancel";

fn apps() -> String {
    [reader(DIRECTORY_AND_REQUESTS), mail_backup(BY_ITSELF, USUAL), APPLE_AND_CHAIN.into()].concat()
}

async fn stage() -> Stage {
    Stage::with(Options { apps: Some(apps()), queue: true, ..Options::default() }).await
}

/// A stage whose outbox is the store of `serve`, which knows the last published outcome.
async fn stage_of_serve() -> Stage {
    let more = "[store]\npath = \"unused\"\n[webhook]\nurl = \"https://hook.example/\"\nsecret = { env = \"APP_SECRET\" }".into();
    let outbox: MakeOutbox = Box::new(|clock| Arc::new(StoreOutbox::new(Store::in_memory().unwrap(), clock, true)));
    Stage::with(Options { apps: Some(apps()), more, outbox: Some(outbox), ..Options::default() }).await
}

async fn press(stage: &Stage, app: &str) -> Page {
    let invitation = stage.invite(app, demo::CONTOSO).await;
    let page = stage.read(stage.http.post(invitation).send().await.unwrap()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    page
}

/// Presses the button and returns the address at Microsoft behind it.
async fn at_microsoft(stage: &Stage, app: &str) -> Url {
    let page = press(stage, app).await;
    let location = page.header("location").unwrap();
    assert!(location.starts_with(&stage.microsoft), "{location}");
    location.parse().unwrap()
}

fn delete(stage: &Stage) {
    stage.change(Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
}

fn conclusions(stage: &Stage) -> Vec<String> {
    let records = stage.records();
    let concluded = records.iter().filter(|record| record["event"] == "concluded");
    concluded.map(|record| record["outcome"]["after"].as_str().unwrap().to_owned()).collect()
}

fn checks(stage: &Stage) -> u64 {
    stage.control.count(Kind::Token)
}

#[tokio::test]
async fn refusal_ignores_an_older_check_of_an_approval() {
    let stage = stage().await;
    let first = at_microsoft(&stage, "mail-backup").await;
    stage.advance(9);
    assert_eq!(stage.administrator(&first, demo::CONTOSO, "accept").await.outcome(), "granted");
    delete(&stage);
    stage.advance(4);
    let second = at_microsoft(&stage, "mail-backup").await;
    stage.advance(1);
    let page = stage.claim(&ticket_of(&second), CANCEL).await;
    assert_eq!(page.outcome(), "pending", "the app was deleted, and this person pressed Cancel");
    let events = stage.outbox.events();
    assert_eq!(events.iter().filter(|event| event["outcome"]["after"] == "granted").count(), 1, "{events:?}");
}

/// Waits until an earlier check is at least 10 s old and presses the button, so that the button makes a new check.
async fn at_microsoft_after_ten_seconds(stage: &Stage) -> Url {
    stage.advance(10);
    at_microsoft(stage, "mail-backup").await
}

#[tokio::test]
async fn refusal_of_a_new_ticket_is_pending_until_the_next_check() {
    let stage = stage().await;
    let first = at_microsoft(&stage, "mail-backup").await;
    stage.advance(2);
    assert_eq!(stage.claim(&ticket_of(&first), CANCEL).await.outcome(), "declined");
    let second = at_microsoft_after_ten_seconds(&stage).await;
    stage.advance(3);
    let page = stage.claim(&ticket_of(&second), CANCEL).await;
    assert_eq!(page.outcome(), "pending", "no check is younger than this ticket");
    assert_eq!(stage.last_record()["sends"]["order"], "sent");
    stage.work(60).await;
    assert_eq!(conclusions(&stage).last().unwrap(), "declined");
    assert!(stage.get(&page.url).await.header("location").is_some(), "the page uses the later check");
}

#[tokio::test]
async fn acceptance_after_a_mistaken_cancel_is_granted_at_once() {
    let stage = stage().await;
    let first = at_microsoft(&stage, "mail-backup").await;
    stage.advance(5);
    assert_eq!(stage.administrator(&first, demo::CONTOSO, "cancel").await.outcome(), "declined");
    stage.advance(3);
    assert_eq!(stage.administrator(&first, demo::CONTOSO, "accept").await.outcome(), "granted", "the same ticket again");
    delete(&stage);
    let second = at_microsoft_after_ten_seconds(&stage).await;
    stage.advance(1);
    assert_eq!(stage.administrator(&second, demo::CONTOSO, "accept").await.outcome(), "granted", "a new one");
}

#[tokio::test]
async fn claims_of_success_start_one_check_in_ten_seconds() {
    let stage = stage().await;
    let link = at_microsoft(&stage, "mail-backup").await;
    let ticket = ticket_of(&link);
    stage.advance(1);
    let before = checks(&stage);
    for second in 0..60 {
        assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "pending", "second {second}");
        stage.claim(&ticket, CANCEL).await;
        stage.advance(1);
    }
    let made = checks(&stage) - before;
    assert!((6..=9).contains(&made), "{made} checks in a minute: one in 10 s for successes, one in 30 s for the rest");
}

#[tokio::test]
async fn check_of_another_kind_uses_no_claim_of_success_up() {
    let stage = stage().await;
    let (first, second) = (at_microsoft(&stage, "mail-backup").await, at_microsoft(&stage, "mail-backup").await);
    stage.advance(2);
    assert_eq!(stage.claim(&ticket_of(&first), CANCEL).await.outcome(), "declined");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(1);
    assert_eq!(stage.claim_success(&ticket_of(&second), demo::CONTOSO).await.outcome(), "granted");
}

#[tokio::test]
async fn press_within_ten_seconds_leads_and_concludes_nothing() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    assert!(press(&stage, "mail-backup").await.header("location").unwrap().contains("/r/"));
    assert_eq!(conclusions(&stage), ["granted"]);
    let (checks_before, events) = (checks(&stage), stage.outbox.events().len());
    delete(&stage);
    stage.advance(5);
    let led = press(&stage, "mail-backup").await;
    let location = led.header("location").unwrap();
    assert!(location.contains("/r/"), "an approval that may be complete does not lead to Microsoft: {location}");
    assert_eq!(stage.open(location).await.outcome(), "pending", "nothing was seen since the press");
    assert_eq!((conclusions(&stage), stage.outbox.events().len()), (vec!["granted".to_owned()], events));
    assert_eq!(checks(&stage), checks_before + 1, "the page makes its own check");
    stage.advance(5);
    at_microsoft(&stage, "mail-backup").await;
}

#[tokio::test]
async fn direct_links_claims_count_from_their_arrival() {
    let stage = stage().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.grant(demo::CONTOSO, demo::APP);
    assert_eq!(stage.claim(&ticket, CANCEL).await.outcome(), "granted");
    delete(&stage);
    stage.advance(4);
    assert_eq!(stage.claim(&ticket, CANCEL).await.outcome(), "pending", "the check is older than this claim");
    stage.advance(26);
    assert_eq!(stage.claim(&ticket, CANCEL).await.outcome(), "declined");
}

#[tokio::test]
async fn verifiers_approval_makes_its_earlier_checks_stale() {
    let stage = stage().await;
    let watched = press(&stage, "apple").await;
    let watch = watched.header("location").unwrap().to_owned();
    assert_eq!(stage.get(&watch).await.outcome(), "reported_unverified", "the reader is not approved yet");
    let reader = at_microsoft(&stage, "reader").await;
    stage.advance(8);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None });
    assert_eq!(stage.administrator(&reader, demo::CONTOSO, "accept").await.outcome(), "granted");
    let page = stage.open(&watch).await;
    assert_eq!(page.outcome(), "granted", "the reader sees it now, 8 s after it could not");
}

#[tokio::test]
async fn page_that_shows_less_than_its_record_leaves_a_line() {
    let stage = stage().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    delete(&stage);
    stage.advance(31);
    for _ in 0..2 {
        assert_eq!(stage.open(&page.url).await.outcome(), "pending", "within 20 minutes, this may be a replica that lags");
    }
    let shown: Vec<Value> = stage.records().into_iter().filter(|record| record["event"] == "shown").collect();
    assert_eq!(shown.len(), 1, "one line for one check: {shown:?}");
    assert_eq!(shown[0]["outcome"], serde_json::json!({ "before": "granted", "after": "pending" }));
    assert_eq!(shown[0]["finding"]["verdict"], "nothing_seen");
    assert_eq!(conclusions(&stage), ["granted"]);
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(31);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
    assert_eq!(stage.records().last().unwrap()["event"], "shown", "a page that shows as much leaves none");
}

#[tokio::test]
async fn unverified_is_said_once_after_the_verifiers_minutes() {
    let stage = stage().await;
    let reader = at_microsoft(&stage, "reader").await;
    assert_eq!(stage.claim_success(&ticket_of(&reader), demo::CONTOSO).await.outcome(), "pending", "no approval stands behind the claim");
    stage.advance(8);
    let watched = press(&stage, "apple").await;
    let watch = watched.header("location").unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(stage.open(&watch).await.outcome(), "pending");
        stage.work(590).await;
    }
    stage.work(86_400).await;
    let events = stage.outbox.events();
    let of_apple = events.iter().filter(|event| event["app"]["id"] == "apple");
    let said: Vec<_> = of_apple.map(|event| (event["outcome"]["after"].as_str().unwrap(), event["severity"].as_str().unwrap())).collect();
    assert_eq!(said, [("pending", "update"), ("reported_unverified", "open")]);
    assert_eq!(stage.open(&watch).await.outcome(), "reported_unverified");
}

#[tokio::test]
async fn order_waits_for_a_check_that_counts() {
    let stage = stage().await;
    let (first, second) = (at_microsoft(&stage, "mail-backup").await, at_microsoft(&stage, "mail-backup").await);
    stage.advance(1);
    assert_eq!(stage.claim_success(&ticket_of(&first), demo::CONTOSO).await.outcome(), "pending");
    stage.work(7).await;
    assert_eq!(stage.claim_success(&ticket_of(&second), demo::CONTOSO).await.outcome(), "pending", "7 s after the first claim's check");
    let ticket = stage.last_record()["ticket"].clone();
    stage.grant(demo::CONTOSO, demo::APP);
    stage.work(20).await;
    // The schedule's jitter decides when the first order comes, so only the second order is certain to be checked by now.
    let is_granted = |record: &&Value| record["ticket"] == ticket && record["outcome"]["after"] == "granted";
    let granted = stage.records().iter().filter(is_granted).filter(|record| record["event"] == "concluded").count();
    assert_eq!(granted, 1, "the worker's check for the first order is older than the second claim: {:?}", stage.records());
}

#[tokio::test]
async fn check_under_way_counts_for_no_later_acceptance() {
    use entra_sandbox::{Effect, Fault, FaultAt};
    let stage = stage().await;
    let (first, second) = (at_microsoft(&stage, "mail-backup").await, at_microsoft(&stage, "mail-backup").await);
    stage.advance(2);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 400 }).times(1)).unwrap();
    let slow = async { stage.claim(&ticket_of(&first), CANCEL).await };
    let accepted = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stage.advance(1);
        stage.grant(demo::CONTOSO, demo::APP);
        stage.claim_success(&ticket_of(&second), demo::CONTOSO).await
    };
    let (_, accepted) = futures_util::join!(slow, accepted);
    assert_eq!(accepted.outcome(), "granted");
}

/// A pseudo-random sequence that is the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The links and pages of one person.
#[derive(Default)]
struct Person {
    link: Option<(Url, u64)>,
    /// Its claims since the button was pressed.
    claims: u32,
    result: Option<(String, u64)>,
}

/// Whether the app was approved in each second of the history.
struct Truth {
    approved: bool,
    changes: Vec<(u64, bool)>,
}

impl Truth {
    fn set(&mut self, now: u64, approved: bool) {
        self.approved = approved;
        self.changes.push((now, approved));
    }

    fn was_approved_since(&self, moment: u64) -> bool {
        let before = self.changes.iter().rev().find(|(at, _)| *at <= moment).is_some_and(|(_, approved)| *approved);
        before || self.changes.iter().any(|(at, approved)| *at >= moment && *approved)
    }
}

#[tokio::test]
async fn histories_of_three_people_conclude_the_truth() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for history in 0..24 {
        let stage = if history % 2 == 0 { stage().await } else { stage_of_serve().await };
        let mut privacy: [Person; 3] = Default::default();
        let mut truth = Truth { approved: false, changes: Vec::new() };
        let (mut now, mut last_success): (u64, Option<u64>) = (0, None);
        let mut steps = Vec::new();
        for _ in 0..30 {
            let pause = [1, 1, 2, 3, 4, 5, 8, 12, 20, 31][usize::try_from(numbers.below(10)).unwrap()];
            stage.advance(pause);
            now += pause;
            let who = usize::try_from(numbers.below(3)).unwrap();
            let act = numbers.below(10);
            let person = &mut privacy[who];
            let told = |outcome: &str| format!("history {history}, second {now}, person {who}, {outcome}: {steps:?}");
            let step = match (act, person.link.clone()) {
                (0..=2, _) | (_, None) => {
                    let page = press(&stage, "mail-backup").await;
                    let location = page.header("location").unwrap().to_owned();
                    if location.starts_with(&stage.microsoft) {
                        person.link = Some((location.parse().unwrap(), now));
                        person.claims = 0;
                        "press, to Microsoft".to_owned()
                    } else {
                        let outcome = stage.open(&location).await.outcome();
                        assert!(outcome == "pending" || (outcome == "granted" && truth.approved), "{}", told(&outcome));
                        person.result = Some((location, now));
                        format!("press, {outcome}")
                    }
                }
                (3..=5, Some((link, _))) => {
                    let page = stage.administrator(&link, demo::CONTOSO, "accept").await;
                    truth.set(now, true);
                    person.claims += 1;
                    // Beyond five claims of one link, a claim starts no check.
                    let recent = person.claims > 5 || last_success.is_some_and(|at| now - at < 10);
                    let outcome = page.outcome();
                    assert!(outcome == "granted" || (recent && outcome == "pending"), "{}", told(&outcome));
                    if !recent {
                        last_success = Some(now);
                    }
                    person.result = Some((page.url, now));
                    format!("accept, {outcome}")
                }
                (6..=7, Some((link, issued))) => {
                    let page = stage.administrator(&link, demo::CONTOSO, "cancel").await;
                    person.claims += 1;
                    let outcome = page.outcome();
                    let fits = match outcome.as_str() {
                        "granted" => truth.was_approved_since(issued),
                        other => matches!(other, "pending" | "declined" | "revoked"),
                    };
                    assert!(fits, "{}", told(&outcome));
                    person.result = Some((page.url, issued));
                    format!("cancel, {outcome}")
                }
                (8, _) if truth.approved => {
                    delete(&stage);
                    truth.set(now, false);
                    "delete".to_owned()
                }
                _ => match person.result.clone() {
                    Some((address, since)) => {
                        let page = stage.open(&address).await;
                        let outcome = page.outcome();
                        assert!(outcome != "granted" || truth.was_approved_since(since), "{}", told(&outcome));
                        if outcome == "granted" && last_success.is_none_or(|at| now - at >= 10) {
                            // The page of an accepted ticket may itself have started a check, which later claims share for 10 s.
                            last_success = Some(now);
                        }
                        person.result = Some((page.url, since));
                        format!("visit, {outcome}")
                    }
                    None => "nothing".to_owned(),
                },
            };
            steps.push(format!("{now} {who} {step}"));
        }
        for record in stage.records().iter().filter(|record| record["event"] == "concluded" && record["outcome"]["after"] == "granted") {
            assert_eq!(record["finding"]["verdict"], "all_required", "history {history}: {record} {steps:?}");
        }
        let granted: Vec<Value> = stage.outbox.events().into_iter().filter(|event| event["outcome"]["after"] == "granted").collect();
        assert!(granted.is_empty() || !truth.changes.is_empty());
    }
}
