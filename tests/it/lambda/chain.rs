//! A chain that begins with its verifier. Microsoft shows every approval after its usual lag. A separate process answers each request, as
//! Lambda may do.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_consent::consent::{ExpectedTenant, Label, ProfileId};
use entra_consent::token::Subject;
use entra_sandbox::{AppRegistration, Change, ClientSecret, PermissionSet, Replication, UserRole, demo};
use serde_json::json;

use super::events::{own_event, visit};
use super::function::Ended;
use crate::support::installation::{BASE_URL, TestInstallation};
use crate::support::northwind::{APP_SECRET, APPLE_AND_CHAIN, reader};
use crate::support::runtime_api::Function;
use crate::support::same_id;
use crate::support::stage::{READER, checked_record};

/// An installation with the chain: reader, mail-backup, Apple.
struct Chain {
    test: TestInstallation,
    invitation: String,
}

/// A browser with its cookies, by name.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl Chain {
    async fn in_lag() -> Self {
        Self::with_optional("[]").await
    }

    /// `optional` is the list of the steps that may be skipped.
    async fn with_optional(optional: &str) -> Self {
        let optional = format!("\noptional = {optional}\nname = \"Onboarding\"");
        let reader = reader(r#"application = { required = ["Directory.Read.All"] }"#).replace("READER_SECRET", "TEST_CLIENT_SECRET");
        let own = r#"credential = { client_secret = { env = "TEST_CLIENT_SECRET" } }
[apps.permissions"#;
        let verified = own.replace(own.lines().next().unwrap(), "verified_by = \"reader\"");
        let test = TestInstallation::replacing(
            APPLE_AND_CHAIN,
            &[(own, &verified), ("[[companions]]", &format!("{reader}\n[[companions]]")), ("\nname = \"Onboarding\"", &optional)],
        );
        let control = test.sandbox.control();
        let registration = AppRegistration {
            home: Some(demo::HOME),
            redirect_uris: vec![format!("{BASE_URL}/callback")],
            secrets: vec![ClientSecret { value: APP_SECRET.into(), expires: None }],
            permissions: vec![PermissionSet::graph(&["Directory.Read.All"], &[])],
            ..AppRegistration::new(READER, "Northwind Reader")
        };
        let replication = Replication { service_principal: 45, roles: 60, graph: 60, flapping: 0 };
        control.apply(Change::SetApp(Box::new(registration))).unwrap();
        control.apply(Change::SetReplication { tenant: demo::CONTOSO, replication }).unwrap();
        let (subject, tenant) = (Subject::Chain(ProfileId::parse("onboarding").unwrap()), ExpectedTenant::Tenant(same_id(demo::CONTOSO)));
        let label = Label::parse("Contoso GmbH").ok();
        let made = test.installation.invitation(subject, tenant, label, None, Duration::from_secs(86_400)).await;
        let invitation = made.unwrap().1.strip_prefix(BASE_URL).unwrap().to_owned();
        Self { test, invitation }
    }

    /// Sends one request to a new process, with the browser's cookies, and keeps the new cookies.
    async fn ask(&self, browser: &mut Browser, path: &str, step: Option<&str>) -> Ended {
        let mut event = visit(&own_event("http-api-success", "", ""), "");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        (event["rawPath"], event["rawQueryString"]) = (json!(path), json!(query));
        let cookies: Vec<_> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        event["cookies"] = json!(cookies);
        if let Some(step) = step {
            event["requestContext"]["http"]["method"] = json!("POST");
            event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
            (event["body"], event["isBase64Encoded"]) = (json!(STANDARD.encode(format!("step={step}"))), json!(true));
        }
        let mut function = Function::start(env!("CARGO_BIN_EXE_callback"), &[], &self.test.environment()).await;
        let answer = function.invoke(event.to_string()).await.response();
        for set in answer["cookies"].as_array().into_iter().flatten() {
            let (name, value) = set.as_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            browser.0.insert(name.to_owned(), value.to_owned());
        }
        Ended { answer, records: function.stdout().split_inclusive('\n').map(checked_record).collect() }
    }

    /// Presses the button of a step, accepts at Microsoft, and comes back. Returns the answer to the callback.
    async fn accept(&self, browser: &mut Browser, step: &str) -> Ended {
        let pressed = self.ask(browser, &self.invitation, Some(step)).await;
        let microsoft = pressed.header("location").unwrap();
        let user = self.test.sandbox.control().user(demo::CONTOSO, UserRole::Administrator).unwrap().to_string();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let answer = http.post(microsoft).form(&[("user", user.as_str()), ("do", "accept")]).send().await.unwrap();
        let back = answer.headers()["location"].to_str().unwrap().strip_prefix(BASE_URL).unwrap().to_owned();
        self.ask(browser, &back, None).await
    }

    fn advance(&self, seconds: u64) {
        self.test.sandbox.control().advance(Duration::from_secs(seconds));
    }
}

/// The path that an answer leads to.
fn led(ended: &Ended) -> String {
    ended.header("location").unwrap().strip_prefix(BASE_URL).unwrap().to_owned()
}

#[tokio::test]
async fn chain_in_ordinary_lag_waits_and_ends_granted() {
    let (chain, mut browser) = (Chain::in_lag().await, Browser::default());
    let reader = chain.accept(&mut browser, "reader").await;
    assert_eq!(reader.outcome(), "pending");
    chain.advance(8);
    let mail = chain.accept(&mut browser, "mail-backup").await;
    assert_eq!(mail.outcome(), "pending");
    let apple = chain.ask(&mut browser, &chain.invitation, Some("apple")).await;
    assert_eq!(apple.outcome(), "pending");
    chain.test.sandbox.control().apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None }).unwrap();
    let pages = [led(&reader), led(&mail), led(&apple)];
    // The reader's service principal shows after 45 s, its rights after 60 s.
    for seconds in [0, 40, 5] {
        chain.advance(seconds);
        for (at, page) in pages.iter().enumerate() {
            let page = chain.ask(&mut browser, page, None).await;
            assert_eq!((&*page.shown(), page.header("refresh").is_some()), ("pending", true), "page {at}, {seconds} s later");
            assert_eq!(page.body().contains("Microsoft does not show our reader yet"), at > 0, "page {at}");
        }
    }
    let report = chain.ask(&mut browser, &format!("{}/chain", pages[1]), None).await;
    assert!(!report.body().contains("Recorded, but not checked"), "{}", report.body());
    chain.advance(30);
    for page in &pages {
        let renewed = chain.ask(&mut browser, page, None).await;
        assert_eq!(renewed.outcome(), "granted");
        assert_eq!(chain.ask(&mut browser, &led(&renewed), None).await.shown(), "granted");
    }
}

