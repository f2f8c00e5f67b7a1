use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_sandbox::ResourceId;
use entra_sandbox::{CertificateSetup, Change, ClientSecret, Effect, Fault, FaultAt, Kind, MissingApp, PublicKeySetup, Replication};
use serde_json::json as value_of;

fn granted() -> Stage {
    let stage = Stage::demo();
    grant(&stage, demo::CONTOSO);
    stage
}

fn grant(stage: &Stage, tenant: TenantId) {
    stage.control.apply(Change::Grant { tenant, app: demo::APP, permissions: None }).unwrap();
}

#[tokio::test]
async fn a_token_has_the_claims_of_an_app_only_graph_token() {
    let stage = granted();
    let answer = stage.secret_token(demo::CONTOSO).await;
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
    let body = json(answer).await;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["ext_expires_in"]), (&value_of!(3599), &value_of!(3599)));
    let claims = claims(body["access_token"].as_str().unwrap());
    let principal = stage.control.app_state(demo::CONTOSO, demo::APP).unwrap().service_principal.unwrap().to_string();
    let now = stage.control.clock().unix_seconds();
    for (name, expected) in [
        ("aud", value_of!(stage.sandbox.url())),
        ("iss", value_of!(format!("https://sts.windows.net/{}/", demo::CONTOSO))),
        ("appid", value_of!(demo::APP)),
        ("appidacr", value_of!("1")),
        ("idtyp", value_of!("app")),
        ("oid", value_of!(principal)),
        ("sub", value_of!(principal)),
        ("tid", value_of!(demo::CONTOSO)),
        ("roles", value_of!(["Mail.Read", "User.Read.All"])),
        ("ver", value_of!("1.0")),
        ("exp", value_of!(now + 3600)),
        ("nbf", value_of!(now - 300)),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert!(claims["uti"].is_string());
}

#[tokio::test]
async fn basic_authentication_and_a_resource_by_app_id_do_as_well() {
    let stage = granted();
    let scope = format!("{}/.default", ResourceId::GRAPH);
    let form = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let request = stage.http.post(stage.token_url("contoso.example")).form(&form);
    let answer = request.basic_auth(demo::APP, Some(demo::APP_SECRET)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let token = json(answer).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["aud"], ResourceId::GRAPH.to_string());
    assert_eq!(stage.graph(&token, "/organization").await.status(), 200);
}

#[tokio::test]
async fn each_wrong_request_has_its_own_error() {
    let stage = granted();
    let (app, scope) = (demo::APP.to_string(), stage.graph_scope());
    let good: Vec<(&str, &str)> =
        vec![("client_id", &app), ("scope", &scope), ("client_secret", demo::APP_SECRET), ("grant_type", "client_credentials")];
    let two = format!("{scope} https://outlook.office365.com/.default");
    let unknown = "0a1b0000-0000-4000-8000-00000000dead";
    for (name, with, status, error, code) in [
        ("grant_type", None, 400, "invalid_request", 900_144),
        ("grant_type", Some("password"), 400, "unsupported_grant_type", 70_003),
        ("client_id", None, 400, "invalid_request", 900_144),
        ("client_id", Some(unknown), 400, "unauthorized_client", 700_016),
        ("client_id", Some("not-a-guid"), 400, "unauthorized_client", 700_016),
        ("client_secret", None, 401, "invalid_client", 7_000_218),
        ("client_secret", Some("wrong"), 401, "invalid_client", 7_000_215),
        ("scope", None, 400, "invalid_request", 900_144),
        ("scope", Some("https://graph.microsoft.com/User.Read"), 400, "invalid_scope", 1_002_012),
        ("scope", Some(&two), 400, "invalid_scope", 70_011),
        ("scope", Some("https://nothing.example/.default"), 400, "invalid_resource", 500_011),
    ] {
        let mut form = good.clone();
        form.retain(|(have, _)| *have != name);
        form.extend(with.map(|with| (name, with)));
        let answer = stage.ask_token(demo::CONTOSO, &form).await;
        assert_eq!(aadsts(answer).await, (status, error.into(), code), "{name} {with:?}");
    }
    let twice = [good.as_slice(), &[("scope", "x")]].concat();
    assert_eq!(aadsts(stage.ask_token(demo::CONTOSO, &twice).await).await.2, 9_000_411);
    for (tenant, code) in [("nowhere.example", 90_002), ("x", 900_023), ("organizations", 9_001_023)] {
        let answer = stage.http.post(stage.token_url(tenant)).form(&good).send().await.unwrap();
        assert_eq!(aadsts(answer).await.2, code, "{tenant}");
    }
    let answer = stage.http.get(stage.token_url(demo::CONTOSO)).send().await.unwrap();
    assert_eq!(aadsts(answer).await.2, 900_561);
    let answer = stage.http.post(stage.token_url(demo::CONTOSO)).json(&value_of!({ "client_id": app })).send().await;
    assert_eq!(aadsts(answer.unwrap()).await.2, 900_144, "JSON is not a form");
}

