use std::time::Duration;

use super::*;
use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind, PermissionSet, Replication, RetryAfter, ReviewDecision};
use entra_sandbox::{ObjectId, ResourceId};
use serde_json::json as value_of;

const READER: &[&str] = &["Directory.Read.All", "ConsentRequest.Read.All", "CrossTenantInformation.ReadBasic.All"];

/// A sandbox whose demo app may read everything that the tests request, and a token with these rights.
async fn reader() -> (Stage, String) {
    reader_with(READER).await
}

async fn reader_with(roles: &[&str]) -> (Stage, String) {
    let stage = Stage::demo();
    let roles = [roles, &["Mail.Read"]].concat();
    let permissions = Some(vec![PermissionSet::graph(&roles, &["User.Read", "openid"])]);
    stage.control.apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions }).unwrap();
    let token = stage.token(demo::CONTOSO).await;
    (stage, token)
}

fn app(path: &str) -> String {
    format!("/servicePrincipals(appId='{}'){path}", demo::APP)
}

async fn batch(stage: &Stage, token: &str, requests: Value) -> Response {
    let body = value_of!({ "requests": requests });
    stage.http.post(stage.url("/v1.0/$batch")).bearer_auth(token).json(&body).send().await.unwrap()
}

fn gets(paths: &[String]) -> Value {
    let part = |(at, path): (usize, &String)| value_of!({ "id": format!("p{at}"), "method": "GET", "url": path });
    paths.iter().enumerate().map(part).collect()
}

fn part<'a>(answer: &'a Value, id: &str) -> &'a Value {
    answer["responses"].as_array().unwrap().iter().find(|part| part["id"] == id).unwrap()
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    (status, json(answer).await["error"]["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_service_principal_shows_what_was_granted_to_it() {
    let (stage, token) = reader().await;
    let principal = json(stage.graph(&token, &app("")).await).await;
    let state = stage.control.app_state(demo::CONTOSO, demo::APP).unwrap();
    let id = state.service_principal.unwrap().to_string();
    assert_eq!(principal["id"], id);
    assert_eq!(principal["appId"], demo::APP.to_string());
    assert_eq!((&principal["accountEnabled"], &principal["displayName"]), (&value_of!(true), &value_of!("Northwind Mail Backup")));

    let graph = json(stage.graph(&token, &format!("/servicePrincipals(appId='{}')?$select=id,appId", ResourceId::GRAPH)).await).await;
    let mut members: Vec<&String> = graph.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["@odata.context", "appId", "id"]);

    for path in [app("/appRoleAssignments"), format!("/servicePrincipals/{id}/appRoleAssignments")] {
        let list = json(stage.graph(&token, &path).await).await;
        let items = list["value"].as_array().unwrap();
        assert_eq!(items.len(), 4);
        for item in items {
            assert_eq!((&item["principalId"], &item["resourceId"]), (&value_of!(id), &graph["id"]));
            assert_eq!(
                (&item["principalType"], &item["resourceDisplayName"]),
                (&value_of!("ServicePrincipal"), &value_of!("Microsoft Graph"))
            );
        }
        assert!(items.iter().any(|item| item["appRoleId"] == "810c84a8-4a9e-49e6-bf7d-12d183f40d01"), "Mail.Read");
    }
    let filter = format!("/oauth2PermissionGrants?$filter=clientId eq '{id}' and consentType eq 'AllPrincipals'");
    for path in [app("/oauth2PermissionGrants"), format!("/servicePrincipals/{id}/oauth2PermissionGrants"), filter] {
        let list = json(stage.graph(&token, &path).await).await;
        let grant = &list["value"][0];
        assert_eq!(list["value"].as_array().unwrap().len(), 1, "{path}");
        assert_eq!(
            (&grant["clientId"], &grant["consentType"], &grant["principalId"]),
            (&value_of!(id), &value_of!("AllPrincipals"), &Value::Null)
        );
        let mut scopes: Vec<&str> = grant["scope"].as_str().unwrap().split_whitespace().collect();
        scopes.sort_unstable();
        assert_eq!(scopes, ["User.Read", "openid"]);
    }
    let principals = json(stage.graph(&token, &format!("/servicePrincipals?$filter=appId eq '{}'", demo::APP)).await).await;
    assert_eq!(principals["value"][0]["id"], id);
    stage.control.apply(Change::Disable { tenant: demo::CONTOSO, app: demo::APP }).unwrap();
    assert_eq!(json(stage.graph(&token, &app("")).await).await["accountEnabled"], false);
}

