use std::time::Duration;

use super::*;
use entra_sandbox::ResourceId;
use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind, PermissionSet, ReviewDecision, UserSetup};
use scraper::{Html, Selector};

const ADMIN: UserRole = UserRole::Administrator;

/// A link with non-default parameters.
fn link(stage: &Stage, path: &str, params: &[(&str, &str)]) -> String {
    let mut url = Url::parse(&stage.url(path)).unwrap();
    url.query_pairs_mut().extend_pairs(params);
    url.to_string()
}

fn v1(stage: &Stage, tenant: TenantId) -> String {
    let app = demo::APP.to_string();
    link(stage, &format!("/{tenant}/adminConsent"), &[("client_id", &app), ("redirect_uri", CALLBACK), ("state", "st-1")])
}

fn authorize(stage: &Stage, tenant: TenantId, more: &[(&str, &str)]) -> String {
    let app = demo::APP.to_string();
    let mut params = vec![
        ("client_id", app.as_str()),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("prompt", "admin_consent"),
        ("state", "st-1"),
    ];
    params.extend(more);
    link(stage, &format!("/{tenant}/oauth2/authorize"), &params)
}

/// The AADSTS number on Microsoft's own page.
async fn shown(answer: Response) -> String {
    assert!(answer.headers().get("location").is_none());
    let page = Html::parse_document(&answer.text().await.unwrap());
    let main = page.select(&Selector::parse("main").unwrap()).next().unwrap();
    main.value().attr("data-aadsts").unwrap_or_default().to_owned()
}

