//! The complete path at AWS: the real callback and worker binaries, the real SDK clients, and moto as Secrets Manager, SQS and EventBridge.
//! The test does the rest of AWS's work: it polls the queue, invokes the worker with batches, and deletes the messages that were not
//! reported as failed.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use entra_consent::consent::Outcome;
use entra_sandbox::demo;
use serde_json::{Value, json};

use super::support::installation::TestInstallation;
use super::support::moto::Moto;
use super::support::northwind::{APP_SECRET, KEY};
use super::support::order::signed_order;
use super::support::outbox::checked_event_text;
use super::support::runtime_api::{Function, Invocation};
use super::support::stage::{CANARY, checked_record};

const KEYS_SECRET: &str = "entra-consent/ticket-key";
const APP_SECRET_NAME: &str = "msp/mail-backup";
const BUS: &str = "consent";
/// Most polls, ten a second, for a message that moto delays by some seconds. Far more than a test needs.
const POLLS: usize = 600;

/// An installation at AWS: queue and dead-letter queue, a bus with a queue that receives its events, and both secrets.
struct Aws {
    moto: Moto,
    sqs: aws_sdk_sqs::Client,
    orders: String,
    dead: String,
    heard: String,
}

/// A callback as an HTTP API delivers it.
pub(crate) fn callback_event(query: &str) -> String {
    let mut event: Value = serde_json::from_str(include_str!("../../events/http-api-success.json")).unwrap();
    event["rawPath"] = json!("/callback");
    event["rawQueryString"] = json!(query);
    event.to_string()
}

async fn settings(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .load()
        .await
}

impl Aws {
    async fn set_up() -> Self {
        let moto = Moto::start();
        let settings = settings(&moto.url).await;
        let secrets = aws_sdk_secretsmanager::Client::new(&settings);
        for (name, value) in [(KEYS_SECRET, KEY), (APP_SECRET_NAME, APP_SECRET)] {
            secrets.create_secret().name(name).secret_string(value).send().await.unwrap();
        }
        let sqs = aws_sdk_sqs::Client::new(&settings);
        let make = async |name: &str, attributes: &[(QueueAttributeName, String)]| {
            let request =
                attributes.iter().fold(sqs.create_queue().queue_name(name), |request, (key, value)| request.attributes(key.clone(), value));
            request.send().await.unwrap().queue_url.unwrap()
        };
        let (dead, heard) = (make("dead", &[]).await, make("heard", &[]).await);
        let redrive = json!({ "deadLetterTargetArn": arn(&sqs, &dead).await, "maxReceiveCount": 3 }).to_string();
        // A failed message is visible again at once, so the test receives it without a wait.
        let attributes = [(QueueAttributeName::RedrivePolicy, redrive), (QueueAttributeName::VisibilityTimeout, "0".into())];
        let orders = make("orders", &attributes).await;
        let bus = aws_sdk_eventbridge::Client::new(&settings);
        bus.create_event_bus().name(BUS).send().await.unwrap();
        let pattern = json!({ "source": ["entra-consent"], "detail-type": ["Consent outcome"] }).to_string();
        bus.put_rule().name("heard").event_bus_name(BUS).event_pattern(pattern).send().await.unwrap();
        let target = aws_sdk_eventbridge::types::Target::builder().id("heard").arn(arn(&sqs, &heard).await).build().unwrap();
        // moto loads a service at its first request, which takes longer than a browser may wait. AWS is not that slow, so this request
        // comes before the test.
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder().source("warm-up").detail_type("none").detail("{}");
        bus.put_events().entries(entry.event_bus_name(BUS).build()).send().await.unwrap();
        bus.put_targets().rule("heard").event_bus_name(BUS).targets(target).send().await.unwrap();
        Self { moto, sqs, orders, dead, heard }
    }

