//! Credentials that expire: where the date comes from, and that each threshold leads to one warning in time.

use std::path::PathBuf;

use entra_consent::expiry::{self, ExpiryFinding, Warning};
use entra_consent::installation::{CredentialEnd, ToldBy};
use entra_sandbox::{Change, ClientSecret, Effect, Fault, FaultAt, PermissionSet, demo};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::installation::TestInstallation;
use crate::support::northwind::APP_SECRET;
use crate::support::runtime_api::{Function, Invocation};
use crate::support::stage::{Options, Stage, checked_record};

/// The time of the stage's clock.
const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const DAY: u64 = 86_400;
/// A limit that no test reaches.
const AMPLE: std::time::Duration = std::time::Duration::from_secs(600);

fn app(credential: &str) -> String {
    format!(
        "[[apps]]\nid = \"mail-backup\"\nclient_id = \"{}\"\nname = \"Northwind Mail Backup\"\ncloud = \"sandbox\"\n\
         credential = {{ {credential} }}\n[apps.permissions.\"Microsoft Graph\"]\napplication = {{ required = [\"Mail.Read\"] }}\n",
        demo::APP
    )
}

async fn stage(credential: &str) -> Stage {
    Stage::with(Options { apps: Some(app(credential)), home_tenant: true, ..Options::default() }).await
}

async fn only(stage: &Stage) -> ExpiryFinding {
    let [finding] = <[_; 1]>::try_from(expiry::warn(&stage.installation, AMPLE).await.unwrap()).unwrap();
    finding
}

/// A file with a certificate that expires in 29 days.
fn certificate(name: &str) -> PathBuf {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::new(vec!["verifier.example".into()]).unwrap();
    params.not_after = NOW + Duration::days(29);
    let certificate = params.self_signed(&key).unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, format!("{}{}", key.serialize_pem(), certificate.pem())).unwrap();
    file
}