fn names(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn success_has_the_query_of_each_endpoint() {
    let stage = Stage::demo();
    let tenant = demo::CONTOSO;
    let answer = stage.decide(&v1(&stage, tenant), tenant, ADMIN, "accept").await;
    assert_eq!(location(&answer), format!("{CALLBACK}?admin_consent=True&tenant={tenant}&state=st-1#"));

    let back = callback(&stage.decide(&stage.link(tenant), tenant, ADMIN, "accept").await);
    assert_eq!(names(&back), ["admin_consent", "tenant", "scope", "state"]);
    let graph = stage.sandbox.url();
    let mut scopes: Vec<&str> = value(&back, "scope").unwrap().split(' ').collect();
    scopes.sort_unstable();
    let expected = ["Mail.Read", "User.Read", "User.Read.All", "openid"].map(|name| format!("{graph}/{name}"));
    assert_eq!(scopes, expected);

    let back = callback(&stage.decide(&authorize(&stage, tenant, &[]), tenant, ADMIN, "accept").await);
    assert_eq!(names(&back), ["code", "state", "session_state", "admin_consent"]);
}

#[tokio::test]
async fn the_path_is_case_insensitive_and_the_redirect_uri_optional_on_v1() {
    let stage = Stage::demo();
    let app = demo::APP.to_string();
    let link = link(&stage, "/CONTOSO.example/ADMINCONSENT", &[("client_id", &app)]);
    let answer = stage.decide(&link, demo::CONTOSO, ADMIN, "accept").await;
    assert_eq!(location(&answer), format!("{CALLBACK}?admin_consent=True&tenant={}#", demo::CONTOSO), "and no state");
}

#[tokio::test]
async fn cancel_has_the_captured_shape() {
    let stage = Stage::demo();
    for link in [stage.link(demo::CONTOSO), v1(&stage, demo::CONTOSO)] {
        let answer = stage.decide(&link, demo::CONTOSO, ADMIN, "cancel").await;
        let raw = location(&answer);
        assert!(raw.contains("&error_description=AADSTS65004%3a+User+declined+to+consent+to+access+the+app.%0d%0aTrace+ID%3a+"));
        assert!(raw.contains("&error_uri=https%3a%2f%2flogin.microsoftonline.com%2ferror%3fcode%3d65004&admin_consent=True&state=st-1#"));
        let back = callback(&answer);
        assert_eq!(names(&back), ["error", "error_description", "error_uri", "admin_consent", "state"]);
        assert_eq!(value(&back, "error"), Some("access_denied"));
        assert!(value(&back, "error_description").unwrap().ends_with("\r\nTimestamp: 2026-11-20 12:00:00Z"));
    }
    let answer = stage.decide(&authorize(&stage, demo::CONTOSO, &[]), demo::CONTOSO, ADMIN, "cancel").await;
    assert_eq!(
        location(&answer),
        format!(
            "{CALLBACK}?error=access_denied&error_subcode=cancel&state=st-1&error_description=AADSTS65004%3a+User+declined+to+consent+to+access+the+app.#"
        )
    );
    assert_eq!(stage.control.app_state(demo::CONTOSO, demo::APP).unwrap().service_principal, None);
}

#[tokio::test]
async fn an_ordinary_user_sees_the_need_for_an_administrator() {
    let stage = Stage::demo();
    for (tenant, code) in [(demo::WOODGROVE, "90094"), (demo::CONTOSO, "90095")] {
        let link = stage.link(tenant);
        let answer = stage.decide(&link, tenant, UserRole::User, "accept").await;
        assert_eq!((answer.status().as_u16(), shown(answer).await.as_str()), (200, code));
        let answer = stage.decide(&link, tenant, UserRole::User, "back").await;
        assert_eq!(location(&answer), format!("{CALLBACK}?error=access_denied&error_subcode=cancel&state=st-1#"));
        assert_eq!(stage.control.app_state(tenant, demo::APP).unwrap().service_principal, None);
    }
    let answer = stage.decide(&stage.link(demo::WOODGROVE), demo::WOODGROVE, UserRole::User, "request").await;
    assert_eq!(shown(answer).await, "90094", "the tenant has no workflow");
}

#[tokio::test]
async fn approval_can_be_requested_only_where_the_tenant_has_the_workflow() {
    let stage = Stage::demo();
    let buttons = async |link: String| {
        let page = Html::parse_document(&stage.http.get(link).send().await.unwrap().text().await.unwrap());
        let buttons: Vec<_> = page.select(&Selector::parse("button").unwrap()).map(|button| button.text().collect::<String>()).collect();
        buttons
    };
    for (tenant, workflow) in [(demo::CONTOSO, true), (demo::WOODGROVE, false)] {
        for enabled in [workflow, true, false] {
            stage.control.apply(Change::SetWorkflow { tenant, enabled }).unwrap();
            let expected: &[&str] = if enabled { &["Accept", "Cancel", "Request approval"] } else { &["Accept", "Cancel"] };
            assert_eq!(buttons(stage.link(tenant)).await, expected, "{tenant}");
        }
    }
}

#[tokio::test]
async fn requesting_approval_looks_like_a_cancel_and_leaves_an_open_request() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    for _ in 0..2 {
        let answer = stage.decide(&stage.link(tenant), tenant, UserRole::User, "request").await;
        assert_eq!(names(&callback(&answer)), ["error", "error_subcode", "state", "error_description"]);
    }
    assert_eq!(stage.control.app_state(tenant, app).unwrap().open_requests, 1, "two requests, one of them open");

    stage.control.apply(Change::Review { tenant, app, decision: ReviewDecision::Approve }).unwrap();
    let state = stage.control.app_state(tenant, app).unwrap();
    assert_eq!((state.open_requests, state.application.len()), (0, 2));
    assert!(stage.control.apply(Change::Review { tenant, app, decision: ReviewDecision::Approve }).is_err());
}

#[tokio::test]
async fn a_denied_request_disables_the_app() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    stage.decide(&stage.link(tenant), tenant, UserRole::User, "request").await;
    stage.control.apply(Change::Review { tenant, app, decision: ReviewDecision::Block }).unwrap();
    assert_eq!(aadsts(stage.secret_token(tenant).await).await.2, 7_000_112);
}