#[tokio::test]
async fn grants_are_filtered_as_asked_and_other_filters_are_refused() {
    let (stage, token) = reader().await;
    stage.control.apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None }).unwrap();
    let count = async |filter: &str| {
        let list = json(stage.graph(&token, &format!("/oauth2PermissionGrants{filter}")).await).await;
        list["value"].as_array().map(Vec::len)
    };
    assert_eq!(count("").await, Some(3));
    let apple = stage.control.app_state(demo::CONTOSO, demo::APPLE).unwrap().service_principal.unwrap();
    assert_eq!(count(&format!("?$filter=clientId eq '{apple}'")).await, Some(2));
    assert_eq!(count(&format!("?$filter=clientId eq '{apple}' and consentType eq 'Principal'")).await, Some(0));
    for filter in ["?$filter=scope eq 'openid'", "?$filter=clientId ne 'x'", "?$filter=clientId eq x"] {
        assert_eq!(count(filter).await, None, "{filter}");
    }
    assert_eq!(code(stage.graph(&token, "/organization?$expand=x").await).await.0, 400);
}

#[tokio::test]
async fn each_call_needs_one_of_its_permissions() {
    let id = demo::FABRIKAM;
    let requests = "/identityGovernance/appConsent/appConsentRequests".to_owned();
    let tenant_information = format!("/tenantRelationships/findTenantInformationByTenantId(tenantId='{id}')");
    let calls: [(String, &[&str]); 7] = [
        ("/organization".into(), &["Directory.Read.All", "Organization.Read.All", "User.Read.All"]),
        (app(""), &["Directory.Read.All", "Application.Read.All", "Application.ReadWrite.OwnedBy"]),
        (app("/appRoleAssignments"), &["Directory.Read.All", "Application.Read.All", "Application.ReadWrite.OwnedBy"]),
        (app("/oauth2PermissionGrants"), &["Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All"]),
        (requests, &["ConsentRequest.Read.All"]),
        ("/policies/authorizationPolicy".into(), &["Policy.Read.All"]),
        (tenant_information, &["CrossTenantInformation.ReadBasic.All"]),
    ];
    let all = [
        "Directory.Read.All",
        "Organization.Read.All",
        "User.Read.All",
        "Application.Read.All",
        "Application.ReadWrite.OwnedBy",
        "DelegatedPermissionGrant.ReadWrite.All",
        "DelegatedPermissionGrant.Read.All",
        "ConsentRequest.Read.All",
        "CrossTenantInformation.ReadBasic.All",
        "Policy.Read.All",
    ];
    for right in all {
        let (stage, token) = reader_with(&[right]).await;
        for (path, suffice) in &calls {
            let answer = stage.graph(&token, path).await;
            if suffice.contains(&right) {
                assert_eq!(answer.status(), 200, "{right} {path}");
            } else {
                assert_eq!(code(answer).await, (403, "Authorization_RequestDenied".into()), "{right} {path}");
            }
        }
    }
}

#[tokio::test]
async fn little_rights_show_little_of_the_organization() {
    for (right, shown) in [("User.Read.All", false), ("Organization.Read.All", true)] {
        let (stage, token) = reader_with(&[right]).await;
        let body = json(stage.graph(&token, "/organization").await).await;
        let organization = &body["value"][0];
        assert_eq!((&organization["id"], &organization["displayName"]), (&value_of!(demo::CONTOSO), &value_of!("Contoso Ltd")));
        assert_eq!(organization["verifiedDomains"][0]["name"], "contoso.example");
        assert_eq!(organization["tenantType"].is_string(), shown);
    }
}

