//! Posts to a real receiver on loopback, in place of the operator's system.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entra_consent::consent::outcome::Severity;
use entra_consent::consent::{Outcome, ProfileId, TokenId};
use entra_consent::env::Rng;
use entra_consent::outbox::{Basis, Correlation, EVENT_SCHEMA, EventApp, EventCut, EventTenant, Outbox, OutcomeEvent};
use entra_consent::serve::store::{Deliverer, Store, StoreCounts, StoreOutbox};
use entra_consent::serve::webhook::Webhook;
use entra_sandbox::demo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::same_id;
use crate::support::stage::{Options, Stage};

#[derive(Debug, Clone)]
pub(crate) enum Say {
    Status(u16),
    Header(u16, &'static str, String),
    /// Closes the connection without an answer.
    Hang,
}

/// A post as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) path: String,
    pub(crate) at: time::OffsetDateTime,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Receiver {
    answers: Arc<Mutex<VecDeque<Say>>>,
    posts: Arc<Mutex<Vec<Post>>>,
    pub(crate) base: String,
}

impl Receiver {
    /// Starts a receiver that gives these answers in turn, then 204 for all further posts.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), base, ..Self::default() };
        let router = Router::new().fallback(answer).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

async fn answer(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    receiver.posts.lock().unwrap().push(Post { headers, body, path: uri.to_string(), at: time::OffsetDateTime::now_utc() });
    let say = receiver.answers.lock().unwrap().pop_front().unwrap_or(Say::Status(204));
    match say {
        Say::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Say::Header(status, name, value) => (StatusCode::from_u16(status).unwrap(), [(name, value)]).into_response(),
        Say::Hang => std::future::pending().await,
    }
}

pub(crate) const SECRET: &str = "whsec_Y2FuYXJ5LXNlY3JldC1vZi10aGUtd2ViaG9vaw==";

/// A stage, its store and a deliverer that posts to the receiver.
struct Set {
    stage: Stage,
    store: Store,
    outbox: StoreOutbox,
    deliverer: Deliverer,
    secret: tempfile::Secret,
}

mod tempfile {
    //! A file with the webhook's secret.
    pub(super) struct Secret(pub(super) std::path::PathBuf);
    impl Secret {
        pub(super) fn new(text: &str) -> Self {
            let name = format!("webhook-{}.txt", uuid::Uuid::new_v4());
            let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }
    impl Drop for Secret {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

async fn set(receiver: &Receiver, secret: &str) -> Set {
    on(Store::in_memory().unwrap(), receiver, secret).await
}

async fn on(store: Store, receiver: &Receiver, secret: &str) -> Set {
    let file = tempfile::Secret::new(secret);
    let more = format!(
        "[store]\npath = \"unused.redb\"\n[webhook]\nurl = \"{}/hook?sig=canary-secret\"\nsecret = {{ file = \"{}\" }}",
        receiver.base,
        file.0.display()
    );
    let stage = Stage::with(Options { more, ..Options::default() }).await;
    let outbox = StoreOutbox::new(store.clone(), stage.installation.clock.clone(), true);
    let webhook = Webhook::new(stage.installation.config.webhook.clone().unwrap()).unwrap();
    // This byte is the middle of the jitter, so waits are exactly as in the schedule.
    let deliverer = Deliverer::new(Arc::clone(&stage.installation), store.clone(), webhook, Rng::new(|| [127; 16]));
    Set { stage, store, outbox, deliverer, secret: file }
}

pub(crate) fn event(stage: &Stage, id: &str) -> OutcomeEvent {
    OutcomeEvent {
        schema: EVENT_SCHEMA,
        id: id.into(),
        at: stage.installation.clock.now(),
        as_of: stage.installation.clock.now(),
        since: stage.installation.clock.now_unix(),
        callback_at: stage.installation.clock.now_unix(),
        subject: format!("{}/{}", demo::CONTOSO, demo::APP),
        tenant: EventTenant { id: Some(same_id(demo::CONTOSO)), name: Some("Contoso Ltd. \u{2028} ü".into()) },
        app: EventApp { id: ProfileId::parse("mail-backup").unwrap(), client_id: same_id(demo::APP), name: "Northwind Mail Backup".into() },
        label: Some("Contoso Ltd".into()),
        reference: None,
        outcome: entra_consent::record::OutcomeLine { before: Some(Outcome::Pending), after: Outcome::Granted },
        cause: None,
        severity: Severity::Close,
        basis: Basis::Finding,
        counted: false,
        provisional: false,
        summary: "approved".into(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        cut: EventCut::default(),
        correlation: Correlation {
            ticket: TokenId::from_random([1; 16]),
            invitation: None,
            request: None,
            trace_id: None,
            correlation_id: None,
        },
    }
}

impl Set {
    async fn put(&self, id: &str) {
        self.outbox.put_event(&event(&self.stage, id)).await.unwrap();
    }

    /// Delivers everything that is due now.
    async fn deliver(&mut self) {
        while self.deliverer.step().await.unwrap() > 0 {}
    }

    async fn counts(&self) -> StoreCounts {
        self.store.counts().await.unwrap()
    }
}

#[tokio::test]
async fn a_post_is_what_the_reference_implementation_accepts() {
    let receiver = Receiver::start([]).await;
    let other = format!("whsec_{}", STANDARD.encode([9; 24]));
    let mut set = set(&receiver, &format!("{SECRET} {other}\n")).await;
    // The reference implementation reads the machine's clock.
    set.stage.clock.set(time::OffsetDateTime::now_utc());
    set.put("tr_1-a").await;
    set.deliver().await;
    let [post] = receiver.posts().try_into().unwrap();
    for secret in [SECRET, &other] {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&post.body, &post.headers).unwrap();
    }
    let stranger = standardwebhooks::Webhook::new(&format!("whsec_{}", STANDARD.encode([8; 24]))).unwrap();
    assert!(stranger.verify(&post.body, &post.headers).is_err());
    let changed = [&post.body[..], b" "].concat();
    assert!(standardwebhooks::Webhook::new(SECRET).unwrap().verify(&changed, &post.headers).is_err());

    assert_eq!((post.header("webhook-id"), post.header("content-type")), ("tr_1-a", "application/json"));
    assert_eq!(post.path, "/hook?sig=canary-secret");
    let json = post.json();
    assert_eq!((&json["type"], &json["timestamp"]), (&"consent.outcome".into(), &json["data"]["at"]));
    assert_eq!(json["data"]["outcome"], serde_json::json!({ "before": "pending", "after": "granted" }));
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 0 });
}

#[tokio::test]
async fn a_failure_is_repeated_on_the_schedule_with_the_same_id_and_a_new_timestamp() {
    let receiver = Receiver::start([Say::Status(500), Say::Status(404)]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    set.deliver().await;
    set.stage.advance(4);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 1, "not before 5 seconds");
    set.stage.advance(2);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 2);
    set.stage.advance(290);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 2, "not before 5 minutes");
    set.stage.advance(11);
    set.deliver().await;
    let posts = receiver.posts();
    assert_eq!(posts.len(), 3);
    assert!(posts.iter().all(|post| post.header("webhook-id") == "e1" && post.body == posts[0].body));
    let stamps: Vec<i64> = posts.iter().map(|post| post.header("webhook-timestamp").parse().unwrap()).collect();
    assert_eq!((stamps[1] - stamps[0], stamps[2] - stamps[1]), (6, 301));
    assert_ne!(posts[0].header("webhook-signature"), posts[1].header("webhook-signature"));
    assert_eq!(set.counts().await.deliveries, 0);
}

#[tokio::test]
async fn an_event_is_a_dead_letter_after_ten_attempts() {
    let receiver = Receiver::start(vec![Say::Status(500); 10]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    let hour = 3600;
    for wait in [0, 6, 301, 1801, 2 * hour + 1, 5 * hour + 1, 10 * hour + 1, 14 * hour + 1, 20 * hour + 1, 24 * hour + 1] {
        set.stage.advance(wait);
        set.deliver().await;
    }
    assert_eq!(receiver.posts().len(), 10);
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 1 });
    let letters = set.store.dead_letters(1).await.unwrap();
    assert_eq!((letters[0].id.as_str(), letters[0].why.as_str(), letters[0].failures), ("e1", "HTTP 500", 10));
    let [record] = <[_; 1]>::try_from(set.stage.records()).unwrap();
    assert_eq!(record["event"], "failed");
    assert_eq!(record["message"], serde_json::json!({ "id": "e1", "received": 10, "reason": "not_delivered" }));

