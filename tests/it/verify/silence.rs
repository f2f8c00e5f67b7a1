//! Data that never leaves a check (secrets, tokens, bodies), and endless bodies, which a check never reads completely.

use std::io;

use entra_consent::entra::http::{Http, Silence, UpstreamKind};

use super::*;
use crate::support::same_id;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_ids_and_without_secret_token_or_body() {
    let lines = Lines::default();
    // With a single subscriber, tracing disables a log line for all threads if another test's thread reaches it first.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let log = tracing::subscriber::set_default(subscriber);
    for (at, effect) in [
        (FaultAt::Token, Effect::Aadsts { code: 7_000_215, status: None, error: None, granted: false }),
        (FaultAt::Token, Effect::Html { status: 502 }),
        (FaultAt::Token, Effect::Claim { name: "tid".into(), json: Some("\"canary-claim\"".into()) }),
        (
            FaultAt::Batch,
            Effect::Verbatim { status: 500, headers: Default::default(), body: r#"{"error":{"code":"canary<body>"}}"#.into() },
        ),
        (FaultAt::Batch, Effect::Reset),
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.fault(at, effect);
        let check = stage.reader().await;
        assert!(!format!("{check:?} {:?}", stage.verifier).contains(READER_SECRET));
    }
    drop(log);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of_clients = |line: &&str| line.contains("entra_consent::entra") && !line.contains("entra_consent::entra::verifier");
    let ours: Vec<&str> = text.lines().filter(of_clients).collect();
    assert_eq!(ours.len(), 5, "{ours:#?}");
    assert!(ours[0].contains(r#""aadsts.code":"AADSTS7000215""#) && ours[0].contains(r#""upstream.status":401"#), "{}", ours[0]);
    assert!(ours.iter().all(|line| line.contains("upstream.correlation_id")), "{ours:#?}");
    for canary in [READER_SECRET, "canary", "Bad Gateway", "eyJ"] {
        assert!(!ours.iter().any(|line| line.contains(canary)), "{canary}");
        assert!(!text.contains(READER_SECRET));
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_cap_and_not_a_byte_further() {
    let stage = Stage::new();
    let http = Http::new(Roots::Embedded, &stage.endpoints, Rng::system()).unwrap();
    for (effect, expected) in [
        (Effect::Verbatim { status: 200, headers: Default::default(), body: "x".repeat(64) }, Ok(64)),
        (Effect::Verbatim { status: 200, headers: Default::default(), body: "x".repeat(65) }, Err(Silence::TooLarge)),
        (Effect::Huge { megabytes: 50 }, Err(Silence::TooLarge)),
        (Effect::Cut { after_bytes: 20 }, Err(Silence::Broken)),
        (Effect::Reset, Err(Silence::Broken)),
    ] {
        stage.control.clear_faults();
        stage.fault(FaultAt::Token, effect.clone());
        let request = http.client().post(stage.endpoints.token_url(same_id(TENANT))).form(&[("grant_type", "client_credentials")]);
        let exchange = http.exchange(UpstreamKind::Token, request, 64, datetime!(2026-11-20 12:00 UTC)).await;
        assert_eq!(exchange.answer.map(|answer| answer.body.len()), expected, "{effect:?}");
    }
}
