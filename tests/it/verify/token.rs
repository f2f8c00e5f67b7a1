//! Refusals and faults of the token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::consent::finding::Obstacle;
use entra_consent::entra::credential::CertificateKey;
use entra_sandbox::{CertificateSetup, RetryAfter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::support::same_id;

#[tokio::test]
async fn without_a_credential_there_is_no_call() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let store = Store::of(None, None);
    let check = stage.check(&mail_profile(), MAIL, &store).await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::OwnCredential));
    assert_eq!((verdict(&check, &mail_profile()), check.finding.code), (Verdict::OperatorFault, None));
    assert_eq!((stage.control.upstream_calls(), store.asked(), check.upstream.len()), (0, 1, 0));
}

#[tokio::test]
async fn a_refused_secret_is_replaced_by_the_one_kept_by_now() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let store = Store::of(Some("old"), Some(demo::APP_SECRET));
    let check = stage.check(&mail_profile(), MAIL, &store).await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired);
    assert_eq!((stage.tokens(), store.asked()), (2, 2));
}

#[tokio::test]
async fn a_secret_that_stays_wrong_is_the_operators_fault() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let same = Store::of(Some("wrong"), Some("wrong"));
    let check = stage.check(&mail_profile(), MAIL, &same).await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::OperatorFault);
    assert_eq!(check.finding.code.unwrap().to_string(), "AADSTS7000215");
    assert_eq!(stage.tokens(), 1, "the same secret is not tried twice");

    stage.later();
    let other = Store::of(Some("wrong"), Some("wrong as well"));
    let check = stage.check(&mail_profile(), MAIL, &other).await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::OperatorFault);
    assert_eq!((stage.tokens(), other.asked()), (3, 3), "the third read finds no new secret");
}

#[tokio::test]
async fn an_expired_secret_is_the_operators_fault() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let expired = ClientSecret { value: demo::APP_SECRET.into(), expires: Some(datetime!(2026-01-01 00:00 UTC)) };
    stage.change(Change::SetSecrets { app: MAIL, secrets: vec![expired] });
    let check = stage.mail().await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::OperatorFault);
    assert_eq!(check.finding.code.unwrap().to_string(), "AADSTS7000222");
}

#[tokio::test]
async fn a_certificate_is_accepted_and_an_unregistered_one_is_the_operators_fault() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["verifier.example".into()]).unwrap().self_signed(&key).unwrap();
    let pem = Secret::new(format!("{}{}", key.serialize_pem(), certificate.pem()));
    let credential = Arc::new(Credential::Certificate(CertificateKey::from_pem(&pem).unwrap()));
    let unregistered = stage.check(&mail_profile(), MAIL, &credential).await;
    assert_eq!(verdict(&unregistered, &mail_profile()), Verdict::OperatorFault);
    assert_eq!(unregistered.finding.code.unwrap().to_string(), "AADSTS700027");

    stage.change(Change::AddCertificate { app: MAIL, certificate: CertificateSetup::Pem(certificate.pem()) });
    for _ in 0..2 {
        stage.later();
        let check = stage.check(&mail_profile(), MAIL, &credential).await;
        assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired, "each assertion has its own jti: {check:?}");
    }
}

/// A token endpoint that reads two requests, closes the first connection without an answer, and returns the bodies.
async fn broken_once(listener: tokio::net::TcpListener) -> Vec<String> {
    let mut bodies = Vec::new();
    for answer in ["", "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"] {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let body = loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            match text.split_once("\r\n\r\n") {
                Some((_, body)) if Some(body.len()) == length => break body.to_owned(),
                _ => assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0, "a whole request: {text}"),
            }
        };
        bodies.push(body);
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
    bodies
}

