//! Domains resolve to tenants over real HTTP, against the simulated authority and all its faults.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use entra_consent::config::Config;
use entra_consent::consent::{Cloud, ProfileId};
use entra_consent::entra::clients::Clients;
use entra_consent::entra::cloud::Endpoints;
use entra_consent::entra::discovery::{DiscoveredTenant, Discovery, TenantName, Undiscovered};
use entra_consent::entra::http::Silence;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_sandbox::{
    Change, Control, Effect, Fault, FaultAt, Kind, RetryAfter, Sandbox, SandboxClock, SandboxOptions, Scenario, TenantId, TenantSetup, demo,
};
use time::macros::datetime;

use crate::support::same_id;

const OTHER: &str = "99990000-aaaa-bbbb-cccc-1111dddd2222";

struct Stage {
    sandbox: Sandbox,
    control: Control,
    discovery: Discovery,
    endpoints: Endpoints,
    cloud: Cloud,
}

impl Stage {
    fn new() -> Self {
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let scenario = Scenario::demo("http://127.0.0.1:8080/callback");
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();
        let base: url::Url = sandbox.url().parse().unwrap();
        Self {
            control: sandbox.control(),
            sandbox,
            discovery: Discovery::new(Clients::new(Roots::Embedded, Rng::system()), Clock::new(move || clock.now())),
            endpoints: Endpoints { authority: base.clone(), graph: base, extra_ca: None },
            cloud: Cloud::Custom("lab".into()),
        }
    }

    async fn ask(&self, name: &str) -> Result<DiscoveredTenant, Undiscovered> {
        self.discovery.discover(&self.cloud, &self.endpoints, &TenantName::parse(name).unwrap()).await
    }

    fn fault(&self, effect: Effect) {
        self.control.clear_faults();
        self.control.fault(Fault::new(FaultAt::Discovery, effect)).unwrap();
    }

    fn asked(&self) -> u64 {
        self.control.count(Kind::Discovery)
    }

    /// Asserts that only discovery documents were requested.
    fn nothing_else_was_asked(&self) {
        assert_eq!(u64::try_from(self.control.requests().len()).unwrap(), self.asked());
    }
}

fn member(name: &str, value: &serde_json::Value) -> Effect {
    Effect::Member { name: name.into(), json: Some(value.to_string()) }
}

#[tokio::test]
async fn a_domain_and_an_id_lead_to_the_same_tenant() {
    let stage = Stage::new();
    let by_domain = stage.ask("Contoso.Example").await.unwrap();
    assert_eq!(by_domain.id, same_id(demo::CONTOSO));
    assert_eq!(by_domain.home.to_string(), "lab");
    assert_eq!(by_domain.region.as_ref().unwrap().as_str(), "EU");
    assert_eq!(by_domain.sub_scope, None);
    assert_eq!(stage.ask(&demo::CONTOSO.to_string()).await, Ok(by_domain));
    assert_eq!(stage.asked(), 2);
    stage.nothing_else_was_asked();
}

#[tokio::test]
async fn letters_beyond_ascii_are_asked_for_as_punycode() {
    let stage = Stage::new();
    let id = TenantId::from_u128(78);
    let mut setup = TenantSetup::new(id, "München", "xn--mnchen-3ya.example");
    setup.region_sub_scope = Some("GCC".into());
    stage.control.apply(Change::AddTenant(Box::new(setup))).unwrap();
    let found = stage.ask("MÜNCHEN.example").await.unwrap();
    assert_eq!((found.id, found.sub_scope.unwrap().as_str()), (same_id(id), "GCC"));
}

#[tokio::test]
async fn a_name_without_a_tenant_is_unknown_or_malformed() {
    let stage = Stage::new();
    for name in ["nowhere.example", OTHER] {
        assert_eq!(stage.ask(name).await, Err(Undiscovered::UnknownTenant), "{name}");
    }
    stage.fault(Effect::Aadsts { code: 900_023, status: None, error: None, granted: false });
    assert_eq!(stage.ask("contoso.example").await, Err(Undiscovered::Malformed));
}