#[tokio::test]
async fn an_administrator_of_another_tenant_is_refused_or_consents_at_home() {
    let stage = Stage::demo();
    let answer = stage.decide(&stage.link(demo::CONTOSO), demo::FABRIKAM, ADMIN, "accept").await;
    let back = callback(&answer);
    assert_eq!(names(&back), ["error", "error_description", "error_uri", "admin_consent", "state"]);
    let text = value(&back, "error_description").unwrap();
    assert!(text.starts_with("AADSTS50020: User account '{EmailHidden}' from identity provider"), "{text}");
    for id in [demo::CONTOSO, demo::FABRIKAM] {
        assert_eq!(stage.control.app_state(id, demo::APP).unwrap().service_principal, None);
    }
    let answer = stage.decide(&stage.link("organizations"), demo::FABRIKAM, ADMIN, "accept").await;
    assert_eq!(value(&callback(&answer), "tenant"), Some(demo::FABRIKAM.to_string().as_str()));
    assert_eq!(stage.control.app_state(demo::FABRIKAM, demo::APP).unwrap().application.len(), 2);
}

#[tokio::test]
async fn an_app_administrator_may_grant_all_but_graph_application_permissions() {
    let mut scenario = Scenario::demo(CALLBACK);
    let role = UserRole::AppAdministrator;
    let user = UserSetup { id: None, name: "Cloud".into(), upn: "cloud@contoso.example".into(), role };
    scenario.tenants[1].users.push(user);
    let stage = Stage::playing(scenario);
    let answer = stage.decide(&stage.link(demo::CONTOSO), demo::CONTOSO, role, "accept").await;
    assert_eq!(shown(answer).await, "90095");
    let only_delegated = vec![PermissionSet::graph(&[], &["User.Read"])];
    stage.control.apply(Change::SetPermissions { app: demo::APP, permissions: only_delegated }).unwrap();
    let answer = stage.decide(&stage.link(demo::CONTOSO), demo::CONTOSO, role, "accept").await;
    assert_eq!(value(&callback(&answer), "admin_consent"), Some("True"));
}

#[tokio::test]
async fn what_entra_does_not_trust_is_shown_on_its_own_page() {
    let stage = Stage::demo();
    let (app, scope) = (demo::APP.to_string(), stage.graph_scope());
    let unknown = "0a1b0000-0000-4000-8000-00000000dead";
    let good = [("client_id", app.as_str()), ("redirect_uri", CALLBACK), ("scope", &scope)];
    let with = |name: &'static str, to: Option<&'static str>| {
        let mut params = good.to_vec();
        params.retain(|(have, _)| *have != name);
        params.extend(to.map(|to| (name, to)));
        link(&stage, &format!("/{}/v2.0/adminconsent", demo::CONTOSO), &params)
    };
    for (link, code) in [
        (with("client_id", None), "900144"),
        (with("client_id", Some(unknown)), "700016"),
        (with("redirect_uri", None), "900971"),
        (with("redirect_uri", Some("http://127.0.0.1:8080/callback/")), "50011"),
        (with("redirect_uri", Some("https://evil.example/")), "50011"),
        (with("scope", None), "900144"),
        (stage.link("nowhere.example"), "90002"),
        (stage.link("consumers"), "900023"),
        (format!("{}&state=again", stage.link(demo::CONTOSO)), "9000411"),
    ] {
        for answer in [stage.http.get(&link).send().await.unwrap(), stage.http.post(&link).form(&[("do", "accept")]).send().await.unwrap()]
        {
            assert_eq!(shown(answer).await, code, "{link}");
        }
    }
    stage.control.apply(Change::SetPermissions { app: demo::APP, permissions: vec![] }).unwrap();
    assert_eq!(shown(stage.http.get(v1(&stage, demo::CONTOSO)).send().await.unwrap()).await, "650056");
}

#[tokio::test]
async fn a_single_tenant_app_is_not_found_elsewhere() {
    let mut scenario = Scenario::demo(CALLBACK);
    scenario.apps[0].multi_tenant = false;
    let stage = Stage::playing(scenario);
    for (tenant, code) in [(demo::CONTOSO.to_string(), "700016"), ("organizations".into(), "50194")] {
        assert_eq!(shown(stage.http.get(stage.link(tenant)).send().await.unwrap()).await, code);
    }
    assert_eq!(stage.http.get(stage.link(demo::HOME)).send().await.unwrap().status(), 200);
    assert_eq!(aadsts(stage.secret_token(demo::CONTOSO).await).await.2, 700_016);
}

