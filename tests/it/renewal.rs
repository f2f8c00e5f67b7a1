//! The button of an expired invitation, which asks the operator for another link.

use std::sync::Arc;

use entra_consent::consent::{ExpectedTenant, Label, ProfileId, Query, Reference};
use entra_consent::serve::store::{Queue, Store, StoreOutbox};
use entra_consent::token::Subject;
use entra_consent::web::{self, AddressSource, FrontDoor, Request};
use entra_sandbox::demo;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::northwind::{APPLE_AND_CHAIN, BY_ITSELF, DIRECTORY_AND_REQUESTS, USUAL, mail_backup, reader};
use crate::support::outbox::{Mood, checked_renewal};
use crate::support::same_id;
use crate::support::stage::{MakeOutbox, Options, Page, READER, Stage};

const DAY: u64 = 86_400;
const ALLOWED: &str = "[links]\nrenewal_requests = true\n";
const BUTTON: &str = "Ask Northwind Managed Services for a new link";

fn options(more: &str) -> Options {
    let apps = [reader(DIRECTORY_AND_REQUESTS), mail_backup(BY_ITSELF, USUAL), APPLE_AND_CHAIN.into()].concat();
    Options { apps: Some(apps), more: more.into(), queue: true, ..Options::default() }
}

fn id(text: &str) -> ProfileId {
    ProfileId::parse(text).unwrap()
}

/// An invitation with the customer's name and the operator's reference.
async fn invite(stage: &Stage, subject: Subject, tenant: ExpectedTenant) -> String {
    let (label, reference) = (Label::parse("Contoso GmbH").unwrap(), Reference::parse("T-4711").unwrap());
    let life = stage.installation.config.links.invitation;
    stage.installation.invitation(subject, tenant, Some(label), Some(reference), life).await.unwrap().1
}