#[tokio::test]
async fn an_error_has_the_layout_of_the_authority() {
    let stage = Stage::demo();
    let request = stage.http.post(stage.token_url(demo::CONTOSO)).header("client-request-id", "c-1").form(&[("a", "b")]);
    let body = json(request.send().await.unwrap()).await;
    let (trace, time) = (body["trace_id"].as_str().unwrap(), body["timestamp"].as_str().unwrap());
    assert_eq!(time, "2026-11-20 12:00:00Z");
    assert_eq!(body["correlation_id"], "c-1");
    assert_eq!(body["error_uri"], "https://login.microsoftonline.com/error?code=900144");
    assert_eq!(
        body["error_description"],
        format!(
            "AADSTS900144: The request body must contain the following parameter: 'grant_type'.\r\nTrace ID: {trace}\r\nCorrelation ID: c-1\r\nTimestamp: {time}"
        )
    );
}

#[tokio::test]
async fn a_missing_service_principal_gets_the_tenants_error() {
    let stage = Stage::demo();
    assert_eq!(aadsts(stage.secret_token(demo::CONTOSO).await).await, (401, "invalid_client".into(), 7_000_229));
    let wrong = |stage: &Stage| stage.http.post(stage.token_url(demo::CONTOSO));
    let answer = MissingApp::NotFoundInDirectory;
    stage.control.apply(Change::SetMissingApp { tenant: demo::CONTOSO, answer }).unwrap();
    assert_eq!(aadsts(stage.secret_token(demo::CONTOSO).await).await, (400, "unauthorized_client".into(), 700_016));
    let (app, scope) = (demo::APP.to_string(), stage.graph_scope());
    let form = [("client_id", app.as_str()), ("scope", &scope), ("client_secret", "wrong"), ("grant_type", "client_credentials")];
    let answer = wrong(&stage).form(&form).send().await.unwrap();
    assert_eq!(aadsts(answer).await.2, 700_016, "no check of the credential if the directory does not know the app");
}

#[tokio::test]
async fn a_disabled_app_gets_no_token_and_a_deleted_one_is_missing() {
    let stage = granted();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    let first = stage.control.app_state(tenant, app).unwrap().service_principal;
    stage.control.apply(Change::Disable { tenant, app }).unwrap();
    assert_eq!(aadsts(stage.secret_token(tenant).await).await, (400, "unauthorized_client".into(), 7_000_112));
    stage.control.apply(Change::Enable { tenant, app }).unwrap();
    let token = stage.token(tenant).await;
    stage.control.apply(Change::Delete { tenant, app }).unwrap();
    assert_eq!(aadsts(stage.secret_token(tenant).await).await.2, 7_000_229);
    assert_eq!(stage.graph(&token, "/organization").await.status(), 200, "an issued token stays valid");
    assert!(stage.control.apply(Change::Enable { tenant, app }).is_err());
    grant(&stage, tenant);
    assert_ne!(stage.control.app_state(tenant, app).unwrap().service_principal, first, "a new object id");
}

