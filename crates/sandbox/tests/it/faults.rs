use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind};

fn granted() -> Stage {
    let stage = Stage::demo();
    stage.control.apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None }).unwrap();
    stage
}

fn once(stage: &Stage, effect: Effect) {
    stage.control.fault(Fault::new(FaultAt::Token, effect).times(1)).unwrap();
}

async fn try_token(stage: &Stage) -> reqwest::Result<Response> {
    let app = demo::APP.to_string();
    let form = [("client_id", app.as_str()), ("client_secret", demo::APP_SECRET)];
    stage.http.post(stage.token_url(demo::CONTOSO)).form(&form).send().await
}

#[tokio::test]
async fn a_reset_connection_gives_no_answer() {
    let stage = granted();
    once(&stage, Effect::Reset);
    let error = try_token(&stage).await.unwrap_err();
    let mut source: &dyn std::error::Error = &error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    let reset = source.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    assert_eq!(reset, Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(stage.control.requests()[0].status, None);
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200, "the next connection is answered");
}

#[tokio::test]
async fn a_cut_answer_ends_in_the_middle() {
    let stage = granted();
    for after_bytes in [0, 20] {
        once(&stage, Effect::Cut { after_bytes });
        let answer = stage.secret_token(demo::CONTOSO).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.content_length().unwrap() > 100);
        assert!(answer.bytes().await.is_err());
    }
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_complete() {
    let stage = granted();
    once(&stage, Effect::Slow { millis: 60_000 });
    let waiting = stage.secret_token(demo::CONTOSO);
    assert!(tokio::time::timeout(Duration::from_millis(200), waiting).await.is_err(), "no answer yet");
    once(&stage, Effect::Slow { millis: 1 });
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200);
}

#[tokio::test]
async fn a_huge_answer_has_its_size_and_no_length() {
    let stage = granted();
    once(&stage, Effect::Huge { megabytes: 3 });
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!(answer.content_length(), None);
    let body = answer.bytes().await.unwrap();
    assert!((3_000_000..3_000_100).contains(&body.len()));
    assert!(serde_json::from_slice::<Value>(&body).unwrap().is_object(), "and is well-formed");
}

#[tokio::test]
async fn bodies_are_broken_in_each_way() {
    let stage = granted();
    once(&stage, Effect::Malformed);
    let text = stage.secret_token(demo::CONTOSO).await.text().await.unwrap();
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
    once(&stage, Effect::Html { status: 502 });
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (502, "text/html; charset=utf-8"));
    once(&stage, Effect::Null);
    assert_eq!(stage.secret_token(demo::CONTOSO).await.text().await.unwrap(), "null");
    once(&stage, Effect::Empty);
    assert_eq!(stage.secret_token(demo::CONTOSO).await.text().await.unwrap(), "");
    once(&stage, Effect::ContentType { value: "text/plain".into() });
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert!(json(answer).await["access_token"].is_string());
    once(&stage, Effect::Redirect { to: "http://169.254.169.254/".into(), status: 302 });
    assert_eq!(location(&stage.secret_token(demo::CONTOSO).await), "http://169.254.169.254/");
    let headers = BTreeMap::from([("Content-Type".to_owned(), "text/x".to_owned()), ("x-a".to_owned(), "b".to_owned())]);
    once(&stage, Effect::Verbatim { status: 418, headers, body: "[1".into() });
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"], &answer.headers()["x-a"]),
        (418, &"text/x".parse().unwrap(), &"b".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "[1");
    once(&stage, Effect::Status { status: 429, code: None, retry_after: Some(entra_sandbox::RetryAfter::Seconds(3)) });
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!(answer.headers()["retry-after"], "3");
    assert_eq!(aadsts(answer).await, (429, "temporarily_unavailable".into(), 90_055));
}

#[tokio::test]
async fn effects_that_cannot_happen_there_are_refused() {
    let stage = granted();
    let refused = |fault: Fault| stage.control.fault(fault).unwrap_err().to_string();
    assert_eq!(refused(Fault::new(FaultAt::Token, Effect::Omit)), "fault \"omit\" cannot happen at Token");
    assert_eq!(refused(Fault::new(FaultAt::Part, Effect::Reset)), "fault \"reset\" cannot happen at Part");
    assert!(refused(Fault::new(FaultAt::Graph, Effect::Null).for_app(demo::APP)).contains("cannot be limited to an app"));
    assert!(refused(Fault::new(FaultAt::Token, Effect::Html { status: 99 })).contains("200 to 599"));
    let json = Some("{".to_owned());
    assert!(refused(Fault::new(FaultAt::Token, Effect::Member { name: "a".into(), json })).contains("must be JSON text"));
    let to = "http://x/\n".into();
    assert!(refused(Fault::new(FaultAt::Token, Effect::Redirect { to, status: 302 })).contains("not an HTTP header"));
    assert!(stage.control.faults().is_empty());
}

#[tokio::test]
async fn dropping_the_sandbox_closes_idle_and_busy_connections() {
    let stage = granted();
    stage.secret_token(demo::CONTOSO).await;
    let url = stage.token_url(demo::CONTOSO);
    once(&stage, Effect::Slow { millis: 600_000 });
    let busy = tokio::spawn(stage.http.post(&url).form(&[("a", "b")]).send());
    while stage.control.count(Kind::Token) < 2 {
        tokio::task::yield_now().await;
    }
    let Stage { sandbox, http, control } = stage;
    drop(sandbox);
    assert!(busy.await.unwrap().is_err());
    assert!(http.get(url).send().await.is_err());
    assert_eq!(control.upstream_calls(), 2, "the request log is still readable");
}
