use super::*;
use entra_sandbox::{Change, Kind, ReviewDecision, ScenarioError};
use serde_json::json as value_of;

async fn change(stage: &Stage, body: &Value) -> (u16, Value) {
    let answer = stage.http.post(stage.url("/_sandbox/changes")).json(body).send().await.unwrap();
    (answer.status().as_u16(), json(answer).await)
}

#[tokio::test]
async fn the_control_address_has_the_powers_of_the_handle() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    let both = value_of!({ "tenant": tenant, "app": app });
    let answer = change(
        &stage,
        &value_of!([
            { "grant": both },
            { "reduce": { "tenant": tenant, "app": app, "permissions": [{ "application": ["Mail.Read"] }] } },
            { "add_fault": { "at": "token", "tenant": tenant, "times": 1, "do": { "aadsts": { "code": 50196 } } } },
            { "add_fault": { "at": "token", "skip": 1, "do": "reset" } },
            { "advance": { "seconds": 90 } },
            { "rename_tenant": { "tenant": tenant, "name": "Contoso GmbH" } },
            { "set_secrets": { "app": app, "secrets": [{ "value": "new", "expires": "2027-01-01T00:00:00Z" }] } },
        ]),
    )
    .await;
    assert_eq!(answer, (200, value_of!({ "applied": 7 })));
    assert_eq!(stage.control.app_state(tenant, app).unwrap().application, ["User.Read.All"]);
    let faults = json(stage.get("/_sandbox/faults").await).await;
    assert_eq!((faults.as_array().unwrap().len(), &faults[1]["do"]), (2, &value_of!("reset")));
    assert_eq!(aadsts(stage.secret_token_as(app, tenant, "new").await).await.2, 50_196);
    let state = json(stage.get("/_sandbox/state").await).await;
    assert_eq!(state["now"], "2026-11-20T12:01:30Z");
    assert_eq!(state["tenants"][tenant.to_string()][app.to_string()]["application"], value_of!(["User.Read.All"]));
    let counts = json(stage.get("/_sandbox/counts").await).await;
    assert_eq!((&counts["upstream"], &counts["by_kind"]["token"]), (&value_of!(1), &value_of!(1)));
    let requests = json(stage.get("/_sandbox/requests").await).await;
    let token = requests.as_array().unwrap().iter().find(|request| request["kind"] == "token").unwrap();
    assert_eq!((&token["tenant"], &token["status"]), (&value_of!(tenant), &value_of!(400)));
    assert!(stage.http.delete(stage.url("/_sandbox/requests")).send().await.unwrap().status().is_success());
    assert_eq!(stage.control.count(Kind::Token), 0);
    assert_eq!(change(&stage, &value_of!("clear_faults")).await.0, 200);
    assert!(stage.control.faults().is_empty());
}

