//! The runbooks of docs/incidents.md. In each, a thief tries the stolen object before and after the operator follows the runbook.

use std::process::{Command, Output};

use entra_consent::consent::{ExpectedTenant, Label, ProfileId, TokenId};
use entra_consent::secret::Secret;
use entra_consent::serve::store::{Queue, Store};
use entra_consent::token::{Invitation, KeyRing, Signer, Subject};
use entra_sandbox::{Change, ClientSecret, TenantId, demo};
use serde_json::{Value, json};

use super::process::{Served, keep, order, test, until, with_webhook};
use super::webhook::{Receiver, SECRET};
use crate::support::installation::{BASE_URL, TestInstallation};
use crate::support::northwind::{APP_SECRET, KEY};
use crate::support::same_id;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");
const NEW_WEBHOOK_SECRET: &str = "whsec_QW5vdGhlci1zZWNyZXQtb2YtdGhlLXdlYmhvb2s=";

/// Runs the program as the operator.
fn run(test: &TestInstallation, arguments: &[&str]) -> Output {
    let folder = test.file("");
    Command::new(PROGRAM).args(arguments).current_dir(folder).env_clear().envs(test.environment()).output().unwrap()
}

/// Standard error of a command. Asserts that the command succeeds.
fn told(test: &TestInstallation, arguments: &[&str]) -> String {
    let output = run(test, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    assert!(!told.contains("canary"), "{told}");
    told
}

/// Asks the running program for a path of the public address.
async fn ask(served: &Served, address: &str) -> (u16, String) {
    let path = address.strip_prefix(BASE_URL).unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let answer = http.get(format!("http://{}{path}", served.base)).send().await.unwrap();
    let (status, location) = (answer.status().as_u16(), answer.headers().get("location").cloned());
    (status, location.map_or_else(String::new, |location| location.to_str().unwrap().to_owned()) + &answer.text().await.unwrap())
}

/// Waits until the running program has read its secrets again.
async fn reload(served: &Served) {
    let count = |served: &Served| served.told().matches("The secrets are read again").count();
    let before = count(served);
    served.tell("-HUP");
    until("the reload", || count(served) > before).await;
}

/// A link of the thief's own, signed today with the key that he copied.
fn forged(stolen: &str) -> String {
    let keys = KeyRing::parse(&Secret::new(stolen.into())).unwrap();
    let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    let invitation = Invitation {
        id: TokenId::from_random(*uuid::Uuid::new_v4().as_bytes()),
        issued_at: now,
        expires_at: now + 179 * 86_400,
        subject: Subject::App(ProfileId::parse("mail-backup").unwrap()),
        tenant: ExpectedTenant::Tenant(same_id(demo::FABRIKAM)),
        label: Label::parse("Forged customer").ok(),
        reference: None,
    };
    invitation.address(Signer { keys: &keys, issuer: BASE_URL, now }).unwrap()
}

fn callback(ticket: &str, tenant: TenantId, claim: &str) -> String {
    format!("{BASE_URL}/callback?{claim}&tenant={tenant}&state={ticket}")
}

fn rejections(served: &Served) -> Vec<(Value, Value)> {
    let rejected = served.records().into_iter().filter(|record| record["event"] == "rejected");
    rejected.map(|record| (record["kid"].clone(), record["rejection"]["reason"].clone())).collect()
}

#[tokio::test]
async fn a_thief_of_the_ticket_key_signs_nothing_after_a_revocation() {
    let test = TestInstallation::with("");
    std::fs::write(test.file("customers.csv"), "tenant;label;Account\ncontoso.example;Contoso;7\nfabrikam.example;Fabrikam;8\n").unwrap();
    told(&test, &["link", "--app", "mail-backup", "--from", "customers.csv", "--to", "links.csv"]);
    let links = std::fs::read_to_string(test.file("links.csv")).unwrap();
    let genuine = links.split(';').find(|cell| cell.starts_with("https://")).unwrap().to_owned();
    let served = Served::start(&test, &[]);
    let (status, page) = ask(&served, &forged(KEY)).await;
    assert!(status == 200 && page.contains("Forged customer"), "before anybody answers: {page}");

    // A rotation is no answer to a theft: for an hour, tokens that the old key signs still open.
    told(&test, &["keys", "rotate"]);
    reload(&served).await;
    assert_eq!(ask(&served, &forged(KEY)).await.0, 200);
    // An hour and a minute later, the token does not open.
    let document = std::fs::read_to_string(test.file("keys.json")).unwrap();
    let mut later: Value = serde_json::from_str(&document).unwrap();
    let until = time::OffsetDateTime::now_utc() - time::Duration::minutes(61);
    later["older"][0]["signed_until"] = json!(until.format(&time::format_description::well_known::Rfc3339).unwrap());
    std::fs::write(test.file("keys.json"), later.to_string()).unwrap();
    reload(&served).await;
    assert_eq!(ask(&served, &forged(KEY)).await.0, 400);
    assert_eq!(rejections(&served), [(json!("k1"), json!("ticket_ended_key"))]);
    std::fs::write(test.file("keys.json"), document).unwrap();

    let said = told(&test, &["keys", "revoke", "k1", "--links", "links.csv"]);
    assert!(said.contains("k1 is revoked") && said.contains("within 10 minutes") && said.contains("SIGHUP"), "{said}");
    assert!(said.contains("2 are open that k1 signed") && said.contains("links.again.csv"), "{said}");
    assert!(!std::fs::read_to_string(test.file("keys.json")).unwrap().contains("canary"), "the key is gone, not only its use");
    reload(&served).await;
    let (forged, genuine) = (ask(&served, &forged(KEY)).await, ask(&served, &genuine).await);
    assert_eq!((forged.0, genuine.0), (400, 400));
    assert_eq!(forged.1, genuine.1, "the thief does not learn why");
    assert_eq!(rejections(&served)[1..], [(json!("k1"), json!("ticket_revoked_key")), (json!("k1"), json!("ticket_revoked_key"))]);

    let again = std::fs::read_to_string(test.file("links.again.csv")).unwrap();
    assert_eq!(again, "\u{feff}tenant;label;Account\ncontoso.example;Contoso;7\nfabrikam.example;Fabrikam;8\n");
    told(&test, &["link", "--app", "mail-backup", "--from", "links.again.csv", "--to", "new.csv"]);
    let links = std::fs::read_to_string(test.file("new.csv")).unwrap();
    let new = links.split(';').find(|cell| cell.starts_with("https://")).unwrap();
    assert_eq!(ask(&served, new).await.0, 200);
    let last = served.records().pop().unwrap();
    let signing: Value = serde_json::from_str(&std::fs::read_to_string(test.file("keys.json")).unwrap()).unwrap();
    assert_eq!((&last["event"], &last["kid"]), (&json!("seen"), &signing["kid"]));
}

#[tokio::test]
async fn an_order_of_a_revoked_key_ends_with_one_record() {
    let test = test("");
    let served = Served::start(&test, &[]);
    let (contoso, fabrikam) = (test.ticket(demo::CONTOSO).await, test.ticket(demo::FABRIKAM).await);
    let (status, receipt) = ask(&served, &callback(&contoso, demo::CONTOSO, "admin_consent=True")).await;
    assert_eq!(status, 303);
    let due = order(&test, demo::FABRIKAM).await;
    drop(served);
    told(&test, &["keys", "rotate", "--compromised"]);
    keep(&test, Queue::Orders, "", &due).await;

    let served = Served::start(&test, &[]);
    until("the order's record", || !rejections(&served).is_empty()).await;
    assert_eq!(ask(&served, &receipt).await.0, 400);
    assert_eq!(ask(&served, &callback(&fabrikam, demo::FABRIKAM, "admin_consent=True")).await.0, 400);
    assert_eq!(rejections(&served), vec![(json!("k1"), json!("ticket_revoked_key")); 3]);
    assert!(served.records().iter().all(|record| record["event"] != "failed"));
    served.tell("-TERM");
    let (status, said) = served.ended();
    assert_eq!(status.code(), Some(0), "{said}");
    let store = Store::open(&test.file("entra-consent.redb")).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.orders, counts.dead), (1, 0), "Contoso's order is not due yet");
    drop(store);

    test.approve(demo::CONTOSO);
    let found = run(&test, &["verify", "--from-records", "records.jsonl", "--output", "json"]);
    let rows: Value = serde_json::from_slice(&found.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["outcome"], &rows[0]["tenant_id"]), (&json!("granted"), &json!(demo::CONTOSO.to_string())));
}

