//! Lists, pages and the resources of entries, without a network.

use super::*;
use crate::consent::{ClientId, TenantId};
use crate::entra::http::{UpstreamCall, UpstreamKind};
use serde_json::{Value, json};

const OWN: &str = "99999999-0000-4000-8000-000000000001";
const GRAPH_OBJECT: &str = "99999999-0000-4000-8000-00000000000a";
const OTHER_OBJECT: &str = "99999999-0000-4000-8000-00000000000b";
const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";

fn client() -> ClientId {
    "00001111-aaaa-2222-bbbb-3333cccc4444".parse().unwrap()
}

fn graph_state() -> GraphState {
    GraphState::of(Question {
        tenant: TenantId::from_u128(1),
        client: client(),
        object: None,
        resources: vec![ResourceId::GRAPH],
        required: [ResourceId::GRAPH].into(),
        open_requests: true,
        user_consent: true,
        popular: false,
    })
}

fn shown(body: &Value) -> PartAnswer {
    PartAnswer::Shown(serde_json::value::to_raw_value(body).unwrap())
}

fn take(graph_state: &mut GraphState, part: Part, answer: PartAnswer) {
    let call = UpstreamCall { kind: UpstreamKind::Batch, status: Some(200), millis: 0 };
    graph_state.take(Reply { parts: vec![(part, answer)], retry_after: None, waits: Vec::new(), call });
}

/// A finding where the service principal, Graph and the parts of the test are visible.
fn seen(parts: Vec<(Part, Value)>) -> Finding {
    let mut graph_state = graph_state();
    take(&mut graph_state, Part::ServicePrincipal, shown(&json!({"id": OWN, "appId": client(), "accountEnabled": true})));
    take(&mut graph_state, Part::Resource(ResourceId::GRAPH), shown(&json!({"id": GRAPH_OBJECT, "appId": ResourceId::GRAPH})));
    for (part, body) in parts {
        take(&mut graph_state, part, shown(&body));
    }
    finding(&graph_state)
}

fn finding(graph_state: &GraphState) -> Finding {
    let mut finding = Finding::default();
    graph_state.write(&mut finding);
    finding
}

fn assignment(changes: &[(&str, Value)]) -> Value {
    let mut entry = json!({
        "id": "opaque", "appRoleId": MAIL_READ, "principalId": OWN, "principalType": "ServicePrincipal",
        "resourceId": GRAPH_OBJECT, "resourceDisplayName": "Microsoft Graph", "createdDateTime": null,
    });
    for (name, value) in changes {
        entry[name] = value.clone();
    }
    entry
}

fn grant(changes: &[(&str, Value)]) -> Value {
    let mut entry = json!({
        "id": "opaque", "clientId": OWN.to_uppercase(), "consentType": "AllPrincipals", "principalId": null,
        "resourceId": GRAPH_OBJECT, "scope": " User.Read  Mail.Send\topenid ",
    });
    for (name, value) in changes {
        entry[name] = value.clone();
    }
    entry
}

fn scopes(finding: &Finding) -> Vec<String> {
    let list = finding.delegated.seen().unwrap();
    list.iter()
        .map(|granted| match &granted.permission {
            PermissionRef::Value(value) => value.to_string(),
            PermissionRef::Id(id) => id.to_string(),
        })
        .collect()
}

#[test]
fn nothing_answered_is_nothing_said() {
    let finding = finding(&graph_state());
    assert_eq!(finding.service_principal, Visible::Unanswered);
    assert_eq!((finding.application, finding.delegated), (Visible::Unanswered, Visible::Unanswered));
    assert_eq!((finding.open_request, finding.tenant_name), (Visible::Unanswered, None));
}

#[test]
fn a_tenants_name_is_taken_from_its_own_entry_only() {
    let own = TenantId::from_u128(1).to_string().to_uppercase();
    let named = |value: Value| seen(vec![(Part::Organization, json!({"value": value}))]).tenant_name.map(|name| name.to_string());
    assert_eq!(named(json!([{"id": "x", "displayName": "Other"}, {"id": own, "displayName": "Contoso"}])), Some("Contoso".into()));
    assert_eq!(named(json!([{"id": "x", "displayName": "Other"}])), None);
    assert_eq!(named(json!([{"id": own, "displayName": null}])), None);
    assert_eq!(named(json!([])), None);
}