#[tokio::test]
async fn an_assertion_is_not_sent_twice_though_the_connection_broke_after_it_was_read() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["verifier.example".into()]).unwrap().self_signed(&key).unwrap();
    let pem = Secret::new(format!("{}{}", key.serialize_pem(), certificate.pem()));
    let credential = Arc::new(Credential::Certificate(CertificateKey::from_pem(&pem).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let endpoints = Endpoints { authority: base.clone(), graph: base, extra_ca: None };
    let verifier = Verifier::new(Clients::new(Roots::Embedded, Rng::system()), Clock::system(), Rng::system());
    let profile = mail_profile();
    let budget = Duration::from_secs(30);
    let request = CheckRequest {
        profile: &profile,
        endpoints: &endpoints,
        tenant: same_id(TENANT),
        asker: Asker::App(AskingApp { client: same_id(MAIL), credential: &credential }),
        check_reason: entra_consent::entra::verifier::CheckReason::Overview,
        popular: false,
        budget,
    };
    let (check, bodies) = futures_util::join!(verifier.check_now(request), broken_once(listener));
    assert_eq!(check.upstream.iter().map(|call| call.status).collect::<Vec<_>>(), [Some(503)]);
    let jtis: Vec<String> = bodies
        .iter()
        .map(|body| {
            let (_, assertion) = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "client_assertion").unwrap();
            let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
            serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(jtis.len(), 2);
    assert_ne!(jtis[0], jtis[1]);
}

#[tokio::test]
async fn each_code_has_its_meaning_with_any_status() {
    for (code, expected) in [
        (7_000_229, Verdict::NothingSeen),
        (700_016, Verdict::NothingSeen),
        (65_001, Verdict::NothingSeen),
        (7_000_112, Verdict::Disabled),
        (90_002, Verdict::TenantNotFound),
        (900_023, Verdict::TenantNotFound),
        (5_000_224, Verdict::TenantBlocked),
        (5_000_225, Verdict::TenantBlocked),
        (50_049, Verdict::OperatorFault),
        (65_006, Verdict::OperatorFault),
        (500_011, Verdict::ResourceMissing),
        (500_014, Verdict::Disabled),
        (53_003, Verdict::CheckBlocked),
        (1_002_012, Verdict::OperatorFault),
        (700_024, Verdict::OperatorFault),
        (90_033, Verdict::NoAnswer),
        (50_196, Verdict::NoAnswer),
        (9_999_998, Verdict::UnknownRefusal),
    ] {
        for status in [400, 401] {
            let stage = Stage::new();
            stage.grant(MAIL);
            stage
                .fault(FaultAt::Token, Effect::Aadsts { code, status: Some(status), error: Some("invalid_client".into()), granted: false });
            let check = stage.mail().await;
            assert_eq!(verdict(&check, &mail_profile()), expected, "{code} with {status}: {check:?}");
            assert_eq!(check.finding.code.unwrap().number(), code);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_no_answer_and_never_a_grant() {
    let member = |name: &str, json: Option<&str>| Effect::Member { name: name.into(), json: json.map(Into::into) };
    let claim = |name: &str, json: &str| Effect::Claim { name: name.into(), json: Some(json.into()) };
    let elsewhere = Sandbox::start(SandboxOptions::default()).unwrap();
    for effect in [
        Effect::Html { status: 502 },
        Effect::Html { status: 200 },
        Effect::Null,
        Effect::Empty,
        Effect::Malformed,
        Effect::ByteOrderMark,
        Effect::DuplicateMembers,
        Effect::Huge { megabytes: 50 },
        Effect::Cut { after_bytes: 20 },
        Effect::Reset,
        Effect::Redirect { to: elsewhere.url().to_owned(), status: 302 },
        Effect::Redirect { to: elsewhere.url().to_owned(), status: 307 },
        Effect::Status { status: 500, code: None, retry_after: None },
        Effect::Status { status: 503, code: None, retry_after: None },
        member("expires_in", Some("0")),
        member("expires_in", Some("-1")),
        member("expires_in", Some("99999999999999999999")),
        member("expires_in", Some("\"soon\"")),
        member("expires_in", Some("true")),
        member("token_type", Some("\"pop\"")),
        member("token_type", None),
        member("access_token", Some("\"\"")),
        member("access_token", Some("\"a b\"")),
        member("access_token", Some("7")),
        member("access_token", None),
        claim("tid", "\"0a1b0000-0000-4000-8000-000000000003\""),
        claim("appid", "\"0a1b0000-0000-4000-8000-0000000000ff\""),
        claim("aud", "\"00000002-0000-0000-c000-000000000000\""),
        claim("aud", "\"https://graph.microsoft.com.example\""),
        claim("idtyp", "\"user\""),
    ] {
        let stage = Stage::new();
        stage.grant(MAIL);
        stage.fault(FaultAt::Token, effect.clone());
        let check = stage.mail().await;
        assert_eq!(verdict(&check, &mail_profile()), Verdict::NoAnswer, "{effect:?}: {check:?}");
        assert_eq!(stage.batches(), 0, "{effect:?}");
    }
    assert_eq!(elsewhere.control().requests().len(), 0, "no redirect is followed");
}

#[tokio::test]
async fn what_the_protocol_allows_is_tolerated() {
    let member = |name: &str, json: Option<&str>| Effect::Member { name: name.into(), json: json.map(Into::into) };
    let claim = |name: &str, json: Option<&str>| Effect::Claim { name: name.into(), json: json.map(Into::into) };
    for effect in [
        member("expires_in", Some("\"3599\"")),
        member("expires_in", None),
        member("ext_expires_in", Some("{\"opaque\":[]}")),
        member("token_type", Some("\"bearer\"")),
        claim("tid", Some("\"0A1B0000-0000-4000-8000-000000000002\"")),
        claim("aud", Some("\"00000003-0000-0000-c000-000000000000\"")),
        claim("idtyp", None),
        Effect::ContentType { value: "text/plain".into() },
    ] {
        let stage = Stage::new();
        stage.grant(MAIL);
        stage.fault(FaultAt::Token, effect.clone());
        let check = stage.mail().await;
        assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired, "{effect:?}: {check:?}");
    }
}

#[tokio::test]
async fn an_opaque_token_shows_nothing_and_carries_graph_calls() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.grant(READER);
    stage.fault(FaultAt::Token, Effect::OpaqueToken);
    let blind = stage.mail().await;
    assert!(blind.finding.fresh_roles.is_empty());
    assert_ne!(verdict(&blind, &mail_profile()), Verdict::AllRequired);
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn a_connection_that_broke_once_is_tried_once_more() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Reset).times(1)).unwrap();
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn a_throttled_tenant_is_left_alone_for_as_long_as_was_asked() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let busy = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(120)) };
    stage.control.fault(Fault::new(FaultAt::Token, busy).times(1)).unwrap();
    let first = stage.mail().await;
    assert_eq!(verdict(&first, &mail_profile()), Verdict::NoAnswer);
    assert_eq!(first.retry_after, Some(Duration::from_secs(120)));

    stage.control.advance(Duration::from_secs(119));
    let quiet = stage.mail().await;
    assert!(!quiet.fresh && quiet.trace_id.is_none());
    assert_eq!((stage.tokens(), quiet.retry_after), (1, Some(Duration::from_secs(1))));
    stage.control.advance(Duration::from_secs(2));
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn what_was_seen_before_a_quiet_time_is_not_shown_throughout_it() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let busy = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(3600)) };
    stage.control.fault(Fault::new(FaultAt::Part, busy).on_path("appRoleAssignments").times(1)).unwrap();
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired, "by its roles");
    stage.change(Change::Delete { tenant: TENANT, app: MAIL });
    stage.control.advance(Duration::from_secs(29));
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired, "a check is cached for 30 s");

    let calls = stage.control.upstream_calls();
    stage.control.advance(Duration::from_secs(1));
    let quiet = stage.mail().await;
    assert_eq!(verdict(&quiet, &mail_profile()), Verdict::NoAnswer);
    assert_eq!((quiet.fresh, quiet.retry_after), (false, Some(Duration::from_secs(3570))));
    assert_eq!((quiet.upstream.len(), stage.control.upstream_calls()), (0, calls), "no call to Microsoft");
    stage.control.advance(Duration::from_secs(3570));
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::NothingSeen);
}