#[tokio::test]
async fn a_thief_of_the_webhook_secret_deceives_until_the_exchange() {
    let receiver = Receiver::start([]).await;
    let test = with_webhook(&receiver);
    let served = Served::start(&test, &[]);
    let refused = "error=access_denied&error_description=AADSTS65004";
    let (contoso, fabrikam) = (test.ticket(demo::CONTOSO).await, test.ticket(demo::FABRIKAM).await);
    ask(&served, &callback(&contoso, demo::CONTOSO, refused)).await;
    until("the first event", || !receiver.posts().is_empty()).await;
    let genuine = receiver.posts().remove(0);
    // A receiver with the stolen secret accepts the thief's post as ours.
    let verifies = |secret: &str, body: &[u8], headers: &axum::http::HeaderMap| {
        standardwebhooks::Webhook::new(secret).unwrap().verify(body, headers).is_ok()
    };
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let thief = standardwebhooks::Webhook::new(SECRET).unwrap().sign("forged", now, b"{}").unwrap();
    let headers: axum::http::HeaderMap = [("webhook-id", "forged"), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &thief)]
        .into_iter()
        .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    assert!(verifies(SECRET, b"{}", &headers) && verifies(SECRET, &genuine.body, &genuine.headers));

    std::fs::write(test.file("webhook.txt"), NEW_WEBHOOK_SECRET).unwrap();
    reload(&served).await;
    let before = receiver.posts().len();
    ask(&served, &callback(&fabrikam, demo::FABRIKAM, refused)).await;
    until("an event with the new secret", || receiver.posts().len() > before).await;
    let new = receiver.posts().pop().unwrap();
    assert!(verifies(NEW_WEBHOOK_SECRET, &new.body, &new.headers) && !verifies(SECRET, &new.body, &new.headers));
    assert!(!verifies(NEW_WEBHOOK_SECRET, b"{}", &headers), "the receiver no longer takes the thief's posts");
}