#[tokio::test]
async fn step_whose_verifier_was_never_claimed_is_unverified() {
    let chain = Chain::in_lag().await;
    let alone = chain.accept(&mut Browser::default(), "mail-backup").await;
    assert_eq!(alone.outcome(), "reported_unverified");
    // Another browser returns with a claim that the verifier was approved. Another process answers.
    assert_eq!(chain.accept(&mut Browser::default(), "reader").await.outcome(), "pending");
    chain.advance(8);
    assert_eq!(chain.accept(&mut Browser::default(), "mail-backup").await.outcome(), "reported_unverified");
    let mut forged = Browser([("__Host-entra-consent-verifier".to_owned(), format!("1.{}.reader", demo::CONTOSO))].into());
    assert_eq!(chain.accept(&mut forged, "mail-backup").await.outcome(), "reported_unverified", "a claim of long ago");
}

#[tokio::test]
async fn an_optional_step_without_its_service_is_skipped() {
    let (chain, mut browser) = (Chain::with_optional("[\"mail-backup\"]").await, Browser::default());
    assert!(chain.ask(&mut browser, &chain.invitation, None).await.body().contains("(optional)"));
    chain.accept(&mut browser, "reader").await;
    chain.advance(120);
    let pressed = chain.ask(&mut browser, &chain.invitation, Some("mail-backup")).await;
    let microsoft = url::Url::parse(pressed.header("location").unwrap()).unwrap();
    let (_, state) = microsoft.query_pairs().find(|(name, _)| name == "state").unwrap();
    let lacks = "AADSTS650052: The app is trying to access a service '00000002-0000-0ff1-ce00-000000000000'(Exchange) that your organization \
                 lacks a service principal for.";
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("error", "invalid_client"), ("error_description", lacks), ("state", &*state)])
        .finish();
    let mail = chain.ask(&mut browser, &format!("/callback?{query}"), None).await;
    assert_eq!(mail.outcome(), "app_misconfigured");
    let report = format!("{}/chain", led(&mail));
    let half = chain.ask(&mut browser, &report, None).await.body().to_owned();
    for words in ["1 of 2 apps approved", "goes on without it", "data-chain=\"half_done\"", "#step-3"] {
        assert!(half.contains(words), "{words}: {half}");
    }
    let page = chain.ask(&mut browser, &led(&mail), None).await;
    assert!(page.body().contains("<bdi>1</bdi> of <bdi>2</bdi> approved"), "{}", page.body());
    chain.test.sandbox.control().apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None }).unwrap();
    chain.advance(120);
    let done = chain.ask(&mut browser, &report, None).await;
    assert!(done.body().contains("data-chain=\"done\""), "{}", done.body());
}