    async fn start(&self, program: &str, test: &TestInstallation) -> Function {
        let own = test.environment();
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.moto.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("ENTRA_CONSENT_KEYS_SECRET", KEYS_SECRET),
            ("ENTRA_CONSENT_QUEUE_URL", self.orders.as_str()),
            ("ENTRA_CONSENT_EVENT_BUS", BUS),
        ];
        environment.push(own[0]);
        Function::start(program, &[], &environment).await
    }

    async fn receive(&self, queue: &str) -> Vec<Message> {
        let request = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
        let answer = request.message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap();
        answer.messages.unwrap_or_default()
    }

    /// Polls until a queue has messages and returns them.
    async fn poll(&self, queue: &str) -> Vec<Message> {
        for _ in 0..POLLS {
            let messages = self.receive(queue).await;
            if !messages.is_empty() {
                return messages;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing arrived in {queue}");
    }

    async fn delete(&self, queue: &str, message: &Message) {
        self.sqs.delete_message().queue_url(queue).receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    /// Invokes the worker with a batch and deletes the messages that the worker did not report. Returns the IDs of the reported messages.
    async fn work(&self, worker: &mut Function, messages: &[Message]) -> Vec<String> {
        let records: Vec<Value> = messages.iter().map(as_record).collect();
        let answer = worker.invoke(json!({ "Records": records }).to_string()).await.response();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        let failed: Vec<String> = failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect();
        for message in messages.iter().filter(|message| !failed.iter().any(|id| message.message_id() == Some(id.as_str()))) {
            self.delete(&self.orders, message).await;
        }
        failed
    }

    /// The outcome events that the rule has forwarded so far. Each event is returned once.
    async fn heard(&self) -> Vec<Value> {
        let mut heard = Vec::new();
        for message in self.receive(&self.heard).await {
            self.delete(&self.heard, &message).await;
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            assert_eq!((&event["source"], &event["detail-type"]), (&"entra-consent".into(), &"Consent outcome".into()));
            heard.push(checked_event_text(&event["detail"].to_string()));
        }
        heard
    }
}

async fn arn(sqs: &aws_sdk_sqs::Client, queue: &str) -> String {
    let answer = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    answer.attributes().unwrap()[&QueueAttributeName::QueueArn].clone()
}

/// A message as Lambda's event source mapping delivers it.
fn as_record(message: &Message) -> Value {
    let received = &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    json!({
        "messageId": message.message_id(),
        "receiptHandle": message.receipt_handle(),
        "body": message.body(),
        "attributes": { "ApproximateReceiveCount": received, "SentTimestamp": "1800000000000", "SenderId": "AIDA", "ApproximateFirstReceiveTimestamp": "1800000000000" },
        "messageAttributes": {},
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "awsRegion": "eu-west-1",
    })
}

/// The records of a function so far, each checked. Asserts that its output contains no secret.
fn records(function: &Function) -> Vec<Value> {
    let written = function.stdout();
    assert!(!written.contains(CANARY) && !function.stderr().contains(CANARY), "a secret was written: {}", function.stderr());
    let records: Vec<Value> = written.lines().map(|line| checked_record(&format!("{line}\n"))).collect();
    assert!(records.iter().all(|record| record["invocation"].is_string()), "{written}");
    records
}

fn outcomes(values: &[Value]) -> Vec<(Value, Value)> {
    values.iter().map(|value| (value["outcome"]["before"].clone(), value["outcome"]["after"].clone())).collect()
}

/// A check every 3 s for the first minute, because each step of this test may take that long on a busy machine.
const EARLY: &str = "[worker]\nschedule = [\"1s\", \"3s\", \"6s\", \"9s\", \"12s\", \"15s\", \"18s\", \"21s\", \"24s\", \"27s\", \"30s\", \"33s\", \"36s\", \"39s\", \"42s\", \"45s\", \"48s\", \"51s\", \"54s\", \"57s\"]\n[keys]";
const IN_AWS: &str = "credential = { client_secret = { aws = \"msp/mail-backup\" } }";

/// Goes from the callback to the final record, with either setting of `verify_in`.
async fn complete_path(verify_in: &str) {
    let credential = format!("verify_in = \"{verify_in}\"\n{IN_AWS}");
    let aws = Aws::set_up().await;
    // The process that makes links has no variable for the queue, so the file names the queue as well.
    let early = EARLY.replace("[worker]", &format!("[worker]\nqueue = \"{}\"", aws.orders));
    let test = TestInstallation::replacing(
        "",
        &[("credential = { client_secret = { env = \"TEST_CLIENT_SECRET\" } }", &credential), ("[keys]", &early)],
    );
    let mut callback = aws.start(env!("CARGO_BIN_EXE_callback"), &test).await;
    let ticket = test.ticket(demo::CONTOSO).await;
    let query = format!("admin_consent=True&tenant={}&state={ticket}", demo::CONTOSO);
    let control = test.sandbox.control();
    // On a busy machine, 300 ms may be too short for moto. The record then says that the queue refused, and the browser reloads.
    for _ in 0..10 {
        let answer = callback.invoke(callback_event(&query)).await.response();
        assert_eq!(answer["statusCode"], 303, "{answer} {}", callback.stderr());
        if records(&callback).iter().any(|record| record["sends"]["order"] == "sent") {
            break;
        }
    }
    assert_eq!(control.upstream_calls() > 0, verify_in == "callback");
    let told: Vec<_> = records(&callback).iter().map(|record| record["event"].clone()).collect();
    assert_eq!(told[..3], ["claimed", "concluded", "dispatched"], "{}", callback.stderr());
    let mut heard = aws.heard().await;

    // An invalid message next to a genuine order fails alone and causes no call to Microsoft.
    let mut worker = aws.start(env!("CARGO_BIN_EXE_worker"), &test).await;
    let order = aws.poll(&aws.orders).await;
    let group = &order[0].attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId];
    assert_eq!(group, &demo::CONTOSO.to_string(), "a fair queue: the group is the tenant");
    aws.sqs.send_message().queue_url(&aws.orders).message_body("poison").send().await.unwrap();
    let poison = aws.poll(&aws.orders).await.into_iter().find(|message| message.body() == Some("poison")).unwrap();
    let batch: Vec<Message> = order.into_iter().chain([poison.clone()]).collect();
    assert_eq!(aws.work(&mut worker, &batch).await, [poison.message_id().unwrap()]);
    let rejected: Vec<_> = records(&worker).into_iter().filter(|record| record["event"] != "dispatched").collect();
    assert_eq!(rejected.len(), 1, "still pending, so only the invalid message is recorded: {rejected:?}");
    assert_eq!((&rejected[0]["event"], rejected[0]["message"]["id"].as_str()), (&"rejected".into(), poison.message_id()));

    // The approval becomes visible, and another process takes the next order.
    test.approve(demo::CONTOSO);
    let mut worker = aws.start(env!("CARGO_BIN_EXE_worker"), &test).await;
    for _ in 0..POLLS {
        let messages = aws.receive(&aws.orders).await;
        if !messages.is_empty() {
            aws.work(&mut worker, &messages).await;
        }
        heard.extend(aws.heard().await);
        if heard.iter().any(|event| event["outcome"]["after"] == "granted") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // If EventBridge was too slow, the product sent the event again, with the same ID.
    heard.sort_by_key(|event| event["outcome"]["before"] != Value::Null);
    heard.dedup_by_key(|event| event["id"].clone());
    assert_eq!(outcomes(&heard), [(Value::Null, "pending".into()), ("pending".into(), "granted".into())]);
    let granted = &heard[1];
    let of = |event: &str| records(&worker).into_iter().find(|record| record["event"] == event).unwrap_or_else(|| panic!("{event}"));
    let (concluded, settled) = (of("concluded"), of("settled"));
    assert_eq!((&concluded["transition"], &concluded["finding"]["verdict"]), (&granted["id"], &"all_required".into()));
    assert_eq!(settled["outcome"], json!({ "before": "granted", "after": "granted" }));
    assert_eq!((&granted["severity"], &granted["subject"]), (&"close".into(), &format!("{}/{}", demo::CONTOSO, demo::APP).into()));
    assert_eq!(heard[0]["subject"], granted["subject"], "one ticket for both");

    // After its last delivery the invalid message is in the dead-letter queue, and all queues are empty.
    let mut dead = Vec::new();
    for _ in 0..POLLS {
        let again = aws.receive(&aws.orders).await;
        if !again.is_empty() {
            aws.work(&mut worker, &again).await;
        }
        dead.extend(aws.receive(&aws.dead).await);
        if !dead.is_empty() {
            break;
        }
    }
    assert_eq!(dead[0].message_id(), poison.message_id());
    let named = records(&worker).into_iter().rfind(|record| record["event"] == "rejected").unwrap();
    assert_eq!((named["message"]["id"].as_str(), named["message"]["received"].as_u64()), (poison.message_id(), Some(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_callback_over_queue_and_worker_to_event_and_final_record() {
    complete_path("callback").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_verification_gives_the_same_records_and_events() {
    complete_path("worker").await;
}

/// The second delivery is carried out, so the message did not come back before its order was due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqs_keeps_the_message_of_an_order_until_it_is_due() {
    let aws = Aws::set_up().await;
    let test = TestInstallation::replacing("", &[("credential = { client_secret = { env = \"TEST_CLIENT_SECRET\" } }", IN_AWS)]);
    let mut worker = aws.start(env!("CARGO_BIN_EXE_worker"), &test).await;
    let ticket = test.ticket(demo::CONTOSO).await;
    let order = signed_order(&test.installation, &ticket, Outcome::Pending, 15).await;
    aws.sqs.send_message().queue_url(&aws.orders).message_body(&order).send().await.unwrap();
    let first = aws.poll(&aws.orders).await;
    assert_eq!(aws.work(&mut worker, &first).await, [first[0].message_id().unwrap()], "{}", worker.stderr());
    assert_eq!((records(&worker).len(), test.sandbox.control().upstream_calls()), (0, 0), "waiting is no failure");
    assert!(!worker.stderr().contains("put an order off"), "SQS accepted the receipt handle: {}", worker.stderr());
    assert!(aws.receive(&aws.orders).await.is_empty(), "the message is hidden");
    let second = aws.poll(&aws.orders).await;
    assert_eq!((second[0].message_id(), second[0].body()), (first[0].message_id(), Some(order.as_str())));
    assert!(aws.work(&mut worker, &second).await.is_empty());
    assert!(test.sandbox.control().upstream_calls() > 0, "the order was due");
}

/// Two processes cannot count together, so each has the bounds of its own. Consumers drop the twins of their events by the ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_bound_one_link_twice_and_their_events_are_twins() {
    const ERRORS: [&str; 6] = ["AADSTS65004", "AADSTS90094", "AADSTS50020", "AADSTS53003", "AADSTS650056", "AADSTS123456"];
    let aws = Aws::set_up().await;
    let test = TestInstallation::replacing("", &[("credential = { client_secret = { env = \"TEST_CLIENT_SECRET\" } }", IN_AWS)]);
    let ticket = test.ticket(demo::CONTOSO).await;
    let mut processes = [aws.start(env!("CARGO_BIN_EXE_callback"), &test).await, aws.start(env!("CARGO_BIN_EXE_callback"), &test).await];
    for claim in 0..60 {
        for process in &mut processes {
            let query = match ERRORS.get(claim % 8) {
                Some(code) => format!("error=access_denied&error_description={code}&state={ticket}"),
                None if claim % 8 == 6 => format!("admin_consent=True&state={ticket}"),
                None => format!("admin_consent=True&tenant={}&state={ticket}", demo::FABRIKAM),
            };
            let answer = process.invoke(callback_event(&query)).await.response();
            assert_eq!(answer["statusCode"], 303, "{answer}");
        }
    }
    // The 20 minutes may end while the test runs.
    let mut spans = std::collections::BTreeSet::new();
    for process in &processes {
        let records = records(process);
        spans.extend(records.iter().map(|record| unix_seconds(record) / 1_200));
        assert!(records.len() <= 50 * spans.len(), "{} records in {} spans", records.len(), spans.len());
    }
    let mut heard = aws.heard().await;
    for _ in 0..20 {
        heard.extend(aws.heard().await);
    }
    heard.sort_by_key(|event| event["id"].to_string());
    heard.dedup_by_key(|event| event["id"].clone());
    assert!(heard.len() <= 10 * spans.len(), "{} events", heard.len());
    let counted = heard.iter().filter(|event| event["counted"] == true).count();
    assert!((1..=spans.len()).contains(&counted), "{counted} counted events");
}

fn unix_seconds(record: &Value) -> i64 {
    let at = record["at"].as_str().unwrap();
    time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_queue_and_bus_are_recorded_and_the_page_still_loads() {
    let aws = Aws::set_up().await;
    let test = TestInstallation::new();
    let missing = format!("{}-that-nobody-made", aws.orders);
    let own = test.environment();
    let environment = [
        ("AWS_ENDPOINT_URL", aws.moto.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("ENTRA_CONSENT_QUEUE_URL", missing.as_str()),
        own[0],
        own[1],
    ];
    let mut callback = Function::start(env!("CARGO_BIN_EXE_callback"), &[], &environment).await;
    let query = format!("admin_consent=True&tenant={}&state={}", demo::CONTOSO, test.ticket(demo::CONTOSO).await);
    let answer = callback.invoke(callback_event(&query)).await.response();
    assert_eq!(answer["statusCode"], 303, "{answer}");
    let last = records(&callback).pop().unwrap();
    assert_eq!(
        (&last["event"], &last["sends"]["order"], &last["sends"]["event"]),
        (&"dispatched".into(), &"refused".into(), &"none".into())
    );
    assert!(last["sends"]["reason"].as_str().unwrap().contains("NonExistentQueue"), "{last}");
}

#[tokio::test]
async fn a_queue_and_a_bus_that_take_connections_and_never_answer_keep_no_browser_waiting() {
    // The kernel accepts connections to this listener, and no thread reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let queue = format!("{endpoint}/123456789012/orders");
    let test = TestInstallation::new();
    let own = test.environment();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("ENTRA_CONSENT_QUEUE_URL", queue.as_str()),
        ("ENTRA_CONSENT_EVENT_BUS", "default"),
        own[0],
        own[1],
    ];
    let mut callback = Function::start(env!("CARGO_BIN_EXE_callback"), &[], &environment).await;
    let query = format!("admin_consent=True&tenant={}&state={}", demo::CONTOSO, test.ticket(demo::CONTOSO).await);
    let answer = callback.invoke(callback_event(&query)).await.response();
    assert_eq!(answer["statusCode"], 303, "{answer}");
    let sends = records(&callback).pop().unwrap()["sends"].clone();
    assert_eq!(sends, json!({ "order": "refused", "event": "lost", "reason": "no_answer_in_time" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_needs_no_configuration_file() {
    let aws = Aws::set_up().await;
    let test = TestInstallation::new();
    let text = std::fs::read_to_string(test.path("consent.toml")).unwrap();
    let secrets = aws_sdk_secretsmanager::Client::new(&settings(&aws.moto.url).await);
    secrets.create_secret().name("msp/consent").secret_string(&text).send().await.unwrap();
    let query = format!("admin_consent=True&tenant={}&state={}", demo::CONTOSO, test.ticket(demo::CONTOSO).await);
    for source in [("ENTRA_CONSENT_CONFIG", "secret:msp/consent"), ("ENTRA_CONSENT_CONFIG_TEXT", text.as_str())] {
        let environment = [
            ("AWS_ENDPOINT_URL", aws.moto.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("ENTRA_CONSENT_KEYS_SECRET", KEYS_SECRET),
            source,
            test.environment()[1],
        ];
        let mut callback = Function::start(env!("CARGO_BIN_EXE_callback"), &[], &environment).await;
        let answer = callback.invoke(callback_event(&query)).await.response();
        assert_eq!(answer["statusCode"], 303, "{}: {answer}", source.0);
    }
}

#[tokio::test]
async fn the_worker_returns_an_error_for_an_unknown_event() {
    let test = TestInstallation::new();
    let mut worker = Function::start(env!("CARGO_BIN_EXE_worker"), &[], &test.environment()).await;
    assert_eq!(worker.invoke(r#"{"task":"daily"}"#).await.response(), json!({ "done": "daily" }));
    assert!(matches!(worker.invoke(r#"{"Records":7}"#).await, Invocation::Error(_)), "an answer would delete the unreadable messages");
    assert_eq!(worker.invoke(r#"{"Records":[]}"#).await.response(), json!({ "batchItemFailures": [] }));
}