#[tokio::test]
async fn a_thief_of_an_app_secret_gets_no_token_after_the_exchange() {
    let test = TestInstallation::replacing("", &[(r#"{ env = "TEST_CLIENT_SECRET" }"#, r#"{ file = "secret.txt" }"#)]);
    std::fs::write(test.file("secret.txt"), APP_SECRET).unwrap();
    test.approve(demo::CONTOSO);
    let url = format!("{}/{}/oauth2/v2.0/token", test.sandbox.url(), demo::CONTOSO);
    let thief = async || {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &demo::APP.to_string()),
            ("client_secret", APP_SECRET),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.post(&url).form(&form).send().await.unwrap().status().as_u16()
    };
    let outcome = || {
        let output = run(&test, &["verify", "--app", "mail-backup", "--tenant", "contoso.example", "--output", "json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        found[0]["outcome"].clone()
    };
    assert_eq!((thief().await, outcome()), (200, json!("granted")));
    // The operator first removes the stolen secret at Entra. Until the new secret is in place, no check succeeds and no claim is lost.
    let new = "canary-secret-that-replaces-the-stolen-one";
    let secret = ClientSecret { value: new.into(), expires: None };
    test.sandbox.control().apply(Change::SetSecrets { app: demo::APP, secrets: vec![secret] }).unwrap();
    assert_eq!((thief().await, outcome()), (401, json!("operator_fault")));
    std::fs::write(test.file("secret.txt"), new).unwrap();
    assert_eq!((thief().await, outcome()), (401, json!("granted")));
}