#[tokio::test]
async fn secrets_expire_and_are_rotated() {
    let stage = granted();
    let at = stage.control.clock().now();
    let secret = |text: &str, expires| ClientSecret { value: text.into(), expires };
    let day = time::Duration::days(1);
    let secrets = vec![secret("old", Some(at + day)), secret("new", None)];
    stage.control.apply(Change::SetSecrets { app: demo::APP, secrets }).unwrap();
    let ask = |text| stage.secret_token_as(demo::APP, demo::CONTOSO, text);
    assert_eq!(ask("old").await.status(), 200);
    assert_eq!(aadsts(ask(demo::APP_SECRET).await).await.2, 7_000_215);
    stage.control.advance(Duration::from_secs(86_400));
    assert_eq!(aadsts(ask("old").await).await, (401, "invalid_client".into(), 7_000_222));
    assert_eq!(ask("new").await.status(), 200);
}

#[tokio::test]
async fn an_early_token_stays_without_roles_and_a_later_one_has_them() {
    let stage = Stage::demo();
    let tenant = demo::CONTOSO;
    let replication = Replication { service_principal: 5, roles: 30, graph: 10, flapping: 0 };
    stage.control.apply(Change::SetReplication { tenant, replication }).unwrap();
    grant(&stage, tenant);
    assert_eq!(aadsts(stage.secret_token(tenant).await).await.2, 7_000_229);
    assert!(!stage.control.app_state(tenant, demo::APP).unwrap().visible);
    stage.control.advance(Duration::from_secs(5));
    let early = stage.token(tenant).await;
    assert!(claims(&early).get("roles").is_none());
    stage.control.advance(Duration::from_secs(25));
    let late = stage.token(tenant).await;
    assert_eq!(claims(&late)["roles"].as_array().unwrap().len(), 2);
    assert_eq!(stage.graph(&early, "/organization").await.status(), 403, "for its whole life");
    assert_eq!(stage.graph(&late, "/organization").await.status(), 200);
}

#[tokio::test]
async fn flapping_finds_the_old_state_at_every_second_look() {
    let stage = Stage::demo();
    let tenant = demo::CONTOSO;
    let replication = Replication { flapping: 60, ..Replication::default() };
    stage.control.apply(Change::SetReplication { tenant, replication }).unwrap();
    grant(&stage, tenant);
    for seen in [401, 200, 401, 200] {
        assert_eq!(stage.secret_token(tenant).await.status(), seen);
    }
    stage.control.advance(Duration::from_secs(60));
    for _ in 0..2 {
        assert_eq!(stage.secret_token(tenant).await.status(), 200);
    }
}

#[tokio::test]
async fn a_resource_missing_in_the_tenant_has_no_token() {
    let stage = granted();
    let (tenant, resource) = (demo::CONTOSO, ResourceId::GRAPH);
    stage.control.apply(Change::SetResource { tenant, resource, present: false }).unwrap();
    assert_eq!(aadsts(stage.secret_token(tenant).await).await, (400, "invalid_resource".into(), 500_011));
    stage.control.apply(Change::SetResource { tenant, resource, present: true }).unwrap();
    assert_eq!(stage.secret_token(tenant).await.status(), 200);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let ids = async || {
        let stage = granted();
        claims(&stage.token(demo::CONTOSO).await)
    };
    assert_eq!(ids().await["uti"], ids().await["uti"]);
}

struct Signer {
    key: RsaKeyPair,
    der: Vec<u8>,
    spki: Vec<u8>,
}

/// Two RSA keys with certificates, shared because generating them takes a while.
static SIGNERS: LazyLock<[Signer; 2]> = LazyLock::new(|| [signer("one"), signer("two")]);