#[tokio::test]
async fn wrong_scopes_come_back_to_the_redirect_uri() {
    let stage = Stage::demo();
    let app = demo::APP.to_string();
    for (scope, error, code) in [
        ("Exchange.Manage", "invalid_client", "AADSTS650053"),
        ("https://graph.microsoft.com/.default openid", "invalid_scope", "AADSTS70011"),
        ("https://nothing.example/x", "invalid_resource", "AADSTS500011"),
    ] {
        let params = [("client_id", app.as_str()), ("redirect_uri", CALLBACK), ("scope", scope), ("state", "st-1")];
        let link = link(&stage, &format!("/{}/v2.0/adminconsent", demo::CONTOSO), &params);
        let back = callback(&stage.http.get(&link).send().await.unwrap());
        assert_eq!((value(&back, "error"), value(&back, "state")), (Some(error), Some("st-1")));
        assert!(value(&back, "error_description").unwrap().starts_with(code), "{scope}");
    }
}

#[tokio::test]
async fn dynamic_scopes_are_granted_by_name_and_bare_names_are_graphs() {
    let stage = Stage::demo();
    let app = demo::APP.to_string();
    let scope = "openid Mail.Send https://outlook.office365.com/EAS.AccessAsUser.All";
    let params = [("client_id", app.as_str()), ("redirect_uri", CALLBACK), ("scope", scope)];
    let link = link(&stage, &format!("/{}/v2.0/adminconsent", demo::CONTOSO), &params);
    stage.decide(&link, demo::CONTOSO, ADMIN, "accept").await;
    let state = stage.control.app_state(demo::CONTOSO, demo::APP).unwrap();
    let mut delegated = state.delegated.clone();
    delegated.sort_unstable();
    assert_eq!(delegated, ["EAS.AccessAsUser.All", "Mail.Send", "openid"]);
    assert!(state.application.is_empty());
}

#[tokio::test]
async fn a_new_consent_revokes_what_it_does_not_ask_for_but_not_users_own() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    stage.decide(&stage.link(tenant), tenant, ADMIN, "accept").await;
    let user = stage.control.user(tenant, UserRole::User).unwrap();
    let own = vec![PermissionSet::graph(&[], &["Mail.Send"])];
    stage.control.apply(Change::UserConsent { tenant, app, user, permissions: own }).unwrap();
    let fewer = vec![PermissionSet::graph(&["Mail.Read", "Directory.Read.All"], &["openid"])];
    stage.control.apply(Change::SetPermissions { app, permissions: fewer }).unwrap();
    stage.decide(&stage.link(tenant), tenant, ADMIN, "accept").await;
    let state = stage.control.app_state(tenant, app).unwrap();
    assert_eq!(state.application, ["Mail.Read", "Directory.Read.All"]);
    assert_eq!(state.delegated, ["openid"]);
    let token = stage.token(tenant).await;
    let grants = json(stage.graph(&token, "/oauth2PermissionGrants").await).await;
    let kinds: Vec<(&str, &str)> = grants["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| (grant["consentType"].as_str().unwrap(), grant["scope"].as_str().unwrap().trim()))
        .collect();
    assert_eq!(kinds, [("AllPrincipals", "openid"), ("Principal", "Mail.Send")]);
}

