//! Apps without a secret: AWS vouches for the process through the real SDK, and the simulated Entra trusts the account's issuer.

use std::sync::Arc;

use entra_consent::aws::AwsClients;
use entra_consent::aws::web_identity::{NoWebIdentity, WebIdentity};
use entra_consent::env::Clock;
use entra_sandbox::{AwsSetup, Change, Effect, Fault, FaultAt, FederatedSetup, Kind, Sandbox, SandboxClock, SandboxOptions, demo};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::secrets::settings;
use crate::support::stage::{Options, Page, Stage};

const AUDIENCE: &str = "api://AzureADTokenExchange";
const APPS: &str = "[[apps]]\nid = \"mail-backup\"\nclient_id = \"0a1b0000-0000-4000-8000-0000000000a1\"\nname = \"Northwind Mail Backup\"\n\
                    cloud = \"sandbox\"\ncredential = { federated = {} }\n[apps.permissions.\"Microsoft Graph\"]\n\
                    application = { required = [\"Mail.Read\", \"User.Read.All\"] }\n";

async fn stage() -> Stage {
    let stage = Stage::with(Options { apps: Some(APPS.into()), sts: true, ..Options::default() }).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.grant(demo::WOODGROVE, demo::APP);
    stage
}

fn trusted(stage: &Stage) -> FederatedSetup {
    FederatedSetup { issuer: format!("{}/aws-issuer", stage.microsoft), subject: AwsSetup::default().role, audience: AUDIENCE.into() }
}

fn trust(stage: &Stage, credential: FederatedSetup) {
    stage.change(Change::SetFederated { app: demo::APP, credentials: vec![credential] });
}

async fn callback(stage: &Stage, tenant: entra_sandbox::TenantId) -> Page {
    let ticket = stage.ticket(tenant).await;
    stage.claim_success(&ticket, tenant).await
}

#[tokio::test]
async fn an_app_for_which_aws_vouches_needs_no_secret() {
    let stage = stage().await;
    trust(&stage, trusted(&stage));
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "granted");
    assert_eq!(callback(&stage, demo::WOODGROVE).await.outcome(), "granted");
    assert_eq!(stage.control.count(Kind::Sts), 1, "the token is reused");
    stage.advance(120);
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "granted");
    assert_eq!(stage.control.count(Kind::Sts), 2);
    for record in stage.records() {
        assert!(!record.to_string().contains("eyJ"), "{record}");
    }
}

#[tokio::test]
async fn each_federated_mismatch_is_an_operator_fault_with_a_code() {
    let stage = stage().await;
    let right = trusted(&stage);
    let cases = [
        (FederatedSetup { issuer: format!("{}/", right.issuer), ..right.clone() }, 700_211),
        (FederatedSetup { subject: right.subject.to_uppercase(), ..right.clone() }, 700_213),
        (FederatedSetup { audience: format!("{AUDIENCE}USGov"), ..right.clone() }, 700_212),
    ];
    for (credential, code) in cases {
        trust(&stage, credential);
        let before = stage.control.count(Kind::Token);
        assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "operator_fault", "{code}");
        let record = stage.last_record();
        assert_eq!((&record["finding"]["aadsts"], &record["alarm"]), (&code.into(), &"credential".into()));
        assert_eq!(stage.control.count(Kind::Token) - before, 1, "no retry with another token");
        stage.advance(10);
    }
    stage.change(Change::SetFederated { app: demo::APP, credentials: Vec::new() });
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "operator_fault");
    assert_eq!(stage.last_record()["finding"]["aadsts"], 70_025);

    // A new federated credential takes some minutes to replicate.
    trust(&stage, right);
    stage.advance(10);
    let unknown_yet = Effect::Aadsts { code: 70_021, status: None, error: None, granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, unknown_yet).times(1)).unwrap();
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "operator_fault");
    stage.advance(10);
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "granted");
}

#[tokio::test]
async fn without_a_token_of_aws_microsoft_is_not_asked() {
    let stage = stage().await;
    trust(&stage, trusted(&stage));
    stage.change(Change::SetAws(AwsSetup { vouches: false, ..AwsSetup::default() }));
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "operator_fault");
    assert_eq!((stage.control.upstream_calls(), stage.last_record()["alarm"].as_str()), (0, Some("credential")));
    stage.change(Change::SetAws(AwsSetup::default()));
    stage.advance(10);
    assert_eq!(callback(&stage, demo::CONTOSO).await.outcome(), "granted");
}

async fn identity(endpoint: &str) -> WebIdentity {
    WebIdentity::new(Clock::system(), Arc::new(AwsClients::with_settings(settings(endpoint).await)))
}

