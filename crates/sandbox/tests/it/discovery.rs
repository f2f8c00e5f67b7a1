use super::*;
use entra_sandbox::{Effect, Fault, FaultAt, Kind, TenantSetup};

#[tokio::test]
async fn a_domain_and_a_guid_lead_to_the_same_tenant_in_any_case() {
    let stage = Stage::demo();
    for name in ["contoso.example", "CONTOSO.example", &demo::CONTOSO.to_string().to_uppercase()] {
        for (path, issuer) in [
            ("v2.0/.well-known/openid-configuration", format!("{}/{}/v2.0", stage.sandbox.url(), demo::CONTOSO)),
            (".well-known/openid-configuration", format!("https://sts.windows.net/{}/", demo::CONTOSO)),
        ] {
            let answer = stage.get(&format!("/{name}/{path}")).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["cache-control"], "max-age=86400, private");
            let document = json(answer).await;
            assert_eq!(document["issuer"], issuer);
            assert_eq!(document["tenant_region_scope"], "EU");
            assert_eq!(document["cloud_instance_name"], "microsoftonline.com");
            assert_eq!(format!("http://{}", document["msgraph_host"].as_str().unwrap()), stage.sandbox.url());
            assert!(document.get("tenant_region_sub_scope").is_none());
        }
        let document = json(stage.get(&format!("/{name}/v2.0/.well-known/openid-configuration")).await).await;
        assert_eq!(document["token_endpoint"], stage.token_url(demo::CONTOSO));
    }
}

#[tokio::test]
async fn a_placeholder_authority_has_a_placeholder_issuer() {
    let stage = Stage::demo();
    let document = json(stage.get("/common/v2.0/.well-known/openid-configuration").await).await;
    assert_eq!(document["issuer"], format!("{}/{{tenantid}}/v2.0", stage.sandbox.url()));
    assert!(document["tenant_region_scope"].is_null());
}

#[tokio::test]
async fn unknown_and_malformed_tenants_have_different_errors() {
    let stage = Stage::demo();
    for (name, code) in [
        ("nowhere.example", 90_002),
        ("0a1b0000-0000-4000-8000-00000000ffff", 90_002),
        ("x", 900_023),
        ("a..b", 900_023),
        ("b%00c.example", 900_023),
    ] {
        let answer = stage.get(&format!("/{name}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!(aadsts(answer).await, (400, "invalid_tenant".into(), code), "{name}");
    }
}

#[tokio::test]
async fn the_addresses_are_spelled_as_the_request_spelled_the_host() {
    let stage = Stage::demo();
    let url = stage.url("/contoso.example/v2.0/.well-known/openid-configuration").replace("localhost", "127.0.0.1");
    let document = json(stage.http.get(url).send().await.unwrap()).await;
    assert!(document["token_endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn another_host_name_is_not_answered() {
    let stage = Stage::demo();
    let answer = stage.http.get(stage.url("/_sandbox/state")).header("host", "rebound.example").send().await.unwrap();
    assert_eq!(answer.status(), 421);
    assert!(stage.control.requests().is_empty());
}

#[tokio::test]
async fn a_tenant_can_come_and_go_and_discovery_can_fail() {
    let stage = Stage::demo();
    let id = TenantId::from_u128(77);
    let mut setup = TenantSetup::new(id, "Gov", "gov.example");
    setup.region_sub_scope = Some("GCC".into());
    let add = entra_sandbox::Change::AddTenant(Box::new(setup));
    stage.control.apply(add.clone()).unwrap();
    assert!(stage.control.apply(add).unwrap_err().to_string().contains("exists already"));
    let path = "/gov.example/v2.0/.well-known/openid-configuration";
    assert_eq!(json(stage.get(path).await).await["tenant_region_sub_scope"], "GCC");

    let error = Effect::Aadsts { code: 5_000_224, status: Some(404), error: Some("odd".into()), granted: false };
    stage.control.fault(Fault::new(FaultAt::Discovery, error).in_tenant(id).times(1)).unwrap();
    let other = "/contoso.example/v2.0/.well-known/openid-configuration";
    assert_eq!(stage.get(other).await.status(), 200, "the fault is for another tenant");
    assert_eq!(aadsts(stage.get(path).await).await, (404, "odd".into(), 5_000_224));
    assert_eq!(stage.get(path).await.status(), 200);

    stage.control.apply(entra_sandbox::Change::RemoveTenant { tenant: id }).unwrap();
    assert_eq!(aadsts(stage.get(path).await).await.2, 90_002);
    assert_eq!(stage.control.count(Kind::Discovery), 5);
}