    set.store.revive(0).await.unwrap();
    set.deliver().await;
    assert_eq!(receiver.posts()[10].header("webhook-id"), "e1");
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 0 });
}

#[tokio::test]
async fn a_dead_letter_that_is_dropped_for_want_of_room_is_recorded() {
    let receiver = Receiver::start(vec![Say::Status(500); 20]).await;
    let mut set = on(Store::in_memory_for(9, 1).unwrap(), &receiver, SECRET).await;
    for id in ["e1", "e2"] {
        set.put(id).await;
        for _ in 0..10 {
            set.deliver().await;
            set.stage.advance(2 * 86_400);
        }
    }
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 0, dead: 1 });
    let told: Vec<_> = set.stage.records().iter().map(|record| record["message"].clone()).collect();
    let lost = |id, reason| serde_json::json!({ "id": id, "received": 10, "reason": reason });
    assert_eq!(told, [lost("e1", "not_delivered"), lost("e2", "not_delivered"), lost("e1", "dropped")]);
}

#[tokio::test]
async fn gone_ends_posting_and_what_waits_is_kept() {
    let receiver = Receiver::start([Say::Status(410)]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    set.deliverer.step().await.unwrap();
    set.put("e2").await;
    set.stage.advance(86_400);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 1, "no further post");
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 2, dead: 0 });
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_leads_nowhere() {
    let elsewhere = Receiver::start([]).await;
    let receiver = Receiver::start([Say::Header(307, "location", elsewhere.base.clone()), Say::Header(301, "location", "/".into())]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    for wait in [0, 6, 301] {
        set.stage.advance(wait);
        set.deliver().await;
    }
    assert_eq!((receiver.posts().len(), elsewhere.posts().len()), (3, 0));
    assert_eq!(set.counts().await.deliveries, 0);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it_for_every_event() {
    let receiver = Receiver::start([Say::Header(503, "retry-after", "600".into())]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    set.deliver().await;
    set.put("e2").await;
    set.stage.advance(599);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 1);
    set.stage.advance(2);
    set.deliver().await;
    let ids: Vec<_> = receiver.posts().iter().map(|post| post.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, ["e1", "e2", "e1"]);
}

#[tokio::test]
async fn an_overloaded_receiver_is_left_alone_for_a_while() {
    for status in [429, 502, 504] {
        let receiver = Receiver::start([Say::Status(status)]).await;
        let mut set = set(&receiver, SECRET).await;
        set.put("e1").await;
        set.deliver().await;
        set.put("e2").await;
        set.stage.advance(29);
        set.deliver().await;
        assert_eq!(receiver.posts().len(), 1, "{status}");
        set.stage.advance(2);
        set.deliver().await;
        assert_eq!(receiver.posts().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn the_longest_retry_after_of_a_batch_counts() {
    let hour = Say::Header(503, "retry-after", "3600".into());
    let receiver = Receiver::start([hour, Say::Status(429), Say::Status(429), Say::Status(204)]).await;
    let mut set = set(&receiver, SECRET).await;
    for id in ["e1", "e2", "e3", "e4"] {
        set.put(id).await;
    }
    set.deliver().await;
    set.put("e5").await;
    set.stage.advance(3_599);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 4);
    set.stage.advance(2);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 8);
}

#[tokio::test]
async fn a_receiver_that_asks_for_little_time_shortens_no_wait_of_the_schedule() {
    let receiver = Receiver::start([Say::Status(500), Say::Status(429)]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    for (wait, posts) in [(0, 1), (6, 2), (299, 2), (2, 3)] {
        set.stage.advance(wait);
        set.deliver().await;
        assert_eq!(receiver.posts().len(), posts, "after {wait} s more");
    }
}

#[tokio::test]
async fn an_event_whose_giving_up_cannot_be_recorded_is_tried_once_more() {
    let receiver = Receiver::start(vec![Say::Status(500); 12]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    set.stage.leave_room_for(0);
    for _ in 0..10 {
        set.deliver().await;
        set.stage.advance(2 * 86_400);
    }
    assert_eq!(set.counts().await, StoreCounts { orders: 0, deliveries: 1, dead: 0 }, "without a record, the event stays in the queue");
    set.stage.leave_room_for(9);
    set.deliver().await;
    assert_eq!((receiver.posts().len(), set.counts().await), (11, StoreCounts { orders: 0, deliveries: 0, dead: 1 }));
    assert_eq!(set.stage.last_record()["message"], serde_json::json!({ "id": "e1", "received": 10, "reason": "not_delivered" }));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_or_breaks_off_costs_an_attempt_and_no_event() {
    let receiver = Receiver::start([]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Receiver { base: format!("http://{closed}"), ..receiver };
    let mut nobody = set(&absent, SECRET).await;
    nobody.put("e1").await;
    nobody.deliver().await;
    assert_eq!(nobody.counts().await, StoreCounts { orders: 0, deliveries: 1, dead: 0 });

    // Accepts the connection and closes it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let mut broken = set(&Receiver { base, ..Receiver::default() }, SECRET).await;
    broken.put("e1").await;
    broken.deliver().await;
    assert_eq!(broken.counts().await, StoreCounts { orders: 0, deliveries: 1, dead: 0 });
}

#[tokio::test]
async fn one_event_that_hangs_holds_up_no_other_of_its_handful() {
    let receiver = Receiver::start([Say::Hang]).await;
    let mut set = set(&receiver, SECRET).await;
    set.put("e1").await;
    set.put("e2").await;
    set.put("e3").await;
    // The deliveries run concurrently, so all three arrive although the first gets no answer.
    let all_there = async {
        while receiver.posts().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = set.deliverer.step() => panic!("the batch ends with its slowest delivery"),
        () = all_there => {}
    }
    // The process ends here. The next process posts the unfinished deliveries again, with the same IDs.
    set.deliver().await;
    let mut ids: Vec<_> = receiver.posts().iter().map(|post| post.header("webhook-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids, set.counts().await.deliveries), (vec!["e1".to_owned(), "e2".into(), "e3".into()], 0));
}

#[tokio::test]
async fn without_a_secret_that_signs_nothing_is_sent_and_nothing_counted() {
    let receiver = Receiver::start([]).await;
    let mut set = set(&receiver, "whsec_dG9vIHNob3J0").await;
    set.put("e1").await;
    set.deliver().await;
    assert!(receiver.posts().is_empty());
    std::fs::write(&set.secret.0, SECRET).unwrap();
    set.stage.advance(601);
    set.deliver().await;
    assert_eq!(receiver.posts().len(), 1);
    assert_eq!(set.counts().await.deliveries, 0);
}

#[tokio::test]
async fn without_a_webhook_events_have_no_receiver() {
    let stage = Stage::new().await;
    let store = Store::in_memory().unwrap();
    let outbox = StoreOutbox::new(store.clone(), stage.installation.clock.clone(), false);
    outbox.put_event(&event(&stage, "e1")).await.unwrap();
    assert_eq!(store.counts().await.unwrap().deliveries, 0);
}