#[tokio::test]
async fn a_certificate_says_itself_when_it_ends_and_each_threshold_is_said_once() {
    let file = certificate("ends.pem");
    let stage = stage(&format!("certificate = {{ file = {file:?} }}")).await;

    let mut said = Vec::new();
    for days in [0, 1, 13, 1, 12, 3, 300] {
        stage.advance(days * DAY);
        for _ in 0..2 {
            said.push(only(&stage).await.warning.map(Warning::days));
        }
    }
    assert_eq!(said, [30, 30, 30, 30, 30, 30, 14, 14, 3, 3, 0, 0, 0, 0].map(Some));
    let records = stage.records();
    let told: Vec<_> = records.iter().map(|record| (record["expiry"]["threshold_days"].clone(), record.get("alarm").is_some())).collect();
    assert_eq!(told, [(json!(30), false), (json!(14), false), (json!(3), false), (json!(0), true)]);
    let ids: std::collections::BTreeSet<_> = records.iter().map(|record| record["transition"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(records[0]["expiry"]["told_by"], "certificate");
    assert_eq!(stage.control.upstream_calls(), 0, "no call to Microsoft");
}

#[tokio::test]
async fn the_same_warning_of_another_process_has_the_same_id() {
    let credential = "client_secret = { env = \"APP_SECRET\" }, expires = 2026-11-30";
    let (one, other) = (stage(credential).await, stage(credential).await);
    assert_eq!(only(&one).await.end, CredentialEnd::At(datetime!(2026-11-30 00:00 UTC), ToldBy::Configuration));
    other.advance(DAY);
    only(&other).await;
    let (one, other) = (one.last_record(), other.last_record());
    assert_eq!(one["transition"], other["transition"]);
    assert_eq!((&one["expiry"]["days_left"], &other["expiry"]["days_left"]), (&json!(9), &json!(8)));
}

fn at_home(stage: &Stage, rights: &[&str]) {
    stage.change(Change::Grant { tenant: demo::HOME, app: demo::APP, permissions: Some(vec![PermissionSet::graph(rights, &[])]) });
}

#[tokio::test]
async fn a_secrets_end_is_read_in_the_home_tenant_where_the_file_does_not_say_it() {
    let stage = stage("client_secret = { env = \"APP_SECRET\" }").await;
    let secret = |value: &str, days| ClientSecret { value: value.into(), expires: Some(NOW + Duration::days(days)) };
    let ours = APP_SECRET;
    stage.change(Change::SetSecrets { app: demo::APP, secrets: vec![secret("another-one", 1), secret(ours, 20)] });
    at_home(&stage, &["Application.Read.All"]);
    let finding = only(&stage).await;
    assert_eq!(finding.end, CredentialEnd::At(NOW + Duration::days(20), ToldBy::Registration), "not the other's end");
    assert_eq!(finding.warning, Some(Warning::ThirtyDays));
    assert_eq!(stage.last_record()["expiry"]["told_by"], "registration");

    stage.change(Change::SetSecrets { app: demo::APP, secrets: vec![secret(ours, 200)] });
    assert_eq!(only(&stage).await.warning, None);
    assert_eq!(stage.records().len(), 1);
}

#[tokio::test]
async fn of_secrets_that_begin_like_ours_the_next_to_end_counts_and_none_that_has_ended() {
    let stage = stage("client_secret = { env = \"APP_SECRET\" }").await;
    let secret = |value: &str, days| ClientSecret { value: value.into(), expires: Some(NOW + Duration::days(days)) };
    let secrets = vec![secret("canary-secret-gone", -3), secret("canary-secret-of-mail-backup", 20), secret("canary-secret-next", 5)];
    stage.change(Change::SetSecrets { app: demo::APP, secrets });
    at_home(&stage, &["Application.Read.All"]);
    assert_eq!(only(&stage).await.end, CredentialEnd::At(NOW + Duration::days(5), ToldBy::Registration));
}

#[tokio::test]
async fn an_unknown_expiry_is_reported_as_unseen() {
    let stage = stage("client_secret = { env = \"APP_SECRET\" }").await;
    at_home(&stage, &["User.Read.All"]);
    let unseen = |finding: ExpiryFinding| match finding.end {
        CredentialEnd::Unseen(why) => why,
        other => panic!("{other:?}"),
    };
    let why = unseen(only(&stage).await);
    assert!(why.contains("Application.Read.All") && why.contains("credential.expires"), "{why}");
    assert!(stage.records().is_empty());

    let unresolved_resources =
        Stage::with(Options { apps: Some(app("client_secret = { env = \"APP_SECRET\" }")), ..Options::default() }).await;
    let why = unseen(only(&unresolved_resources).await);
    assert!(why.contains("site.home_tenant"), "{why}");
}

/// Apps whose expiry dates only Microsoft knows, followed by one with a configured date.
fn many(unknown: u32) -> String {
    let one = |number: u32, credential: &str| {
        app(credential)
            .replace("\"mail-backup\"", &format!("\"app-{number}\""))
            .replace(&demo::APP.to_string(), &format!("0a1b0000-0000-4000-8000-{number:012}"))
    };
    let unknown = (1..=unknown).map(|number| one(number, "client_secret = { env = \"APP_SECRET\" }"));
    let known = one(999, "client_secret = { env = \"APP_SECRET\" }, expires = 2026-11-30");
    unknown.chain([known]).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn local_expiry_dates_are_recorded_before_microsoft_answers() {
    let certified = app(&format!("certificate = {{ file = {:?} }}", certificate("ends-after-forty.pem")));
    let apps = format!("{}\n{}", many(40), certified);
    let stage = Stage::with(Options { apps: Some(apps), home_tenant: true, ..Options::default() }).await;
    stage.change(Change::AddFault(Box::new(Fault::new(FaultAt::Token, Effect::Slow { millis: 60_000 }))));
    let late = expiry::warn(&stage.installation, std::time::Duration::from_millis(800)).await.unwrap_err();
    assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
    assert!(late.to_string().contains("40 credentials"), "{late}");
    let told: Vec<_> = stage.records().iter().map(|record| (record["app"].clone(), record["expiry"]["told_by"].clone())).collect();
    assert_eq!(told, [(json!("app-999"), json!("configuration")), (json!("mail-backup"), json!("certificate"))]);
}

#[tokio::test]
async fn all_of_40_apps_are_reported_local_dates_first() {
    let stage = Stage::with(Options { apps: Some(many(40)), home_tenant: true, ..Options::default() }).await;
    let found = expiry::warn(&stage.installation, AMPLE).await.unwrap();
    let apps: std::collections::BTreeSet<_> = found.iter().map(|finding| finding.app.to_string()).collect();
    assert_eq!((found.len(), apps.len()), (41, 41));
    assert_eq!(found[0].app.to_string(), "app-999");
}

#[tokio::test]
async fn what_aws_vouches_for_does_not_end() {
    let stage = stage("federated = {}").await;
    let finding = only(&stage).await;
    assert_eq!((finding.end, finding.warning), (CredentialEnd::Never, None));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn the_workers_daily_event_warns_and_an_unknown_event_fails() {
    let test = TestInstallation::new();
    let control = test.sandbox.control();
    let secret = ClientSecret { value: APP_SECRET.into(), expires: Some(OffsetDateTime::now_utc() + Duration::days(2)) };
    control.apply(Change::SetSecrets { app: demo::APP, secrets: vec![secret] }).unwrap();
    let permissions = Some(vec![PermissionSet::graph(&["Application.Read.All"], &[])]);
    control.apply(Change::Grant { tenant: demo::HOME, app: demo::APP, permissions }).unwrap();

    let mut worker = Function::start(env!("CARGO_BIN_EXE_worker"), &[], &test.environment()).await;
    assert_eq!(worker.invoke(r#"{"task":"daily"}"#).await.response(), json!({"done": "daily"}));
    let record = checked_record(worker.stdout().split_inclusive('\n').next().unwrap());
    assert_eq!((&record["event"], &record["expiry"]["threshold_days"]), (&json!("expiring"), &json!(3)));

    let unknown = worker.invoke(r#"{"detail-type":"Something else"}"#).await;
    assert!(matches!(unknown, Invocation::Error(_)), "{unknown:?}");
    let batch = worker.invoke(r#"{"Records":[]}"#).await.response();
    assert_eq!(batch, json!({"batchItemFailures": []}));
    assert!(worker.is_running());
}