#[tokio::test]
async fn a_wrong_change_is_refused_with_its_place_and_reason() {
    let stage = Stage::demo();
    let tenant = demo::CONTOSO;
    for (body, index, reason) in [
        (value_of!([{ "advance": { "seconds": 1 } }, { "revoke": { "tenant": tenant, "app": demo::APP } }]), 1, "has no service principal"),
        (value_of!({ "revoke": { "tenant": tenant } }), 0, "missing field `app`"),
        (value_of!({ "revoke": { "tenant": tenant, "app": demo::APP, "really": true } }), 0, "unknown field `really`"),
        (value_of!({ "explode": {} }), 0, "unknown variant `explode`"),
        (value_of!({ "remove_tenant": { "tenant": "x" } }), 0, "not a GUID"),
    ] {
        let (status, answer) = change(&stage, &body).await;
        assert_eq!((status, &answer["index"]), (400, &value_of!(index)), "{answer}");
        assert!(answer["refused"].as_str().unwrap().contains(reason), "{answer}");
    }
    let plain = stage.http.post(stage.url("/_sandbox/changes")).body("\"clear_faults\"").send().await.unwrap();
    assert_eq!(plain.status(), 415, "a form of a foreign page changes nothing");
    assert_eq!(stage.get("/_sandbox/other").await.status(), 404);
    assert_eq!(stage.get("/favicon.ico").await.status(), 404);
    assert_eq!(stage.get("/").await.status(), 200);
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[test]
fn the_documented_scenario_is_a_scenario() {
    let document = include_str!("../../../../docs/sandbox.md");
    let toml = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let scenario = Scenario::from_toml(toml).unwrap();
    assert_eq!((scenario.apps.len(), scenario.tenants.len(), scenario.faults.len()), (2, 2, 3));
    let sandbox = Sandbox::start(SandboxOptions { scenario, ..SandboxOptions::default() }).unwrap();
    assert_eq!(sandbox.control().faults().len(), 3);
}

#[tokio::test]
async fn the_documented_changes_are_changes() {
    let document = include_str!("../../../../docs/sandbox.md");
    let scenario = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let stage = Stage::playing(Scenario::from_toml(scenario).unwrap());
    let changes = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let (status, answer) = change(&stage, &serde_json::from_str(changes).unwrap()).await;
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_wrong_scenario_says_what_and_where() {
    let tenant =
        |id: u32, domain: &str| format!("[[tenants]]\nid = \"0a1b0000-0000-4000-8000-{id:012}\"\nname = \"T\"\ndomains = [\"{domain}\"]\n");
    let app = "[[apps]]\nclient_id = \"0a1b0000-0000-4000-8000-0000000000a1\"\nname = \"App\"\n";
    for (toml, reasons) in [
        ("seeds = 1".to_owned(), ["line 1", "unknown field `seeds`"]),
        ("[[tenants]]\nid = \"contoso\"\nname = \"T\"".into(), ["line 2", "not a GUID"]),
        (format!("{}{}", tenant(1, "a.example"), tenant(1, "b.example")), ["tenant 0a1b", "described twice"]),
        (format!("{}{}", tenant(1, "a.example"), tenant(2, "A.example")), ["domain a.example", "described twice"]),
        (format!("{app}multi_tenant = false"), ["app 0a1b", "needs its home"]),
        (format!("{app}redirect_uris = [\"/callback\"]"), ["\"/callback\"", "not a URI"]),
        (format!("{app}certificates = [{{ pem = \"x\" }}]"), ["app 0a1b", "not PEM"]),
        (format!("{app}permissions = [{{ application = [\"Mail.Reed\"] }}]"), ["Microsoft Graph", "\"Mail.Reed\""]),
        (format!("{}granted = [{{ app = \"0a1b0000-0000-4000-8000-0000000000a1\" }}]", tenant(1, "a.example")), ["tenant 0a1b", "no app"]),
        ("[[faults]]\nat = \"part\"\ndo = \"reset\"".into(), ["faults[0]", "cannot happen at Part"]),
        ("[[faults]]\nat = \"token\"\ndo = { status = { state = 1 } }".into(), ["line 3", "unexpected keys in table: state"]),
    ] {
        let error = Scenario::from_toml(&toml).unwrap_err().to_string();
        for reason in reasons {
            assert!(error.contains(reason), "{reason:?} in {error}");
        }
    }
    let error = Scenario::from_json("{\"seed\": 1,\n \"app\": []}").unwrap_err();
    assert!(matches!(error, ScenarioError::Json(_)) && error.to_string().contains("line 2"), "{error}");
    let error = Scenario::from_path(std::path::Path::new("no-such-file.toml")).unwrap_err();
    assert!(error.to_string().starts_with("no-such-file.toml: "));
}

#[test]
fn a_taken_port_and_a_contradiction_stop_the_start() {
    let first = Sandbox::start(SandboxOptions::default()).unwrap();
    let port = Url::parse(first.url()).unwrap().port();
    let error = Sandbox::start(SandboxOptions { port, ..SandboxOptions::default() }).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    Sandbox::start(SandboxOptions { port, ..SandboxOptions::default() }).unwrap();
    let mut scenario = Scenario::demo(CALLBACK);
    scenario.tenants.push(scenario.tenants[0].clone());
    let error = Sandbox::start(SandboxOptions { scenario, ..SandboxOptions::default() }).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_change_that_cannot_be_made_changes_nothing() {
    let stage = Stage::demo();
    let (nowhere, nobody) = (TenantId::from_u128(1), ClientId::from_u128(1));
    let before = stage.control.state();
    for (tenant, app) in [(nowhere, demo::APP), (demo::CONTOSO, nobody)] {
        for change in [
            Change::Grant { tenant, app, permissions: None },
            Change::Enlarge { tenant, app, permissions: vec![] },
            Change::Reduce { tenant, app, permissions: vec![] },
            Change::Revoke { tenant, app },
            Change::Disable { tenant, app },
            Change::Enable { tenant, app },
            Change::Delete { tenant, app },
            Change::Review { tenant, app, decision: ReviewDecision::Approve },
        ] {
            assert!(stage.control.apply(change.clone()).is_err(), "{change:?}");
        }
    }
    assert_eq!(stage.control.state(), before);
    assert_eq!(stage.control.app_state(nowhere, demo::APP), None);
}