fn signer(name: &str) -> Signer {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![format!("{name}.example")]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let der = params.self_signed(&pair).unwrap().der().to_vec();
    let key = RsaKeyPair::from_pkcs8(&pair.serialize_der()).unwrap();
    Signer { key, der, spki: rcgen::PublicKeyData::subject_public_key_info(&pair) }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

fn assertion(signer: &Signer, header: &Value, claims: &Value, padding: &'static dyn RsaEncoding) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; signer.key.public_modulus_len()];
    signer.key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The header and claims that a careful client sends.
fn careful(stage: &Stage, jti: &str) -> (Value, Value) {
    let now = stage.control.clock().unix_seconds();
    let header = value_of!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&SIGNERS[0].der)) });
    let claims = value_of!({
        "aud": stage.token_url(demo::CONTOSO), "iss": demo::APP, "sub": demo::APP, "jti": jti,
        "iat": now, "nbf": now, "exp": now + 600,
    });
    (header, claims)
}

fn with_certificate(certificate: CertificateSetup) -> Stage {
    let stage = granted();
    stage.control.apply(Change::AddCertificate { app: demo::APP, certificate }).unwrap();
    stage
}

async fn present(stage: &Stage, assertion: &str) -> Response {
    let (app, scope) = (demo::APP.to_string(), stage.graph_scope());
    let form = [
        ("client_id", app.as_str()),
        ("scope", &scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
        ("grant_type", "client_credentials"),
    ];
    stage.ask_token(demo::CONTOSO, &form).await
}

#[tokio::test]
async fn an_assertion_is_accepted_in_each_spelling_that_sdks_use() {
    let stage = with_certificate(CertificateSetup::Der(SIGNERS[0].der.clone()));
    let thumbprint = sha256(&SIGNERS[0].der);
    let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &SIGNERS[0].der);
    let now = stage.control.clock().unix_seconds();
    let headers = [
        value_of!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(&thumbprint) }),
        value_of!({ "alg": "PS256", "x5t#S256": URL_SAFE.encode(&thumbprint) }),
        value_of!({ "alg": "RS256", "x5t": STANDARD.encode(sha1.as_ref()) }),
    ];
    for (at, header) in headers.iter().enumerate() {
        for (kind, exp) in
            [value_of!(now + 600), value_of!((now + 600) as f64 + 0.5), value_of!((now + 600).to_string())].into_iter().enumerate()
        {
            let (_, mut claims) = careful(&stage, &format!("{at}-{kind}"));
            claims["exp"] = exp;
            let padding: &'static dyn RsaEncoding = if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
            let answer = present(&stage, &assertion(&SIGNERS[0], header, &claims, padding)).await;
            assert_eq!(answer.status(), 200, "{header} {}", claims["exp"]);
            let token = json(answer).await["access_token"].as_str().unwrap().to_owned();
            assert_eq!(super::claims(&token)["appidacr"], "2");
        }
    }
}

#[tokio::test]
async fn the_audience_may_spell_the_host_either_way_but_no_other_tenant() {
    let stage = with_certificate(CertificateSetup::Der(SIGNERS[0].der.clone()));
    let own = stage.token_url(demo::CONTOSO);
    for (at, (audience, code)) in [
        (own.replace("localhost", "127.0.0.1"), None),
        (own.clone(), None),
        (stage.token_url("contoso.example"), Some(700_023)),
        (stage.token_url(demo::FABRIKAM), Some(700_023)),
        (format!("{own}/"), Some(700_023)),
        (stage.sandbox.url().to_owned(), Some(700_023)),
    ]
    .into_iter()
    .enumerate()
    {
        let (header, mut claims) = careful(&stage, &at.to_string());
        claims["aud"] = value_of!(audience);
        let answer = present(&stage, &assertion(&SIGNERS[0], &header, &claims, &RSA_PSS_SHA256)).await;
        match code {
            None => assert_eq!(answer.status(), 200, "{audience}"),
            Some(code) => assert_eq!(aadsts(answer).await.2, code, "{audience}"),
        }
    }
}

