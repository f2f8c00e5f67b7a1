//! The event path as Lambda runs it: a process, the Runtime API, real events. In this file the function echoes the request; in the modules
//! below the real function answers.

mod chain;
mod doors;
pub(crate) mod events;
mod function;
mod given;
mod hostile;
mod mangled;

use entra_consent::consent::{Callback, Claim, Query};
use entra_consent::lambda::http_event::Incoming;
use entra_consent::lambda::runtime::{LoopError, run_callback};
use entra_consent::telemetry;
use http::Response;
use serde_json::{Value, json};

use self::events::{TENANT, filled, given_callbacks, given_data, grafted, json_files, own_event, own_names};
use super::support::runtime_api::{Function, Invocation};

const ECHO: &str = "ENTRA_CONSENT_TEST_ECHO";

/// Outside Lambda, this test checks the refusal. Inside Lambda, it is the function for the other tests, which start this binary as a
/// separate process that echoes its request. The event path is the same for both functions.
#[tokio::test]
async fn outside_lambda_the_loop_says_what_it_misses() {
    if let Ok(level) = std::env::var(ECHO) {
        telemetry::init(Some(&level)).unwrap();
        run_callback(async |incoming| echo(&incoming)).await.unwrap();
        return;
    }
    let ended = run_callback(async |incoming| echo(&incoming)).await.unwrap_err();
    assert!(matches!(ended, LoopError::NotInLambda("AWS_LAMBDA_RUNTIME_API")), "{ended}");
    assert!(ended.to_string().contains("entra-consent serve"), "{ended}");
}

fn echo(incoming: &Incoming) -> Response<String> {
    let (request, refused) = match incoming {
        Incoming::Http(request) => (request, None),
        Incoming::Refused { request, reason } => (request, Some(reason.reason())),
        Incoming::NotHttp(kind) => return Response::new(json!({"outcome": "not_http", "reason": kind.reason()}).to_string()),
    };
    assert!(request.path != "/panic", "a secret that must not leave the process");
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let said = json!({
        "front_door": request.front_door, "method": request.method.as_str(), "path": request.path,
        "query": request.query.pairs().collect::<Vec<_>>(), "bytes": request.query.bytes(), "headers": headers, "body": request.body.as_ref(), "source": request.source, "refused": refused,
    });
    Response::builder()
        .status(if refused.is_some() { 400 } else { 200 })
        .header("content-type", "application/json")
        .body(said.to_string())
        .unwrap()
}

/// Logs at TRACE, for two reasons: no level may log any part of an event, and lambda_runtime fails at TRACE on an event that is not UTF-8.
async fn echoing() -> Function {
    let binary = std::env::current_exe().unwrap();
    Function::start(binary, &["--exact", "lambda::outside_lambda_the_loop_says_what_it_misses", "--nocapture"], &[(ECHO, "TRACE")]).await
}

/// The status and body of an HTTP answer.
fn http(answer: &Value) -> (u64, Value) {
    let body = answer["body"].as_str().unwrap_or_else(|| panic!("no HTTP answer: {answer}"));
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap())
}

fn query_of(said: &Value) -> Query {
    let mut query = Query::default();
    for (name, value) in serde_json::from_value::<Vec<(String, String)>>(said["query"].clone()).unwrap() {
        query.push(&name, &value);
    }
    query
}