#[tokio::test]
async fn grants_are_reduced_enlarged_and_revoked_by_control() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APP);
    let permissions = || vec![PermissionSet::graph(&["Mail.Read"], &["openid"])];
    assert!(stage.control.apply(Change::Reduce { tenant, app, permissions: permissions() }).is_err(), "no service principal");
    stage.control.apply(Change::Grant { tenant, app, permissions: None }).unwrap();
    stage.control.apply(Change::Reduce { tenant, app, permissions: permissions() }).unwrap();
    let state = stage.control.app_state(tenant, app).unwrap();
    assert_eq!((state.application, state.delegated), (vec!["User.Read.All".to_owned()], vec!["User.Read".to_owned()]));
    stage.control.apply(Change::Enlarge { tenant, app, permissions: permissions() }).unwrap();
    assert_eq!(claims(&stage.token(tenant).await)["roles"], serde_json::json!(["User.Read.All", "Mail.Read"]));
    stage.control.apply(Change::Revoke { tenant, app }).unwrap();
    assert!(claims(&stage.token(tenant).await).get("roles").is_none(), "revoked at once, and the service principal stays");
    let wrong = vec![PermissionSet::graph(&["Mail.Reed"], &[])];
    let refused = stage.control.apply(Change::Grant { tenant, app, permissions: Some(wrong) }).unwrap_err();
    assert_eq!(refused.to_string(), "Microsoft Graph has no application permission \"Mail.Reed\"");
}

#[tokio::test]
async fn another_companys_app_is_granted_but_never_comes_back() {
    let stage = Stage::demo();
    let (tenant, app) = (demo::CONTOSO, demo::APPLE.to_string());
    let params =
        [("client_id", app.as_str()), ("response_type", "code"), ("redirect_uri", "https://example.com"), ("prompt", "admin_consent")];
    let link = link(&stage, &format!("/{tenant}/oauth2/authorize"), &params);
    assert_eq!(shown(stage.decide(&link, tenant, ADMIN, "accept").await).await, "900561");
    let mut delegated = stage.control.app_state(tenant, demo::APPLE).unwrap().delegated;
    delegated.sort_unstable();
    assert_eq!(delegated, ["EAS.AccessAsUser.All", "EWS.AccessAsUser.All", "User.Read"]);
}

#[tokio::test]
async fn an_app_without_a_redirect_uri_is_granted_and_ends_on_500113() {
    let stage = Stage::demo();
    stage.control.apply(Change::SetRedirectUris { app: demo::APP, uris: vec![] }).unwrap();
    let answer = stage.decide(&v1(&stage, demo::CONTOSO), demo::CONTOSO, ADMIN, "accept").await;
    assert_eq!(shown(answer).await, "500113");
    assert!(stage.control.app_state(demo::CONTOSO, demo::APP).unwrap().service_principal.is_some());
}

#[tokio::test]
async fn a_resource_the_tenant_lacks_stops_the_consent() {
    let stage = Stage::demo();
    let (tenant, resource) = (demo::CONTOSO, ResourceId::EXCHANGE_ONLINE);
    stage.control.apply(Change::SetResource { tenant, resource, present: false }).unwrap();
    let permissions = vec![PermissionSet::of(resource, &["full_access_as_app"], &[])];
    stage.control.apply(Change::SetPermissions { app: demo::APP, permissions }).unwrap();
    let back = callback(&stage.decide(&stage.link(tenant), tenant, ADMIN, "accept").await);
    assert!(value(&back, "error_description").unwrap().starts_with("AADSTS650052: "));
    assert_eq!(stage.control.app_state(tenant, demo::APP).unwrap().service_principal, None);
}

#[tokio::test]
async fn form_post_carries_the_same_parameters_in_a_form() {
    let stage = Stage::demo();
    let link = authorize(&stage, demo::CONTOSO, &[("response_mode", "form_post")]);
    for (what, expected) in [
        ("accept", vec!["code", "state", "session_state", "admin_consent"]),
        ("cancel", vec!["error", "error_subcode", "state", "error_description"]),
    ] {
        let answer = stage.decide(&link, demo::CONTOSO, ADMIN, what).await;
        assert_eq!(answer.status(), 200);
        let page = Html::parse_document(&answer.text().await.unwrap());
        let form = page.select(&Selector::parse("form[method=post]").unwrap()).next().unwrap();
        assert_eq!(form.value().attr("action"), Some(CALLBACK));
        let inputs = Selector::parse("input[type=hidden]").unwrap();
        let sent: Vec<&str> = form.select(&inputs).filter_map(|input| input.value().attr("name")).collect();
        assert_eq!(sent, expected);
        assert!(form.select(&Selector::parse("button").unwrap()).next().is_some(), "usable without scripts");
    }
    let link = authorize(&stage, demo::CONTOSO, &[("response_mode", "query")]);
    assert_eq!(stage.decide(&link, demo::CONTOSO, ADMIN, "accept").await.status(), 302);
}