#[test]
fn a_service_principal_of_another_app_is_no_answer() {
    let principal = |body: Value| seen(vec![(Part::ServicePrincipal, body)]).service_principal;
    let other = ClientId::from_u128(7);
    assert_eq!(principal(json!({"id": OWN, "appId": other, "accountEnabled": true})), Visible::Unanswered);
    assert_eq!(principal(json!({"id": "x", "appId": client()})), Visible::Unanswered);
    assert_eq!(principal(json!({"id": OWN, "appId": client(), "accountEnabled": "yes"})), Visible::Unanswered);
    assert_eq!(principal(json!({"id": OWN, "appId": client()})), Visible::Seen(ServicePrincipal { enabled: None }));
    assert_eq!(
        principal(json!({"id": OWN, "appId": client().to_string().to_uppercase(), "accountEnabled": false, "more": {}})),
        Visible::Seen(ServicePrincipal { enabled: Some(false) })
    );
}

#[test]
fn scopes_are_split_on_white_space_and_users_own_grants_do_not_count() {
    let finding = seen(vec![(
        Part::Grants,
        json!({"value": [
            grant(&[]),
            grant(&[("consentType", json!("Principal")), ("principalId", json!(OTHER_OBJECT)), ("scope", json!("Mail.ReadWrite"))]),
            grant(&[("scope", Value::Null)]),
        ]}),
    )]);
    assert!(matches!(finding.delegated, Visible::Seen(_)));
    assert_eq!(scopes(&finding), ["User.Read", "Mail.Send", "openid"]);
}

#[test]
fn an_entry_that_cannot_be_read_leaves_the_list_incomplete_and_the_others_seen() {
    for bad in [
        json!(null),
        json!([]),
        assignment(&[("appRoleId", json!("Mail.Read"))]),
        assignment(&[("resourceId", json!(""))]),
        assignment(&[("resourceId", Value::Null)]),
        assignment(&[("principalId", json!("me"))]),
        assignment(&[("principalId", json!(OTHER_OBJECT))]),
        assignment(&[("principalId", Value::Null)]),
    ] {
        let finding = seen(vec![(Part::Assignments, json!({"value": [bad, assignment(&[])]}))]);
        assert!(matches!(finding.application, Visible::Partly(ref list) if list.len() == 1), "{bad}: {:?}", finding.application);
    }
    for bad in [
        grant(&[("consentType", json!("Everybody"))]),
        grant(&[("principalId", json!(OTHER_OBJECT))]),
        grant(&[("resourceId", json!("x"))]),
        grant(&[("clientId", json!(OTHER_OBJECT))]),
        grant(&[("clientId", Value::Null)]),
        grant(&[("scope", json!("\u{202e}"))]),
        grant(&[("scope", json!(7))]),
    ] {
        let finding = seen(vec![(Part::Grants, json!({"value": [bad, grant(&[])]}))]);
        assert!(matches!(finding.delegated, Visible::Partly(ref list) if list.len() == 3), "{bad}: {:?}", finding.delegated);
    }
}

#[test]
fn a_list_without_its_value_is_no_answer() {
    for body in [json!({}), json!({"value": null}), json!({"value": {}}), json!({"value": [], "@odata.nextLink": 7}), json!([])] {
        assert_eq!(seen(vec![(Part::Assignments, body.clone())]).application, Visible::Unanswered, "{body}");
    }
}

#[test]
fn an_empty_first_page_with_a_next_one_is_not_an_empty_list() {
    let page =
        json!({"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/servicePrincipals/x/appRoleAssignments?$skiptoken=abc"});
    assert_eq!(seen(vec![(Part::Assignments, page)]).application, Visible::Partly(Vec::new()));
}