#[tokio::test]
async fn the_accounts_issuer_signs_a_token_for_role_and_audience() {
    let sandbox = Sandbox::start(SandboxOptions::default()).unwrap();
    let identity = identity(&format!("{}/sts", sandbox.url())).await;
    let token = identity.token(AUDIENCE).await.unwrap();
    assert!(Arc::ptr_eq(&token, &identity.token(AUDIENCE).await.unwrap()));
    assert!(Arc::ptr_eq(&token, &identity.refresh(AUDIENCE).await.unwrap()), "at most one new token a minute");
    assert_eq!(sandbox.control().count(Kind::Sts), 1);

    // This verifies the token as Entra does, from the issuer's document and keys, with an independent library.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let issuer = format!("{}/aws-issuer", sandbox.url());
    let get = async |url: &str| serde_json::from_slice::<Value>(&http.get(url).send().await.unwrap().bytes().await.unwrap()).unwrap();
    let document = get(&format!("{issuer}/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], issuer.as_str());
    let keys = get(document["jwks_uri"].as_str().unwrap()).await;
    let jwk = &keys["keys"][0];
    let key = DecodingKey::from_rsa_components(jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[issuer]);
    let claims = jsonwebtoken::decode::<Value>(token.expose(), &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], AwsSetup::default().role.as_str());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}

#[tokio::test]
async fn an_answer_without_a_token_is_said_to_be_one() {
    for answer in [
        r#"<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult><WebIdentityToken></WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"#,
        r#"<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"#,
    ] {
        let refused = identity(&crate::secrets::answering(200, answer)).await.token(AUDIENCE).await.unwrap_err();
        assert_eq!(refused, NoWebIdentity::Empty, "{answer}");
    }
}

/// A process with its own clock.
async fn identity_at(endpoint: &str) -> (WebIdentity, SandboxClock) {
    let clock = SandboxClock::standing_at(time::macros::datetime!(2026-11-20 12:00 UTC));
    let time = clock.clone();
    let aws = AwsClients::with_settings(settings(endpoint).await);
    (WebIdentity::new(Clock::new(move || time.now()), Arc::new(aws)), clock)
}

#[tokio::test]
async fn after_a_failure_the_next_call_waits_ten_seconds() {
    let sandbox = Sandbox::start(SandboxOptions::default()).unwrap();
    sandbox.control().apply(Change::SetAws(AwsSetup { allowed: false, ..AwsSetup::default() })).unwrap();
    let (identity, clock) = identity_at(&format!("{}/sts", sandbox.url())).await;
    for (wait, asked) in [(0, 1), (9, 1), (1, 2)] {
        clock.advance(std::time::Duration::from_secs(wait));
        identity.token(AUDIENCE).await.unwrap_err();
        assert_eq!(sandbox.control().count(Kind::Sts), asked);
    }
}

#[tokio::test]
async fn a_token_that_entra_refused_is_replaced_after_a_minute() {
    let sandbox = Sandbox::start(SandboxOptions::default()).unwrap();
    let (identity, clock) = identity_at(&format!("{}/sts", sandbox.url())).await;
    let first = identity.token(AUDIENCE).await.unwrap();
    for (wait, is_first) in [(59, true), (1, false)] {
        clock.advance(std::time::Duration::from_secs(wait));
        assert_eq!(Arc::ptr_eq(&first, &identity.refresh(AUDIENCE).await.unwrap()), is_first);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_token_immortal() {
    let sandbox = Sandbox::start(SandboxOptions::default()).unwrap();
    let (identity, clock) = identity_at(&format!("{}/sts", sandbox.url())).await;
    let token = identity.token(AUDIENCE).await.unwrap();
    clock.set(time::macros::datetime!(2026-11-19 12:00 UTC));
    assert!(!Arc::ptr_eq(&token, &identity.token(AUDIENCE).await.unwrap()));
}

#[tokio::test]
async fn a_token_that_was_changed_on_its_way_is_not_taken() {
    let stage = stage().await;
    trust(&stage, trusted(&stage));
    let identity = identity(&format!("{}/sts", stage.microsoft)).await;
    let token = identity.token(AUDIENCE).await.unwrap();
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    let form = [
        ("client_id", demo::APP.to_string()),
        ("scope", format!("{}/.default", stage.microsoft)),
        ("grant_type", "client_credentials".into()),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
        ("client_assertion", forged),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", stage.microsoft, demo::CONTOSO);
    let answer: Value = serde_json::from_str(&stage.http.post(url).form(&form).send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(answer["error_codes"][0], 50_013);
}

#[tokio::test]
async fn each_reason_for_no_token_names_its_remedy() {
    let sandbox = Sandbox::start(SandboxOptions::default()).unwrap();
    let endpoint = format!("{}/sts", sandbox.url());
    let said = async |setup: AwsSetup| {
        sandbox.control().apply(Change::SetAws(setup)).unwrap();
        identity(&endpoint).await.token(AUDIENCE).await.unwrap_err()
    };
    let off = said(AwsSetup { vouches: false, ..AwsSetup::default() }).await;
    assert!(off == NoWebIdentity::Disabled && off.to_string().contains("aws iam enable-outbound-web-identity-federation"), "{off}");
    let denied = said(AwsSetup { allowed: false, ..AwsSetup::default() }).await;
    assert_eq!(denied, NoWebIdentity::Denied("AccessDenied".into()));
    assert!(denied.to_string().contains("sts:GetWebIdentityToken"), "{denied}");

    let asked = sandbox.control().count(Kind::Sts);
    for region in [None, Some("aws-global")] {
        let settings = settings(&endpoint).await.into_builder();
        let settings = settings.region(region.map(aws_config::Region::new)).build();
        let identity = WebIdentity::new(Clock::system(), Arc::new(AwsClients::with_settings(settings)));
        let refused = identity.token(AUDIENCE).await.unwrap_err();
        assert!(refused == NoWebIdentity::NoRegion && refused.to_string().contains("AWS_REGION"), "{refused}");
    }
    assert_eq!(sandbox.control().count(Kind::Sts), asked, "no call to Microsoft");

    let nowhere = identity("http://127.0.0.1:9").await;
    let unreachable = nowhere.token(AUDIENCE).await.unwrap_err();
    assert!(matches!(unreachable, NoWebIdentity::Unreachable(_)), "{unreachable}");
}
