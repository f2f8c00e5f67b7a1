//! The sandbox over real HTTP. Each test shows a behaviour that the product's tests and the demo rely on.

// With this, clippy also treats helper functions here as test code.
#![cfg(test)]

mod consent;
mod control;
mod discovery;
mod faults;
mod graph;
mod token;

use entra_sandbox::{ClientId, TenantId};
use entra_sandbox::{Control, Sandbox, SandboxClock, SandboxOptions, Scenario, UserRole, demo};
use reqwest::Response;
use reqwest::redirect::Policy;
use serde_json::Value;
use time::macros::datetime;
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:8080/callback";

/// A sandbox with a stopped clock, and a client that follows no redirect.
struct Stage {
    sandbox: Sandbox,
    control: Control,
    http: reqwest::Client,
}

impl Stage {
    fn demo() -> Self {
        Self::playing(Scenario::demo(CALLBACK))
    }

    fn playing(scenario: Scenario) -> Self {
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock, scenario }).unwrap();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { control: sandbox.control(), sandbox, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url())
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// A consent link of the v2 endpoint for the demo's app.
    fn link(&self, tenant: impl std::fmt::Display) -> String {
        let scope = format!("{}/.default", self.sandbox.url());
        let mut url = Url::parse(&self.url(&format!("/{tenant}/v2.0/adminconsent"))).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", &demo::APP.to_string())
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("scope", &scope)
            .append_pair("state", "st-1");
        url.to_string()
    }

    /// Submits a decision on the consent page at `link`, as the first user in `tenant` who has `role`. `what` is the button: `accept`,
    /// `cancel`, `request` or `back`.
    async fn decide(&self, link: &str, tenant: TenantId, role: UserRole, what: &str) -> Response {
        let user = self.control.user(tenant, role).unwrap().to_string();
        self.http.post(link).form(&[("user", user.as_str()), ("do", what)]).send().await.unwrap()
    }

    fn token_url(&self, tenant: impl std::fmt::Display) -> String {
        self.url(&format!("/{tenant}/oauth2/v2.0/token"))
    }

    fn graph_scope(&self) -> String {
        format!("{}/.default", self.sandbox.url())
    }

    async fn ask_token(&self, tenant: TenantId, form: &[(&str, &str)]) -> Response {
        self.http.post(self.token_url(tenant)).form(form).send().await.unwrap()
    }

    /// Requests a Graph token for the demo's app with its secret.
    async fn secret_token(&self, tenant: TenantId) -> Response {
        self.secret_token_as(demo::APP, tenant, demo::APP_SECRET).await
    }

    async fn secret_token_as(&self, app: ClientId, tenant: TenantId, secret: &str) -> Response {
        let (id, scope) = (app.to_string(), self.graph_scope());
        let form = [("client_id", id.as_str()), ("scope", &scope), ("client_secret", secret), ("grant_type", "client_credentials")];
        self.ask_token(tenant, &form).await
    }

    /// As `secret_token`, and unwraps the token.
    async fn token(&self, tenant: TenantId) -> String {
        let answer = self.secret_token(tenant).await;
        assert_eq!(answer.status(), 200);
        json(answer).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn graph(&self, token: &str, path: &str) -> Response {
        self.http.get(self.url(&format!("/v1.0{path}"))).bearer_auth(token).send().await.unwrap()
    }
}

async fn json(answer: Response) -> Value {
    answer.json().await.unwrap()
}

/// The redirect's address.
fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), 302);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// The redirect's parameters, decoded.
fn callback(answer: &Response) -> Vec<(String, String)> {
    Url::parse(&location(answer)).unwrap().query_pairs().into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
}

/// A JWT's claims, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// An error's HTTP status, `error` and first AADSTS code.
async fn aadsts(answer: Response) -> (u16, String, u64) {
    let status = answer.status().as_u16();
    let body = json(answer).await;
    assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{}: ", body["error_codes"][0])));
    (status, body["error"].as_str().unwrap().to_owned(), body["error_codes"][0].as_u64().unwrap())
}

#[tokio::test]
async fn a_consent_is_asked_accepted_and_seen_by_token_and_graph() {
    let stage = Stage::demo();
    let link = stage.link(demo::CONTOSO);
    let page = stage.http.get(&link).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    for shown in ["Simulation", "Northwind Mail Backup", "Contoso Ltd", "Read mail in all mailboxes (Mail.Read)"] {
        assert!(text.contains(shown), "{shown}");
    }
    assert_eq!(aadsts(stage.secret_token(demo::CONTOSO).await).await, (401, "invalid_client".into(), 7_000_229));

    let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    let back = callback(&answer);
    assert_eq!(value(&back, "admin_consent"), Some("True"));
    assert_eq!(value(&back, "tenant"), Some(demo::CONTOSO.to_string().as_str()));
    assert_eq!(value(&back, "state"), Some("st-1"));

    let token = stage.token(demo::CONTOSO).await;
    assert_eq!(claims(&token)["roles"], serde_json::json!(["Mail.Read", "User.Read.All"]));
    let organization = json(stage.graph(&token, "/organization").await).await;
    assert_eq!(organization["value"][0]["displayName"], "Contoso Ltd");
    let batch = serde_json::json!({ "requests": [
        { "id": "1", "method": "GET", "url": "/organization" },
        { "id": "2", "method": "GET", "url": format!("/servicePrincipals(appId='{}')", demo::APP) },
    ] });
    let answer = stage.http.post(stage.url("/v1.0/$batch")).bearer_auth(&token).json(&batch).send().await.unwrap();
    let parts = json(answer).await;
    let status = |id: &str| {
        let parts = parts["responses"].as_array().unwrap();
        parts.iter().find(|part| part["id"] == id).unwrap()["status"].as_u64().unwrap()
    };
    assert_eq!((status("1"), status("2")), (200, 403), "the app has no right to read service principals");
}