#[tokio::test]
async fn every_event_is_answered_and_the_process_lives() {
    let mut function = echoing().await;
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let deep_object = format!("{}1{}", r#"{"requestContext":"#.repeat(100_000), "}".repeat(100_000));
    let large = format!(r#"{{"body":"{}"}}"#, "x".repeat(6 << 20));
    for (event, reason) in [
        (Vec::new(), "not_json"),
        (b" \n".to_vec(), "not_json"),
        (b"{".to_vec(), "not_json"),
        (b"GET /callback HTTP/1.1".to_vec(), "not_json"),
        (b"\xff\xfe\x00".to_vec(), "not_json"),
        (b"null".to_vec(), "not_an_object"),
        (deep.into_bytes(), "not_an_object"),
        (deep_object.into_bytes(), "unknown_event"),
        (large.into_bytes(), "unknown_event"),
        (b"{}".to_vec(), "unknown_event"),
    ] {
        let shown = String::from_utf8_lossy(&event[..event.len().min(40)]).into_owned();
        let answer = function.invoke(event).await.response();
        assert_eq!(answer, json!({"outcome": "not_http", "reason": reason}), "{shown}");
    }
    assert!(function.is_running());
    assert_eq!(function.stderr(), "", "nothing went wrong, so nothing is said");
}

#[tokio::test]
async fn queries_that_lambda_http_panics_on_arrive_whole() {
    let mut function = echoing().await;
    let long = format!("state={}", "x".repeat(70_000));
    let template = own_event("http-api-success", TENANT, "TICKET");
    for query in ["a=<b>", "a=\"b\"", "a=b c", "a=\u{1}\u{0}\u{7f}", "a=ü", "a=%zz%FF", "a=b#c", "\\^`{|}", &*long] {
        for domain in ["a1.execute-api.eu-west-1.amazonaws.com", "<url-id>.lambda-url.eu-west-1.on.aws", "::1", "a:99999", ""] {
            let mut event = template.clone();
            event["rawQueryString"] = json!(query);
            event["requestContext"]["domainName"] = json!(domain);
            event["headers"]["host"] = json!(domain);
            event["headers"]["x-forwarded-proto"] = json!("<");
            let (status, said) = http(&function.invoke(event.to_string()).await.response());
            let meant = Query::parse(query.as_bytes());
            assert_eq!((status, &said["bytes"]), (200, &json!(meant.bytes())));
            assert_eq!(said["query"], json!(meant.pairs().collect::<Vec<_>>()));
        }
    }
    assert_eq!(function.stderr(), "");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_that_says_nothing_and_the_next_event_is_answered() {
    let mut function = echoing().await;
    let mut event = own_event("http-api-success", TENANT, "TICKET");
    event["rawPath"] = json!("/panic");
    let answer = function.invoke(event.to_string()).await.response();
    assert_eq!(answer["statusCode"], 500);
    assert_eq!(answer["headers"]["cache-control"], "no-store");
    let (status, _) = http(&function.invoke(own_event("http-api-success", TENANT, "TICKET").to_string()).await.response());
    assert_eq!(status, 200);
    let log = function.stderr();
    for output in [&log, &answer.to_string(), &function.stdout()] {
        assert!(!output.contains("secret"), "{output}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(lines[0]["message"], "panicked");
    assert!(lines[0]["panic.location"].as_str().unwrap().contains("tests/it/lambda.rs:"), "{log}");
    assert_eq!(lines[1]["span"]["requestId"], "00000000-0000-4000-8000-000000000001");
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"] == "ERROR", "{line}");
    }
}

#[tokio::test]
async fn the_harness_distinguishes_an_exit_from_an_answer() {
    let mut function = Function::start("/bin/false", &[], &[]).await;
    assert!(matches!(function.invoke("{}").await, Invocation::Died(status) if !status.success()));
}

#[tokio::test]
async fn every_event_of_ours_says_what_its_name_says() {
    let mut function = echoing().await;
    for name in own_names() {
        let answer = function.invoke(own_event(&name, TENANT, "TICKET").to_string()).await.response();
        if let Some(kind) = name.strip_prefix("not-http-") {
            assert_eq!(answer["outcome"], "not_http", "{name}");
            assert_eq!(answer["reason"], if kind == "schedule" { "event_bridge".to_owned() } else { kind.replace('-', "_") });
            continue;
        }
        let (status, said) = http(&answer);
        assert_eq!((status, &said["refused"]), (200, &Value::Null), "{name}");
        let door = said["front_door"].as_str().unwrap().replace('_', "-");
        assert!(name.starts_with(&door), "{name} came through {door}");
        if name.ends_with("health-check") {
            assert_eq!(said["path"], "/health");
            continue;
        }
        assert_eq!((&said["path"], &said["source"]), (&json!("/callback"), &json!("203.0.113.24")), "{name}");
        let carried = if name.ends_with("form-post") {
            Query::parse(&serde_json::from_value::<Vec<u8>>(said["body"].clone()).unwrap())
        } else {
            query_of(&said)
        };
        let callback = Callback::parse(&carried).unwrap();
        let state = callback.state.as_ref().map(|state| state.unverified());
        match name.rsplit_once('-').map_or(&*name, |(_, last)| last) {
            "success" | "post" => assert_eq!((state, callback.tenant.is_some(), callback.claim), (Some("TICKET"), true, Claim::Success)),
            "declined" => {
                assert_eq!(state, Some("TICKET"));
                assert_eq!(callback.claim.error().unwrap().code.unwrap().number(), 65_004);
            }
            "tenant" => assert!(callback.tenant.unwrap().to_string() != TENANT && state == Some("TICKET")),
            "unsolicited" => assert_eq!(state, None),
            "damaged" => assert_eq!(state, Some("\"TICKET")),
            other => panic!("{name}: what does {other} mean?"),
        }
    }
}

/// The given events come from outside the project, so the test reads them in place and keeps no copy.
#[tokio::test]
async fn every_given_event_carries_every_given_callback_unchanged() {
    let Some(data) = given_data() else {
        println!("ABSENT: the given events are not on this machine; they were not replayed");
        return;
    };
    let callbacks = given_callbacks(&data);
    let mut function = echoing().await;
    let files = json_files(&data.join("events"));
    println!("{:<75} {:<14} answer", "given event", "front door");
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        // An unfilled template is a valid event too.
        for text in [&text, &filled(&text)] {
            assert!(matches!(function.invoke(text.clone()).await, Invocation::Response(_)), "{name}");
        }
        let (kind, _) = name.split_once("__").unwrap();
        let event: Value = serde_json::from_str(&filled(&text)).unwrap();
        let (door, reason) = match kind {
            "httpapi_v2" => ("http_api", "-"),
            "function_url" => ("function_url", "-"),
            "apigw_v1" => ("rest_api", "-"),
            "alb" => ("load_balancer", "-"),
            "sqs" => ("-", "records"),
            "not_http" if name.contains("custom-auth") => ("-", "authorizer"),
            "not_http" if name.contains("websocket") => ("-", "web_socket"),
            "not_http" if name.contains("schedule") => ("-", "event_bridge"),
            _ => ("-", "unknown_event"),
        };
        if door == "-" {
            let answer = function.invoke(event.to_string()).await.response();
            assert_eq!(answer, json!({"outcome": "not_http", "reason": reason}), "{name}");
            println!("{name:<75} {door:<14} not_http: {reason}");
            continue;
        }
        for (_, query) in &callbacks {
            let (status, said) = http(&function.invoke(grafted(kind, &event, query).to_string()).await.response());
            assert_eq!(
                (status, said["front_door"].as_str(), said["path"].as_str()),
                (200, Some(door), Some("/callback")),
                "{name}: {said}"
            );
            assert_eq!(Callback::parse(&query_of(&said)), Callback::parse(&Query::parse(query.as_bytes())), "{name}: {query}");
        }
        println!("{name:<75} {door:<14} {} callbacks unchanged", callbacks.len());
    }
    assert_eq!(function.stderr(), "");
}