async fn invited(stage: &Stage) -> String {
    invite(stage, Subject::App(id("mail-backup")), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await
}

/// Presses the button, from a page of this site or another.
async fn ask(stage: &Stage, address: &str, from: &str) -> Page {
    stage.read(stage.http.post(address).header("sec-fetch-site", from).form(&[("ask", "renewal")]).send().await.unwrap()).await
}

fn requests(stage: &Stage) -> Vec<Value> {
    stage.records().into_iter().filter(|record| record["event"] == "renewal_requested").collect()
}

#[tokio::test]
async fn an_expired_link_asks_where_the_operator_allows_it() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invited(&stage).await;
    stage.advance(31 * DAY);
    for _ in 0..3 {
        let page = stage.get(&address).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
        assert!(page.text().contains(BUTTON), "{}", page.text());
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self'"));
    }
    assert_eq!((requests(&stage), stage.outbox.events()), (vec![], vec![]), "GET changes nothing");

    let page = ask(&stage, &address, "same-origin").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "renewal_requested"));
    assert!(!page.body.contains("/i/") && page.header("location").is_none(), "the page has no link: {}", page.body);
    assert!(page.text().contains("will write to the contact that they know"), "{}", page.text());
    let [event] = stage.outbox.events().try_into().unwrap();
    let [record] = requests(&stage).try_into().unwrap();
    assert_eq!((&event["id"], &event["invitation"]), (&record["transition"], &record["invitation"]));
    assert_eq!((&event["app"], &event["chain"], &event["tenant"]["id"]), (&json!("mail-backup"), &json!(null), &json!(demo::CONTOSO)));
    assert_eq!(event["subjects"], json!([format!("{}/{}", demo::CONTOSO, demo::APP)]));
    assert_eq!((&event["reference"], &event["tenant"]["name"]), (&json!("T-4711"), &json!("Contoso GmbH")));
    assert_eq!((&record["app"], &record["tenant"]), (&json!("mail-backup"), &json!(demo::CONTOSO)));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn only_a_known_customers_expired_link_asks_for_30_days() {
    let subject = Subject::App(id("mail-backup"));
    let revoked = format!("{ALLOWED}revoked_before = \"2026-11-21T00:00:00Z\"\n");
    for (what, more, days, outcome) in [
        ("not allowed", "", 31, "link_expired"),
        ("the last day", ALLOWED, 60, "renewal_requested"),
        ("31 days after its end", ALLOWED, 61, "link_expired"),
        ("revoked", &revoked, 31, "link_revoked"),
        ("not expired", ALLOWED, 29, "link_damaged"),
    ] {
        let stage = Stage::with(options(more)).await;
        let address = invited(&stage).await;
        stage.advance(days * DAY);
        let has_button = stage.get(&address).await.text().contains(BUTTON);
        assert_eq!(ask(&stage, &address, "same-origin").await.outcome(), outcome, "{what}");
        let asks = outcome == "renewal_requested";
        assert_eq!((has_button, stage.outbox.events().len(), requests(&stage).len()), (asks, asks.into(), asks.into()), "{what}");
    }
    let stage = Stage::with(options(ALLOWED)).await;
    let (address, any) = (invited(&stage).await, invite(&stage, subject.clone(), ExpectedTenant::Any).await);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let unknown = invite(&stage, Subject::App(id("another-app")), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    stage.advance(31 * DAY);
    let callback = format!("{}/callback?admin_consent=True&tenant={}&state={ticket}", stage.base, demo::CONTOSO);
    assert!(!stage.get(&callback).await.text().contains(BUTTON), "a direct link");
    let damaged = [format!("{}/i/{ticket}", stage.base), address.replace("/i/", "/i/x"), format!("{}/i/x.y.z", stage.base)];
    let others = damaged.iter().map(|address| (address.as_str(), "link_damaged"));
    for (address, outcome) in others.chain([(any.as_str(), "link_expired"), (&unknown, "link_expired")]) {
        assert!(!stage.get(address).await.text().contains(BUTTON), "{address}");
        assert_eq!(ask(&stage, address, "same-origin").await.outcome(), outcome, "{address}");
    }
    let events = stage.outbox.events();
    assert!(requests(&stage).is_empty() && events.iter().all(|event| event["schema"] == "entra-consent/outcome/1"), "{events:?}");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invited(&stage).await;
    stage.advance(31 * DAY);
    let page = ask(&stage, &address, "cross-site").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
    assert_eq!((requests(&stage), stage.outbox.events()), (vec![], vec![]));
}

#[tokio::test]
async fn all_requests_of_a_day_have_one_event_id() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invited(&stage).await;
    stage.advance(31 * DAY);
    for _ in 0..20 {
        assert_eq!(ask(&stage, &address, "same-origin").await.outcome(), "renewal_requested");
    }
    assert_eq!((stage.outbox.events().len(), requests(&stage).len()), (1, 1), "one process sends one event");

    // Another process remembers nothing of this.
    let request = Request {
        method: http::Method::POST,
        path: address.strip_prefix(&stage.base).unwrap().into(),
        query: Query::default(),
        headers: http::HeaderMap::new(),
        body: "ask=renewal".into(),
        source: None,
        source_from: AddressSource::Socket,
        front_door: FrontDoor::Local,
    };
    assert_eq!(web::handle(&stage.worker, request).await.status(), StatusCode::OK);
    stage.advance(DAY);
    ask(&stage, &address, "none").await;
    let ids: Vec<Value> = stage.outbox.events().iter().map(|event| event["id"].clone()).collect();
    assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn a_request_for_a_chain_names_the_tickets_of_its_apps() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invite(&stage, Subject::Chain(id("onboarding")), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    stage.advance(31 * DAY);
    ask(&stage, &address, "same-origin").await;
    let [event] = stage.outbox.events().try_into().unwrap();
    let [record] = requests(&stage).try_into().unwrap();
    assert_eq!((&event["app"], &event["chain"], &record["chain"]), (&json!(null), &json!("onboarding"), &json!("onboarding")));
    let subjects: Vec<String> = serde_json::from_value(event["subjects"].clone()).unwrap();
    assert!(subjects.len() > 1 && subjects.contains(&format!("{}/{READER}", demo::CONTOSO)), "{subjects:?}");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_says_so() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invited(&stage).await;
    stage.advance(31 * DAY);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    let page = ask(&stage, &address, "same-origin").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "renewal_not_sent"));
    assert!(page.text().contains("support@northwind.example") && page.header("retry-after").is_some(), "{}", page.text());
    let [before, after] = requests(&stage).try_into().unwrap();
    assert_eq!(
        (&before["sends"], &after["sends"]["event"], &after["sends"]["reason"]),
        (&json!(null), &json!("lost"), &json!("AccessDenied"))
    );
    stage.outbox.set(Mood::Takes, Mood::Takes);
    assert_eq!(ask(&stage, &address, "same-origin").await.outcome(), "renewal_requested");
    assert_eq!(stage.outbox.events().len(), 1);

    // A bus that fails is asked few times about one link.
    let another = invited(&stage).await;
    stage.advance(31 * DAY);
    stage.outbox.set(Mood::Takes, Mood::Refuses);
    for _ in 0..3 {
        ask(&stage, &another, "same-origin").await;
    }
    stage.outbox.set(Mood::Takes, Mood::Panics);
    assert_eq!(ask(&stage, &another, "same-origin").await.outcome(), "renewal_not_sent");
}

#[tokio::test]
async fn a_request_that_is_not_recorded_is_not_sent() {
    let stage = Stage::with(options(ALLOWED)).await;
    let address = invited(&stage).await;
    stage.advance(31 * DAY);
    stage.leave_room_for(0);
    let page = ask(&stage, &address, "same-origin").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"));
    assert_eq!(stage.outbox.events(), Vec::<Value>::new());
}

#[tokio::test]
async fn serve_posts_the_request_as_a_type_of_its_own() {
    let more =
        format!("{ALLOWED}[store]\npath = \"unused\"\n[webhook]\nurl = \"https://hook.example/\"\nsecret = {{ env = \"APP_SECRET\" }}\n");
    for (has_webhook, expected) in [(true, "renewal_requested"), (false, "link_expired")] {
        let store = Store::in_memory().unwrap();
        let kept = store.clone();
        let outbox: MakeOutbox = Box::new(move |clock| Arc::new(StoreOutbox::new(kept, clock, has_webhook)));
        let stage = Stage::with(Options { outbox: Some(outbox), ..options(&more) }).await;
        let address = invited(&stage).await;
        stage.advance(31 * DAY);
        assert_eq!(ask(&stage, &address, "same-origin").await.outcome(), expected);
        let due = store.due(Queue::Deliveries, u64::MAX, 10).await.unwrap();
        assert_eq!(due.len(), usize::from(has_webhook), "without a receiver, the page has no button");
        for (_, item) in due {
            let mut body: Value = serde_json::from_str(&item.body).unwrap();
            assert_eq!(body["type"], "consent.renewal_requested");
            assert_eq!(checked_renewal(&body["data"].take().to_string())["id"], json!(item.id));
        }
    }
}