#[test]
fn the_list_is_complete_with_its_last_page_and_not_before() {
    let endpoints = Endpoints::of(&crate::consent::Cloud::Global).unwrap();
    let mut graph_state = graph_state();
    take(&mut graph_state, Part::ServicePrincipal, shown(&json!({"id": OWN, "appId": client(), "accountEnabled": true})));
    let link = format!("https://graph.microsoft.com/v1.0/servicePrincipals(appId='{}')/appRoleAssignments?$skiptoken=1", client());
    take(&mut graph_state, Part::Assignments, shown(&json!({"value": [assignment(&[])], "@odata.nextLink": link})));
    assert_eq!(graph_state.next_pages(&endpoints), [(Part::Assignments, link.parse().unwrap())]);
    assert!(graph_state.next_pages(&endpoints).is_empty(), "each page is asked for once");
    take(&mut graph_state, Part::Assignments, PartAnswer::NotVisible);
    assert!(matches!(finding(&graph_state).application, Visible::Partly(_)));
    take(&mut graph_state, Part::Assignments, shown(&json!({"value": []})));
    assert!(matches!(finding(&graph_state).application, Visible::Seen(_)));
}

#[test]
fn next_link_that_was_asked_for_ends_its_list_in_part() {
    let endpoints = Endpoints::of(&crate::consent::Cloud::Global).unwrap();
    let first = format!("https://graph.microsoft.com/v1.0/servicePrincipals(appId='{}')/appRoleAssignments", client());
    let page = |query: &str| shown(&json!({"value": [], "@odata.nextLink": format!("{first}{query}")}));
    let mut asked = graph_state();
    for (link, follows) in [("?$skiptoken=1", true), ("?$skiptoken=2", true), ("?$skiptoken=1", false), ("", false)] {
        take(&mut asked, Part::Assignments, page(link));
        assert_eq!(!asked.next_pages(&endpoints).is_empty(), follows, "{link}");
        assert!(matches!(finding(&asked).application, Visible::Partly(_)), "{link}");
    }
    let mut endless = graph_state();
    let pages = (1..100).take_while(|number| {
        take(&mut endless, Part::Assignments, page(&format!("?$skiptoken={number}")));
        !endless.next_pages(&endpoints).is_empty()
    });
    assert_eq!(pages.count(), 24, "25 pages with the first");
}

#[test]
fn a_list_longer_than_we_keep_is_known_in_part() {
    let mut graph_state = graph_state();
    let page = json!({"value": vec![assignment(&[]); 3_000]});
    for _ in 0..4 {
        take(&mut graph_state, Part::Assignments, shown(&page));
    }
    assert!(matches!(finding(&graph_state).application, Visible::Partly(ref list) if list.len() == MAX_ENTRIES));
}

#[test]
fn next_links_are_pinned_to_the_list_and_to_this_graph() {
    let global = Endpoints::of(&crate::consent::Cloud::Global).unwrap();
    let paths = ["/x(appId='1')/list".to_owned(), "/x/7/list".to_owned()];
    for good in [
        "https://graph.microsoft.com/v1.0/x(appId='1')/list?$skiptoken=a",
        "https://graph.microsoft.com/v1.0/x%28appId%3D%271%27%29/list?$skiptoken=a",
        "https://GRAPH.microsoft.com:443/v1.0/X(appid='1')/List",
        "https://graph.microsoft.com/v1.0/x/7/list?$top=1",
    ] {
        assert!(pinned(good, &global, &paths).is_some(), "{good}");
    }
    for bad in [
        "",
        "/v1.0/x/7/list",
        "//graph.microsoft.com/v1.0/x/7/list",
        "http://graph.microsoft.com/v1.0/x/7/list",
        "https://graph.microsoft.com:8443/v1.0/x/7/list",
        "https://graph.microsoft.us/v1.0/x/7/list",
        "https://graph.microsoft.com.evil.example/v1.0/x/7/list",
        "https://user@graph.microsoft.com/v1.0/x/7/list",
        "https://graph.microsoft.com@evil.example/v1.0/x/7/list",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/v1.0/",
        "https://graph.microsoft.com/v1.0/x",
        "https://graph.microsoft.com/v1.0/x(appId='2')/list",
        "https://graph.microsoft.com/v1.0/x/8/list",
        "https://graph.microsoft.com/v1.0/x/7/list/",
        "https://graph.microsoft.com/v1.0/x/7/list/8",
        "https://graph.microsoft.com/v1.0/x/7%2Flist",
        "https://graph.microsoft.com/v1.0evil/x/7/list",
        "https://graph.microsoft.com/beta/x/7/list",
        "https://graph.microsoft.com/v1.0/../beta/x/7/list",
        "https://graph.microsoft.com/v1.0/%2e%2e/beta/x/7/list",
        "https://graph.microsoft.com/v1.0/x/7/list/%2e%2e/other",
        "https://graph.microsoft.com/v1.0\\..\\beta\\x\\7\\list",
        "http://169.254.169.254/v1.0/x/7/list",
        "file:///v1.0/x/7/list",
    ] {
        assert_eq!(pinned(bad, &global, &paths), None, "{bad}");
    }
}