#[tokio::test]
async fn a_tenant_of_another_cloud_is_recognised() {
    for (name, value, home) in [
        ("cloud_instance_name", "partner.microsoftonline.cn", "china-21vianet"),
        ("msgraph_host", "graph.microsoft.us", "us-gov-l4"),
        ("tenant_region_sub_scope", "DOD", "us-gov-l5"),
        ("msgraph_host", "graph.elsewhere.example", "graph.elsewhere.example"),
    ] {
        let stage = Stage::new();
        stage.fault(member(name, &value.into()));
        let Err(Undiscovered::OtherCloud(tenant)) = stage.ask("contoso.example").await else { panic!("{name}") };
        assert_eq!((tenant.id, tenant.home.to_string().as_str()), (same_id(demo::CONTOSO), home));
        stage.nothing_else_was_asked();
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_trusted_leads_nowhere() {
    let stage = Stage::new();
    let base = stage.sandbox.url().to_owned();
    let wrong_issuer = format!("{base}/{OTHER}/v2.0");
    for effect in [
        Effect::Malformed,
        Effect::Html { status: 200 },
        Effect::Html { status: 404 },
        Effect::Null,
        Effect::Empty,
        Effect::ByteOrderMark,
        Effect::DuplicateMembers,
        Effect::Huge { megabytes: 1 },
        Effect::Redirect { to: format!("{base}/{}/v2.0/.well-known/openid-configuration", demo::FABRIKAM), status: 302 },
        Effect::Redirect { to: format!("{base}/v1.0/organization"), status: 307 },
        member("issuer", &wrong_issuer.into()),
        member("token_endpoint", &format!("{base}/{OTHER}/oauth2/v2.0/token").into()),
        Effect::Member { name: "issuer".into(), json: None },
        Effect::Member { name: "token_endpoint".into(), json: None },
    ] {
        stage.fault(effect.clone());
        let before = stage.asked();
        let answer = stage.ask("contoso.example").await;
        assert!(matches!(answer, Err(Undiscovered::Unreadable(_))), "{effect:?}: {answer:?}");
        assert_eq!(stage.asked(), before + 1, "{effect:?}");
    }
    stage.nothing_else_was_asked();
    stage.control.clear_faults();
    assert!(stage.ask("contoso.example").await.is_ok(), "the failure is not cached");
}

#[tokio::test]
async fn a_document_about_another_tenant_than_the_one_asked_for_is_not_believed() {
    let stage = Stage::new();
    let url = format!("{}/{}/v2.0/.well-known/openid-configuration", stage.sandbox.url(), demo::FABRIKAM);
    let fabrikam = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
    stage.fault(Effect::Verbatim { status: 200, headers: BTreeMap::new(), body: fabrikam });
    let answer = stage.ask(&demo::CONTOSO.to_string()).await;
    assert_eq!(answer, Err(Undiscovered::Unreadable("it is about another tenant")));
}

#[tokio::test]
async fn the_document_of_many_tenants_is_refused() {
    let stage = Stage::new();
    let base = stage.sandbox.url();
    stage.fault(member("issuer", &format!("{base}/{{tenantid}}/v2.0").into()));
    assert_eq!(stage.ask("contoso.example").await, Err(Undiscovered::NoSingleTenant));
}

#[tokio::test]
async fn silence_is_no_answer_about_the_tenant() {
    let stage = Stage::new();
    for (effect, silence) in [
        (Effect::Reset, Some(Silence::Broken)),
        (Effect::Cut { after_bytes: 20 }, Some(Silence::Broken)),
        (Effect::Status { status: 500, code: None, retry_after: None }, None),
        (Effect::Status { status: 503, code: None, retry_after: None }, None),
        (Effect::Html { status: 502 }, None),
    ] {
        stage.fault(effect.clone());
        let answer = stage.ask("contoso.example").await;
        assert_eq!(answer, Err(Undiscovered::Unreachable { silence, retry_after: None }), "{effect:?}");
        assert!(answer.unwrap_err().is_retryable());
    }
    stage.control.clear_faults();
    assert!(stage.ask("contoso.example").await.is_ok(), "the failure is not cached");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base: url::Url = format!("http://{nobody}").parse().unwrap();
    let endpoints = Endpoints { authority: base.clone(), graph: base, extra_ca: None };
    let answer = stage.discovery.discover(&stage.cloud, &endpoints, &TenantName::parse("contoso.example").unwrap()).await;
    assert_eq!(answer, Err(Undiscovered::Unreachable { silence: Some(Silence::Unreachable), retry_after: None }));
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_kept_for_a_minute_at_most() {
    let stage = Stage::new();
    stage.fault(Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(600)) });
    let wait = Some(Duration::from_secs(600));
    for _ in 0..3 {
        let answer = stage.ask("contoso.example").await;
        assert_eq!(answer, Err(Undiscovered::Unreachable { silence: None, retry_after: wait }));
    }
    assert_eq!(stage.asked(), 1);
    stage.control.clear_faults();
    assert!(stage.ask("fabrikam.example").await.is_ok(), "another tenant is still looked up");
    stage.control.advance(Duration::from_secs(60));
    assert!(stage.ask("contoso.example").await.is_ok());
}

#[tokio::test]
async fn a_found_tenant_is_cached_for_one_hour_to_one_day() {
    for (header, seconds) in [
        (None, 86_400),
        (Some("max-age=7200, private"), 7_200),
        (Some("max-age=1"), 3_600),
        (Some("no-store, max-age=0"), 3_600),
        (Some("max-age=31536000"), 86_400),
        (Some("public"), 86_400),
    ] {
        let stage = Stage::new();
        if let Some(header) = header {
            let url = format!("{}/contoso.example/v2.0/.well-known/openid-configuration", stage.sandbox.url());
            let body = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
            let headers = BTreeMap::from([("cache-control".to_owned(), header.to_owned())]);
            stage.fault(Effect::Verbatim { status: 200, headers, body });
        }
        let first = stage.ask("contoso.example").await.unwrap();
        let after_one = stage.asked();
        stage.control.advance(Duration::from_secs(seconds - 1));
        assert_eq!(stage.ask("contoso.example").await.unwrap(), first);
        assert_eq!(stage.asked(), after_one, "{header:?}");
        stage.control.advance(Duration::from_secs(1));
        assert_eq!(stage.ask("contoso.example").await.unwrap(), first);
        assert_eq!(stage.asked(), after_one + 1, "{header:?}");
    }
}

#[tokio::test]
async fn a_tenant_that_appears_is_found_within_a_minute() {
    let stage = Stage::new();
    assert_eq!(stage.ask("new.example").await, Err(Undiscovered::UnknownTenant));
    let id = TenantId::from_u128(79);
    stage.control.apply(Change::AddTenant(Box::new(TenantSetup::new(id, "New", "new.example")))).unwrap();
    assert_eq!(stage.ask("new.example").await, Err(Undiscovered::UnknownTenant));
    assert_eq!(stage.asked(), 1);
    stage.control.advance(Duration::from_secs(60));
    assert_eq!(stage.ask("new.example").await.unwrap().id, same_id(id));
}

#[tokio::test]
async fn clouds_that_share_an_authority_do_not_share_an_answer() {
    let stage = Stage::new();
    let name = TenantName::parse("contoso.example").unwrap();
    assert!(stage.discovery.discover(&stage.cloud, &stage.endpoints, &name).await.is_ok());
    let as_dod = stage.discovery.discover(&Cloud::UsGovL5, &stage.endpoints, &name).await;
    assert!(matches!(as_dod, Err(Undiscovered::OtherCloud(_))), "{as_dod:?}");
    assert_eq!(stage.asked(), 2);
}

#[tokio::test]
async fn a_cloud_that_is_not_safe_to_talk_to_is_not_asked() {
    let stage = Stage::new();
    let plain: url::Url = "http://login.microsoftonline.com".parse().unwrap();
    let endpoints = Endpoints { authority: plain.clone(), graph: plain, extra_ca: None };
    let answer = stage.discovery.discover(&Cloud::Global, &endpoints, &TenantName::parse("contoso.example").unwrap()).await;
    assert!(matches!(answer, Err(Undiscovered::NoClient(_))), "{answer:?}");
}

#[tokio::test]
async fn a_site_asks_in_the_cloud_of_the_app() {
    let stage = Stage::new();
    let text = format!(
        "[site]\nname = \"Northwind\"\nbase_url = \"http://127.0.0.1:8080\"\nsupport = \"s@northwind.example\"\n\
         privacy_url = \"https://northwind.example/privacy\"\n[keys]\nsecret = {{ env = \"KEY\" }}\n\
         [clouds.lab]\nauthority = \"{base}\"\ngraph = \"{base}\"\n[[apps]]\nid = \"mail-backup\"\n\
         client_id = \"0a1b0000-0000-4000-8000-0000000000a1\"\nname = \"Mail Backup\"\ncloud = \"lab\"\n\
         credential = {{ client_secret = {{ env = \"SECRET\" }} }}\n\
         [apps.permissions.\"Microsoft Graph\"]\napplication = {{ required = [\"Mail.Read\"] }}\n",
        base = stage.sandbox.url()
    );
    let config = Config::parse(&text, Path::new("test.toml"), &|_| None).unwrap();
    let dependencies = Dependencies {
        roots: Roots::Embedded,
        clock: Clock::system(),
        rng: Rng::system(),
        sink: Sink::new(|_| Ok(())),
        environment: |_| None,
        outbox: None,
        aws: None,
    };
    let installation = Installation::new(config, dependencies);
    let app = installation.config.app(&ProfileId::parse("mail-backup").unwrap()).unwrap();
    let name = TenantName::parse("fabrikam.example").unwrap();
    for _ in 0..2 {
        assert_eq!(installation.discover(app, &name).await.unwrap().id, same_id(demo::FABRIKAM));
    }
    assert_eq!(stage.asked(), 1, "the tenant is cached");
}