#[tokio::test]
async fn each_wrong_assertion_has_its_own_error() {
    let stage = with_certificate(CertificateSetup::Der(SIGNERS[0].der.clone()));
    let now = stage.control.clock().unix_seconds();
    let change = |name: &'static str, to: Value| {
        move |header: &mut Value, claims: &mut Value| {
            let part = if matches!(name, "alg" | "x5t#S256") { header } else { claims };
            match &to {
                Value::Null => drop(part.as_object_mut().unwrap().remove(name)),
                to => part[name] = to.clone(),
            }
        }
    };
    let other = URL_SAFE_NO_PAD.encode(sha256(&SIGNERS[1].der));
    for (at, (spoil, code)) in [
        (change("alg", value_of!("HS256")), 50_027),
        (change("alg", value_of!("none")), 50_027),
        (change("alg", value_of!("RS256")), 700_027),
        (change("x5t#S256", value_of!(other)), 700_027),
        (change("x5t#S256", Value::Null), 700_027),
        (change("iss", value_of!(demo::APPLE)), 700_021),
        (change("sub", value_of!("x")), 700_021),
        (change("aud", Value::Null), 700_023),
        (change("exp", Value::Null), 50_027),
        (change("exp", value_of!(now - 300)), 700_024),
        (change("nbf", value_of!(now + 301)), 700_024),
        (change("jti", Value::Null), 50_027),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut header, mut claims) = careful(&stage, &at.to_string());
        spoil(&mut header, &mut claims);
        let answer = present(&stage, &assertion(&SIGNERS[0], &header, &claims, &RSA_PSS_SHA256)).await;
        assert_eq!(aadsts(answer).await, (401, "invalid_client".into(), code), "{header} {claims}");
    }
    let (header, claims) = careful(&stage, "foreign key");
    let foreign = assertion(&SIGNERS[1], &header, &claims, &RSA_PSS_SHA256);
    assert_eq!(aadsts(present(&stage, &foreign).await).await.2, 700_027);
    for broken in ["a.b", "a.b.c", "....", &foreign[..40]] {
        assert_eq!(aadsts(present(&stage, broken).await).await.2, 50_027, "{broken}");
    }
    assert_eq!(present(&stage, &assertion(&SIGNERS[0], &header, &claims, &RSA_PSS_SHA256)).await.status(), 200);
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    let stage = with_certificate(CertificateSetup::Der(SIGNERS[0].der.clone()));
    let (header, claims) = careful(&stage, "once");
    let once = assertion(&SIGNERS[0], &header, &claims, &RSA_PSS_SHA256);
    assert_eq!(present(&stage, &once).await.status(), 200);
    assert_eq!(aadsts(present(&stage, &once).await).await, (401, "invalid_client".into(), 50_013));
}

#[tokio::test]
async fn a_certificate_expires_and_can_be_taken_off_and_a_bare_key_does_too() {
    let stage = with_certificate(CertificateSetup::Der(SIGNERS[0].der.clone()));
    let sha256_hex: String = sha256(&SIGNERS[0].der).iter().map(|byte| format!("{byte:02x}")).collect();
    let fresh = |stage: &Stage, jti: &str| {
        let (header, claims) = careful(stage, jti);
        assertion(&SIGNERS[0], &header, &claims, &RSA_PSS_SHA256)
    };
    stage.control.clock().set(datetime!(2030-01-01 00:00 UTC));
    assert_eq!(aadsts(present(&stage, &fresh(&stage, "a")).await).await.2, 700_027);
    let remove = Change::RemoveCertificate { app: demo::APP, sha256: sha256_hex.clone() };
    stage.control.apply(remove.clone()).unwrap();
    assert!(stage.control.apply(remove).is_err());
    assert_eq!(aadsts(present(&stage, &fresh(&stage, "b")).await).await.2, 700_027);
    let key = PublicKeySetup { spki: STANDARD.encode(&SIGNERS[0].spki), sha256: sha256_hex };
    let certificate = CertificateSetup::Key(key);
    stage.control.apply(Change::AddCertificate { app: demo::APP, certificate }).unwrap();
    assert_eq!(present(&stage, &fresh(&stage, "c")).await.status(), 200, "a bare key has no expiry");
}