#[test]
fn an_entry_of_a_resource_nobody_asked_about_keeps_its_shown_name() {
    let other = assignment(&[("resourceId", json!(OTHER_OBJECT)), ("resourceDisplayName", json!("Contoso \u{1b}API"))]);
    let finding = seen(vec![(Part::Assignments, json!({"value": [other]}))]);
    let list = finding.application.seen().unwrap();
    assert_eq!(list[0].resource, None);
    assert_eq!(list[0].resource_name.as_ref().unwrap().as_str(), "Contoso \u{fffd}API");
    assert!(finding.unresolved_resource.is_empty());
}

#[test]
fn entries_nobody_can_place_stand_in_the_list_without_a_resource() {
    for (answer, reason) in [
        (PartAnswer::NotVisible, Visible::NotVisible),
        (PartAnswer::Unanswered, Visible::Unanswered),
        (PartAnswer::NotFound, Visible::Absent),
    ] {
        let mut graph_state = graph_state();
        take(&mut graph_state, Part::ServicePrincipal, shown(&json!({"id": OWN, "appId": client()})));
        take(&mut graph_state, Part::Resource(ResourceId::GRAPH), answer);
        take(&mut graph_state, Part::Assignments, shown(&json!({"value": [assignment(&[])]})));
        let finding = finding(&graph_state);
        assert!(matches!(finding.application, Visible::Seen(ref list) if list.len() == 1 && list[0].resource.is_none()), "{reason:?}");
        assert_eq!(finding.unresolved_resource.get(&ResourceId::GRAPH), Some(&reason));
    }
    // A resource that is missing in the tenant has no entries there.
    let mut graph_state = graph_state();
    take(&mut graph_state, Part::ServicePrincipal, shown(&json!({"id": OWN, "appId": client()})));
    take(&mut graph_state, Part::Resource(ResourceId::GRAPH), PartAnswer::NotFound);
    take(&mut graph_state, Part::Assignments, shown(&json!({"value": []})));
    assert!(finding(&graph_state).unresolved_resource.is_empty());
}

#[test]
fn without_an_owner_told_entries_count_only_if_all_name_the_same_and_prove_no_absence() {
    let check = |assignments: &[Value], grants: &[Value]| {
        let mut graph_state = graph_state();
        take(&mut graph_state, Part::ServicePrincipal, PartAnswer::Unanswered);
        take(&mut graph_state, Part::Assignments, shown(&json!({"value": assignments})));
        take(&mut graph_state, Part::Grants, shown(&json!({"value": grants})));
        let finding = finding(&graph_state);
        (finding.application, finding.delegated)
    };
    let count = |list: &Visible<Vec<GrantedPermission>>| (list.name(), list.seen().map(Vec::len));
    let others = || assignment(&[("principalId", json!(OTHER_OBJECT))]);

    let (application, delegated) = check(&[assignment(&[]), assignment(&[])], &[grant(&[])]);
    assert_eq!((count(&application), count(&delegated)), (("partly", Some(2)), ("partly", Some(3))));
    for (assignments, grants) in
        [(vec![assignment(&[]), others()], vec![grant(&[])]), (vec![assignment(&[])], vec![grant(&[("clientId", json!(OTHER_OBJECT))])])]
    {
        let (application, delegated) = check(&assignments, &grants);
        assert_eq!((count(&application), count(&delegated)), (("partly", Some(0)), ("partly", Some(0))));
    }
    // The path names the app, so an empty list leaves no doubt.
    let (application, delegated) = check(&[], &[]);
    assert_eq!((count(&application), count(&delegated)), (("seen", Some(0)), ("seen", Some(0))));
}