#[tokio::test]
async fn tokens_that_graph_does_not_take_are_401() {
    let (stage, token) = reader().await;
    let get = async |header: Option<&str>| {
        let request = stage.http.get(stage.url("/v1.0/organization"));
        let request = header.into_iter().fold(request, |request, value| request.header("authorization", value));
        request.send().await.unwrap()
    };
    for header in [None, Some("Bearer "), Some("Bearer made.up.token"), Some(&*format!("Basic {token}"))] {
        let answer = get(header).await;
        assert!(answer.headers().contains_key("www-authenticate"));
        assert_eq!(code(answer).await, (401, "InvalidAuthenticationToken".into()), "{header:?}");
    }
    let app = demo::APP.to_string();
    let form = [
        ("client_id", app.as_str()),
        ("scope", "https://outlook.office365.com/.default"),
        ("client_secret", demo::APP_SECRET),
        ("grant_type", "client_credentials"),
    ];
    let other = json(stage.ask_token(demo::CONTOSO, &form).await).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&other)["aud"], "https://outlook.office365.com");
    assert_eq!(stage.graph(&other, "/organization").await.status(), 401, "a token for another resource");
    assert_eq!(stage.graph(&token, "/organization").await.status(), 200);
    stage.control.advance(Duration::from_secs(3600));
    assert_eq!(stage.graph(&token, "/organization").await.status(), 401, "an expired one");
    let batch = batch(&stage, &token, gets(&["/organization".into()])).await;
    assert_eq!(code(batch).await, (401, "InvalidAuthenticationToken".into()));
}

#[tokio::test]
async fn errors_have_graphs_layout_and_echo_the_callers_id() {
    let (stage, token) = reader().await;
    let request = stage.http.get(stage.url(&format!("/v1.0{}", app("").replace('1', "2")))).bearer_auth(&token);
    let answer = request.header("client-request-id", "c-7").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let request_id = answer.headers()["request-id"].to_str().unwrap().to_owned();
    let body = json(answer).await;
    assert_eq!(body["error"]["code"], "Request_ResourceNotFound");
    assert_eq!(
        body["error"]["innerError"],
        value_of!({ "date": "2026-11-20T12:00:00", "request-id": request_id, "client-request-id": "c-7" })
    );
    for path in ["/nothing", "/servicePrincipals(appId='x", "/servicePrincipals(appId='%ff')", "/me/messages"] {
        assert_eq!(code(stage.graph(&token, path).await).await.0, 400, "{path}");
    }
    let unknown = ObjectId::from_u128(5);
    for path in [format!("/servicePrincipals/{unknown}"), "/servicePrincipals(appId='not-a-guid')/appRoleAssignments".into()] {
        assert_eq!(code(stage.graph(&token, &path).await).await.0, 404, "{path}");
    }
    let post = stage.http.post(stage.url("/v1.0/organization")).bearer_auth(&token).body("{}").send().await.unwrap();
    assert_eq!(post.status(), 405);
}

#[tokio::test]
async fn graph_sees_a_consent_later_and_a_part_of_it_earlier() {
    let (stage, token) = reader().await;
    let tenant = demo::CONTOSO;
    let replication = Replication { graph: 60, ..Replication::default() };
    stage.control.apply(Change::SetReplication { tenant, replication }).unwrap();
    // The app that reads was approved a moment ago too, so Graph shows neither approval yet.
    assert_eq!(stage.graph(&token, &app("")).await.status(), 404);
    stage.control.advance(Duration::from_secs(60));
    let permissions = vec![PermissionSet::graph(&["User.Read.All"], &["profile"])];
    stage.control.apply(Change::Enlarge { tenant, app: demo::APP, permissions }).unwrap();
    let lists = async || {
        let roles = json(stage.graph(&token, &app("/appRoleAssignments")).await).await;
        let grants = json(stage.graph(&token, &app("/oauth2PermissionGrants")).await).await;
        let scopes = grants["value"][0]["scope"].as_str().unwrap().split_whitespace().count();
        (roles["value"].as_array().unwrap().len(), scopes)
    };
    assert_eq!(lists().await, (4, 2));
    stage.control.advance(Duration::from_secs(60));
    assert_eq!(lists().await, (5, 3));
}