#[tokio::test]
async fn faults_strike_where_how_often_and_as_long_as_scripted() {
    let stage = granted();
    grant(&stage, demo::WOODGROVE);
    let blocked = || Effect::Aadsts { code: 53_003, status: None, error: None, granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, blocked()).in_tenant(demo::CONTOSO).after(1).times(2)).unwrap();
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200);
    for left in [1, 0] {
        assert_eq!(stage.secret_token(demo::WOODGROVE).await.status(), 200);
        assert_eq!(aadsts(stage.secret_token(demo::CONTOSO).await).await, (400, "invalid_grant".into(), 53_003));
        assert_eq!(stage.control.faults().first().map_or(0, |fault| fault.times.unwrap()), left);
    }
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200);

    stage.control.fault(Fault::new(FaultAt::Token, blocked()).for_seconds(60)).unwrap();
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 400);
    stage.control.advance(Duration::from_secs(60));
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200);

    stage.control.fault(Fault::new(FaultAt::Token, blocked()).for_app(demo::APPLE)).unwrap();
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200, "another app's");
    stage.control.fault(Fault::new(FaultAt::Token, blocked())).unwrap();
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 400);
    stage.control.clear_faults();
    assert_eq!(stage.secret_token(demo::CONTOSO).await.status(), 200);
}

#[tokio::test]
async fn hostile_token_answers_are_sent_as_scripted() {
    let stage = granted();
    let member = |name: &str, json: Option<&str>| Effect::Member { name: name.into(), json: json.map(str::to_owned) };
    for (effect, sent) in [
        (member("expires_in", Some("\"3599\"")), "\"expires_in\":\"3599\""),
        (member("expires_in", Some("-1")), "\"expires_in\":-1"),
        (member("expires_in", Some("99999999999999999999")), "\"expires_in\":99999999999999999999"),
        (member("token_type", Some("\"pop\"")), "\"token_type\":\"pop\""),
        (Effect::DuplicateMembers, "\"expires_in\":1,"),
        (Effect::ByteOrderMark, "\u{feff}{"),
    ] {
        stage.control.fault(Fault::new(FaultAt::Token, effect).times(1)).unwrap();
        let bytes = stage.secret_token(demo::CONTOSO).await.bytes().await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains(sent), "{sent}: {text}");
    }
    stage.control.fault(Fault::new(FaultAt::Token, member("expires_in", None)).times(1)).unwrap();
    assert!(json(stage.secret_token(demo::CONTOSO).await).await.get("expires_in").is_none());

    let claim = |name: &str, json: Option<&str>| Effect::Claim { name: name.into(), json: json.map(str::to_owned) };
    stage.control.fault(Fault::new(FaultAt::Token, claim("tid", Some("\"elsewhere\""))).times(1)).unwrap();
    stage.control.fault(Fault::new(FaultAt::Token, claim("idtyp", None)).times(1)).unwrap();
    let token = stage.token(demo::CONTOSO).await;
    assert_eq!(claims(&token)["tid"], "elsewhere");
    assert!(claims(&token).get("idtyp").is_none());

    stage.control.fault(Fault::new(FaultAt::Token, Effect::OpaqueToken).times(1)).unwrap();
    let opaque = stage.token(demo::CONTOSO).await;
    assert_eq!(opaque.split('.').count(), 2);
    for token in [token, opaque] {
        assert_eq!(stage.graph(&token, "/organization").await.status(), 200, "Graph takes both");
    }
}

#[tokio::test]
async fn a_token_request_is_logged_without_its_secrets() {
    let stage = granted();
    stage.secret_token(demo::CONTOSO).await;
    assert_eq!(stage.control.count(Kind::Token), 1);
    let log = stage.control.requests();
    assert_eq!(log[0].tenant, Some(demo::CONTOSO));
    assert_eq!((log[0].app, log[0].status), (Some(demo::APP), Some(200)));
    assert_eq!(log[0].scope, Some(stage.graph_scope()));
    assert!(log[0].body_bytes > 100);
    assert!(!serde_json::to_string(&log).unwrap().contains(demo::APP_SECRET));
    assert!(!format!("{:?}", stage.control).contains(demo::APP_SECRET));
}