#[test]
fn a_graph_that_speaks_of_another_tenant_is_told_from_one_that_says_nothing() {
    let other = |answer| {
        let mut graph_state = graph_state();
        take(&mut graph_state, Part::Organization, answer);
        graph_state.is_of_another_tenant()
    };
    let own = TenantId::from_u128(1).to_string();
    let foreign = TenantId::from_u128(2).to_string();
    assert!(other(shown(&json!({"value": [{"id": foreign, "displayName": "Fabrikam"}]}))));
    for silent in [
        shown(&json!({"value": [{"id": own}]})),
        shown(&json!({"value": [{"id": foreign}, {"id": own.to_uppercase()}]})),
        shown(&json!({"value": []})),
        shown(&json!({"value": [7]})),
        shown(&json!({})),
        PartAnswer::NotVisible,
        PartAnswer::NotFound,
        PartAnswer::Unanswered,
    ] {
        assert!(!other(silent));
    }
}

#[test]
fn an_open_request_counts_for_its_own_app_only() {
    let requests = |apps: &[&str]| json!({"value": apps.iter().map(|app| json!({"appId": app, "pendingScopes": []})).collect::<Vec<_>>()});
    let own = client().to_string().to_uppercase();
    let other = ClientId::from_u128(5).to_string();
    assert_eq!(seen(vec![(Part::OpenRequests, requests(&[&other, &own]))]).open_request, Visible::Seen(true));
    assert_eq!(seen(vec![(Part::OpenRequests, requests(&[&other]))]).open_request, Visible::Seen(false));
    assert_eq!(seen(vec![(Part::OpenRequests, requests(&["?", &own]))]).open_request, Visible::Seen(true));
    assert_eq!(seen(vec![(Part::OpenRequests, requests(&["?", &other]))]).open_request, Visible::Unanswered);
}

#[test]
fn a_policy_that_cannot_be_read_says_nothing_and_a_refused_one_is_not_visible() {
    let assigned =
        |policies: Value| json!({"id": "authorizationPolicy", "defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": policies}});
    for (body, expected) in [
        (assigned(json!([])), Visible::Seen(false)),
        (assigned(json!(["ManagePermissionGrantsForSelf.our-policy"])), Visible::Unanswered),
        (assigned(json!(null)), Visible::Unanswered),
        (assigned(json!([1])), Visible::Unanswered),
        (assigned(json!("ManagePermissionGrantsForSelf.x")), Visible::Unanswered),
        (json!({"id": "authorizationPolicy"}), Visible::Unanswered),
        (json!([]), Visible::Unanswered),
    ] {
        let finding = seen(vec![(Part::UserConsent, body.clone())]);
        assert_eq!(finding.users_may_consent, expected, "{body}");
    }
    for (answer, expected) in [
        (PartAnswer::NotVisible, Visible::NotVisible),
        (PartAnswer::NotFound, Visible::Absent),
        (PartAnswer::Refused, Visible::Unanswered),
        (PartAnswer::Unanswered, Visible::Unanswered),
    ] {
        let mut graph_state = graph_state();
        take(&mut graph_state, Part::UserConsent, answer);
        assert_eq!(finding(&graph_state).users_may_consent, expected);
        assert!(!graph_state.refused(), "a finding can do without it");
    }
}