#[tokio::test]
async fn a_list_comes_in_pages_that_lead_from_one_to_the_next() {
    let (stage, token) = reader().await;
    stage.control.apply(Change::SetPageSize { items: 3 }).unwrap();
    let first = json(stage.graph(&token, &app("/appRoleAssignments?$select=appRoleId")).await).await;
    let link = first["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/v1.0/servicePrincipals", stage.sandbox.url())), "{link}");
    assert!(link.contains("$select=appRoleId&$skiptoken="), "{link}");
    let second = json(stage.http.get(&link).bearer_auth(&token).send().await.unwrap()).await;
    assert_eq!(first["value"].as_array().unwrap().len(), 3);
    assert_eq!(second["value"].as_array().unwrap().len(), 1);
    assert_eq!(second["value"][0].as_object().unwrap().len(), 1, "the next page keeps $select");
    assert!(second.get("@odata.nextLink").is_none());
    let broken = stage.graph(&token, &app("/appRoleAssignments?$skiptoken=x")).await;
    assert_eq!(code(broken).await, (400, "Directory_ExpiredPageToken".into()));
    let top = json(stage.graph(&token, &app("/appRoleAssignments?$top=1")).await).await;
    assert_eq!(top["value"].as_array().unwrap().len(), 1);

    let status = Effect::Status { status: 503, code: None, retry_after: None };
    stage.control.fault(Fault::new(FaultAt::Page, status).times(1)).unwrap();
    assert_eq!(stage.graph(&token, &app("/appRoleAssignments")).await.status(), 200, "a fault at pages spares the first page");
    assert_eq!(stage.http.get(&link).bearer_auth(&token).send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn approval_requests_are_listed_while_they_are_open() {
    let (stage, token) = reader().await;
    let (tenant, app) = (demo::CONTOSO, demo::APPLE);
    let link = stage.link(tenant).replace(&demo::APP.to_string(), &app.to_string());
    stage.decide(&link, tenant, UserRole::User, "request").await;
    let open = "/identityGovernance/appConsent/appConsentRequests?$filter=userConsentRequests/any(u:u/status eq 'InProgress')";
    let list = json(stage.graph(&token, open).await).await;
    let request = &list["value"][0];
    assert_eq!((&request["appId"], &request["appDisplayName"]), (&value_of!(app), &value_of!("Apple Internet Accounts")));
    assert_eq!(request["userConsentRequests"][0]["status"], "InProgress");
    assert_eq!(request["pendingScopes"].as_array().unwrap().len(), 3);
    stage.control.apply(Change::Review { tenant, app, decision: ReviewDecision::Approve }).unwrap();
    assert_eq!(json(stage.graph(&token, open).await).await["value"], value_of!([]));
    let all = json(stage.graph(&token, "/identityGovernance/appConsent/appConsentRequests").await).await;
    assert_eq!(all["value"][0]["userConsentRequests"][0]["status"], "Completed");
    let other = "/identityGovernance/appConsent/appConsentRequests?$filter=userConsentRequests/any(u:u/status eq 'Completed')";
    assert_eq!(stage.graph(&token, other).await.status(), 400, "the server filters by InProgress alone");
    let policy = json(stage.graph(&token, "/policies/adminConsentRequestPolicy").await).await;
    assert_eq!(policy["isEnabled"], true);
}

#[tokio::test]
async fn the_home_tenant_can_name_any_tenant() {
    let stage = Stage::demo();
    let token = stage.token(demo::HOME).await;
    let by_id = format!("/tenantRelationships/findTenantInformationByTenantId(tenantId='{}')", demo::WOODGROVE);
    let by_domain = "/tenantRelationships/findTenantInformationByDomainName(domainName='woodgrove.example')";
    for path in [by_id.as_str(), by_domain] {
        let found = json(stage.graph(&token, path).await).await;
        assert_eq!(found["tenantId"], demo::WOODGROVE.to_string());
        assert_eq!(found["displayName"], "Woodgrove Bank Zürich – Łódź");
        assert_eq!(found["defaultDomainName"], "woodgrove.example");
    }
    let nobody = "/tenantRelationships/findTenantInformationByTenantId(tenantId='0a1b0000-0000-4000-8000-00000000dead')";
    assert_eq!(stage.graph(&token, nobody).await.status(), 404);
}

#[tokio::test]
async fn a_batch_answers_each_part_for_itself_and_in_another_order() {
    let (stage, token) = reader_with(&["Application.Read.All"]).await;
    let paths =
        ["/organization".into(), app(""), app("/appRoleAssignments"), app("/oauth2PermissionGrants"), "organization?$select=id".into()];
    let answer = json(batch(&stage, &token, gets(&paths)).await).await;
    let statuses: Vec<u64> = (0..5).map(|at| part(&answer, &format!("p{at}"))["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [403, 200, 200, 403, 403]);
    let order: Vec<&str> = answer["responses"].as_array().unwrap().iter().map(|part| part["id"].as_str().unwrap()).collect();
    assert!(order.iter().enumerate().all(|(at, id)| *id != format!("p{at}")), "{order:?}");
    assert_eq!(part(&answer, "p1")["headers"]["Content-Type"], "application/json; charset=utf-8");
    assert_eq!(part(&answer, "p1")["body"]["appId"], demo::APP.to_string());
    let log = stage.control.requests().pop().unwrap();
    assert_eq!((log.kind, log.tenant), (Kind::Batch, Some(demo::CONTOSO)));
    assert_eq!((log.parts.len(), &log.graph_paths[1]), (5, &paths[1]));
}

#[tokio::test]
async fn a_malformed_batch_is_400_as_a_whole() {
    let (stage, token) = reader().await;
    let get = |id: &str| value_of!({ "id": id, "method": "GET", "url": "/organization" });
    let many: Vec<Value> = (0..21).map(|id| get(&id.to_string())).collect();
    for requests in [
        value_of!([]),
        value_of!(many),
        value_of!([get("a"), get("A")]),
        value_of!([get("")]),
        value_of!([{ "id": "1", "method": "GET" }]),
        value_of!([{ "id": "1", "method": "GET", "url": "https://graph.microsoft.com/v1.0/organization" }]),
        value_of!([{ "id": "1", "method": "GET", "url": "/organization", "dependsOn": ["2"] }]),
        value_of!("x"),
    ] {
        assert_eq!(code(batch(&stage, &token, requests.clone()).await).await, (400, "BadRequest".into()), "{requests}");
    }
    assert_eq!(batch(&stage, &token, value_of!(many[..20])).await.status(), 200);
    let answer = stage.http.get(stage.url("/v1.0/$batch")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn a_part_that_depends_on_a_failed_one_is_424() {
    let (stage, token) = reader().await;
    let requests = value_of!([
        { "id": "1", "method": "GET", "url": "/nothing" },
        { "id": "2", "method": "GET", "url": "/organization", "dependsOn": ["1"] },
        { "id": "3", "method": "GET", "url": "/organization" },
        { "id": "4", "method": "GET", "url": "/organization", "dependsOn": ["3"] },
        { "id": "5", "method": "DELETE", "url": "/organization" },
    ]);
    let answer = json(batch(&stage, &token, requests).await).await;
    let statuses: Vec<u64> = (1..6).map(|id| part(&answer, &id.to_string())["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [400, 424, 200, 200, 405]);
}

#[tokio::test]
async fn parts_fail_alone_with_their_own_retry_after() {
    let (stage, token) = reader().await;
    let throttled = |retry_after| Effect::Status { status: 429, code: None, retry_after: Some(retry_after) };
    for (retry_after, header) in [
        (RetryAfter::Seconds(7), "7"),
        (RetryAfter::Text("99999999999".into()), "99999999999"),
        (RetryAfter::Text("abc".into()), "abc"),
        (RetryAfter::Date { date_in: -60 }, "Fri, 20 Nov 2026 11:59:00 GMT"),
    ] {
        let fault = Fault::new(FaultAt::Part, throttled(retry_after)).on_path("/appRoleAssignments").times(1);
        stage.control.fault(fault).unwrap();
        let answer = batch(&stage, &token, gets(&[app(""), app("/appRoleAssignments")])).await;
        assert_eq!(answer.status(), 200);
        let answer = json(answer).await;
        assert_eq!(part(&answer, "p0")["status"], 200);
        assert_eq!(part(&answer, "p1")["status"], 429);
        assert_eq!(part(&answer, "p1")["headers"]["Retry-After"], header);
        assert_eq!(part(&answer, "p1")["body"]["error"]["code"], "TooManyRequests");
    }
    let code = Some("Authorization_IdentityNotFound".to_owned());
    stage.control.fault(Fault::new(FaultAt::Part, Effect::Status { status: 401, code, retry_after: None })).unwrap();
    let answer = json(batch(&stage, &token, gets(&[app("")])).await).await;
    assert_eq!(part(&answer, "p0")["body"]["error"]["code"], "Authorization_IdentityNotFound");
}

#[tokio::test]
async fn batches_leave_out_invent_and_repeat_parts_as_scripted() {
    let (stage, token) = reader().await;
    let ask = async || json(batch(&stage, &token, gets(&[app(""), "/organization".into()])).await).await;
    let ids = |answer: &Value| {
        let mut ids: Vec<String> =
            answer["responses"].as_array().unwrap().iter().map(|part| part["id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    stage.control.fault(Fault::new(FaultAt::Part, Effect::Omit).on_path("/organization").times(1)).unwrap();
    assert_eq!(ids(&ask().await), ["p0"]);
    stage.control.fault(Fault::new(FaultAt::Part, Effect::Twice).on_path("/organization").times(1)).unwrap();
    assert_eq!(ids(&ask().await), ["p0", "p1", "p1"]);
    stage.control.fault(Fault::new(FaultAt::Batch, Effect::UnknownPart).times(1)).unwrap();
    assert_eq!(ids(&ask().await), ["nobody-asked", "p0", "p1"]);
    for (effect, body) in [(Effect::Null, Value::Null), (Effect::Html { status: 502 }, value_of!("<html>"))] {
        stage.control.fault(Fault::new(FaultAt::Part, effect).on_path("/organization").times(1)).unwrap();
        let answer = ask().await;
        match body {
            Value::Null => assert!(part(&answer, "p1")["body"].is_null()),
            _ => assert!(part(&answer, "p1")["body"].as_str().unwrap().starts_with("<html>")),
        }
    }
    stage.control.fault(Fault::new(FaultAt::Part, Effect::Empty).on_path("/organization").times(1)).unwrap();
    assert!(part(&ask().await, "p1").get("body").is_none());
    let link = Effect::NextLink { url: "http://169.254.169.254/latest/meta-data/".into() };
    stage.control.fault(Fault::new(FaultAt::Part, link).on_path("/organization").times(1)).unwrap();
    assert_eq!(part(&ask().await, "p1")["body"]["@odata.nextLink"], "http://169.254.169.254/latest/meta-data/");
    let link = Effect::NextLink { url: "{graph}/outside?$skiptoken=x".into() };
    stage.control.fault(Fault::new(FaultAt::Graph, link).times(1)).unwrap();
    let list = json(stage.graph(&token, &app("/appRoleAssignments")).await).await;
    assert_eq!(list["@odata.nextLink"], stage.url("/outside?$skiptoken=x"));
    assert_eq!(list["value"].as_array().unwrap().len(), 4, "the items stay");
    assert_eq!(ids(&ask().await), ["p0", "p1"]);
}