#[tokio::test]
async fn the_page_offers_everybody_who_may_sign_in_and_works_as_a_plain_form() {
    let stage = Stage::demo();
    let link = stage.link(demo::CONTOSO);
    let page = Html::parse_document(&stage.http.get(&link).send().await.unwrap().text().await.unwrap());
    let radios = Selector::parse("input[type=radio][name=user]").unwrap();
    let offered: Vec<String> = page.select(&radios).map(|input| input.value().attr("value").unwrap().to_owned()).collect();
    assert_eq!(offered.len(), 8, "two users of each of four tenants");
    assert_eq!(offered[0], stage.control.user(demo::CONTOSO, ADMIN).unwrap().to_string(), "the own administrator first");
    let checked = page.select(&Selector::parse("input[checked]").unwrap()).next().unwrap();
    assert_eq!(checked.value().attr("value"), Some(offered[0].as_str()));
    let buttons = Selector::parse("button[name=do]").unwrap();
    let labels: Vec<String> = page.select(&buttons).map(|button| button.text().collect()).collect();
    assert_eq!(labels, ["Accept", "Cancel", "Request approval"]);
    assert!(page.select(&Selector::parse("script").unwrap()).next().is_none());

    let answer = stage.http.post(&link).form(&[("do", "accept")]).send().await.unwrap();
    assert_eq!(value(&callback(&answer), "admin_consent"), Some("True"), "without a user: the own administrator");
    let answer = stage.http.post(&link).form(&[("user", "nobody@contoso.example"), ("do", "accept")]).send().await.unwrap();
    assert_eq!(shown(answer).await, "50034");
    let answer = stage.http.post(&link).form(&[("user", "USER@contoso.example"), ("do", "back")]).send().await.unwrap();
    assert_eq!(answer.status(), 302, "a user can be named by the principal name");
    let answer = stage.http.post(&link).form(&[("do", "dance")]).send().await.unwrap();
    assert_eq!(shown(answer).await, "900144");
    assert_eq!((stage.control.count(Kind::ConsentPage), stage.control.count(Kind::Decision)), (1, 4));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn hostile_names_are_shown_as_text() {
    let stage = Stage::demo();
    let name = "<script>alert(1)</script>\u{202e}\u{1b}[31m";
    stage.control.apply(Change::RenameApp { app: demo::APP, name: name.into() }).unwrap();
    stage.control.apply(Change::RenameTenant { tenant: demo::CONTOSO, name: name.into() }).unwrap();
    let text = stage.http.get(stage.link(demo::CONTOSO)).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"));
}

#[tokio::test]
async fn a_scripted_error_comes_back_with_or_without_the_grant() {
    let stage = Stage::demo();
    let tenant = demo::CONTOSO;
    for (code, error, granted) in [(50_097, "invalid_grant", false), (650_051, "access_denied", true)] {
        let effect = Effect::Aadsts { code, status: None, error: None, granted };
        stage.control.fault(Fault::new(FaultAt::Consent, effect).in_tenant(tenant).times(1)).unwrap();
        let back = callback(&stage.decide(&stage.link(tenant), tenant, ADMIN, "accept").await);
        assert_eq!(names(&back), ["error", "error_description", "error_uri", "admin_consent", "state"]);
        assert_eq!(value(&back, "error"), Some(error));
        assert_eq!(stage.control.app_state(tenant, demo::APP).unwrap().service_principal.is_some(), granted);
    }
}

#[tokio::test]
async fn the_demos_slow_tenant_sees_its_consent_later() {
    let stage = Stage::demo();
    stage.decide(&stage.link(demo::FABRIKAM), demo::FABRIKAM, ADMIN, "accept").await;
    assert_eq!(stage.secret_token(demo::FABRIKAM).await.status(), 401);
    stage.control.advance(Duration::from_secs(20));
    assert!(claims(&stage.token(demo::FABRIKAM).await)["roles"].is_array());
}