#[tokio::test]
async fn a_request_loop_silences_one_tenant_for_a_minute_and_no_other() {
    let mut scenario = Scenario::demo("http://127.0.0.1:8080/callback");
    let other = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0099);
    scenario.tenants.push(bare_tenant(other));
    let stage = Stage::playing(scenario);
    stage.grant(MAIL);
    stage.change(Change::Grant { tenant: other, app: MAIL, permissions: None });
    let looped = Effect::Aadsts { code: 50_196, status: None, error: None, granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, looped).in_tenant(TENANT).times(1)).unwrap();
    assert_eq!(stage.mail().await.retry_after, Some(Duration::from_secs(60)));
    stage.control.advance(Duration::from_secs(45));
    assert!(!stage.mail().await.fresh);

    let (profile, credential) = (mail_profile(), secret(demo::APP_SECRET));
    let request = CheckRequest {
        profile: &profile,
        endpoints: &stage.endpoints,
        tenant: same_id(other),
        asker: Asker::App(AskingApp { client: same_id(MAIL), credential: &credential }),
        check_reason: entra_consent::entra::verifier::CheckReason::Overview,
        popular: false,
        budget: Duration::from_secs(3),
    };
    assert_eq!(verdict(&stage.verifier.check(request).await.unwrap(), &profile), Verdict::AllRequired);
    stage.control.advance(Duration::from_secs(16));
    assert_eq!(verdict(&stage.mail().await, &profile), Verdict::AllRequired);
}
