//! Faults of Graph, of whole batches, of parts and of pages.

use entra_consent::consent::finding::{Obstacle, Visible};
use entra_sandbox::RetryAfter;

use super::*;
use crate::support::same_id;

const ASSIGNMENTS: &str = "appRoleAssignments";
const GRANTS: &str = "oauth2PermissionGrants";

fn status(status: u16) -> Effect {
    Effect::Status { status, code: None, retry_after: None }
}

#[tokio::test]
async fn a_list_of_many_pages_is_read_to_its_end() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.change(Change::SetPageSize { items: 1 });
    let check = stage.reader().await;
    assert!(matches!(check.finding.application, Visible::Seen(ref list) if list.len() == 2), "{check:?}");
    assert_eq!(verdict(&check, &reader_profile()), Verdict::AllRequired);
    assert!(stage.control.count(Kind::Graph) >= 1);
    assert!(check.upstream.iter().any(|call| call.kind.name() == "page"));
}

#[tokio::test]
async fn a_page_that_does_not_come_makes_no_absence_and_keeps_what_was_seen() {
    for effect in [status(500), status(403), status(404), Effect::Malformed, Effect::Reset, Effect::Html { status: 200 }] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.change(Change::SetPageSize { items: 1 });
        stage.fault(FaultAt::Page, effect.clone());
        // The opaque token hides the roles, so that only the list counts.
        stage.fault(FaultAt::Token, Effect::OpaqueToken);
        let check = stage.reader().await;
        let assessment = check.finding.assess(&reader_profile());
        assert!(matches!(check.finding.application, Visible::Partly(ref list) if list.len() == 1), "{effect:?}: {check:?}");
        assert_eq!(assessment.verdict, Verdict::NoAnswer, "{effect:?}");
        assert!(assessment.difference.missing.is_empty() && assessment.difference.seen_required >= 1, "{effect:?}");
    }
}

#[tokio::test]
async fn a_next_link_is_followed_only_to_the_same_list_of_this_graph() {
    let elsewhere = Sandbox::start(SandboxOptions::default()).unwrap();
    let other_host = format!("{}/v1.0/servicePrincipals", elsewhere.url());
    for url in [
        other_host.as_str(),
        "http://169.254.169.254/latest/meta-data",
        "{graph}/beta/servicePrincipals",
        "{graph}/v1.0/../beta/servicePrincipals",
        "{graph}/v1.0",
        "{graph}/v1.0/servicePrincipals",
        "{graph}/v1.0/servicePrincipals(appId='0a1b0000-0000-4000-8000-0000000000a1')/appRoleAssignments",
        "https://graph.microsoft.com/v1.0/servicePrincipals",
        "/v1.0/servicePrincipals",
        "not a url",
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.fault_on_part(ASSIGNMENTS, Effect::NextLink { url: url.into() });
        let check = stage.reader().await;
        assert_eq!(stage.control.count(Kind::Graph), 0, "{url}");
        assert!(matches!(check.finding.application, Visible::Partly(_)), "{url}: {check:?}");
        assert_eq!(verdict(&check, &reader_profile()), Verdict::AllRequired, "the visible part counts: {url}");
    }
    assert_eq!(elsewhere.control().requests().len(), 0);
}

#[tokio::test]
async fn a_list_whose_next_page_was_read_before_ends_at_once() {
    let stage = Stage::new();
    stage.grant(READER);
    let here = format!("{{graph}}/v1.0/servicePrincipals(appId='{READER}')/appRoleAssignments?$skiptoken=b2Zmc2V0IDA");
    stage.fault_on_part(ASSIGNMENTS, Effect::NextLink { url: here.clone() });
    stage.fault(FaultAt::Page, Effect::NextLink { url: here });
    let check = stage.reader().await;
    assert!(matches!(check.finding.application, Visible::Partly(_)), "{check:?}");
    assert_eq!(stage.control.count(Kind::Graph), 1, "the page that names itself as the next one");
}

#[tokio::test]
async fn a_batch_refused_as_a_whole_is_no_absence_and_no_lack_of_rights() {
    for effect in [status(403), status(404), Effect::Html { status: 403 }, Effect::Html { status: 404 }] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.grant(APPLE);
        stage.fault(FaultAt::Batch, effect.clone());
        let check = stage.apple().await;
        assert_eq!(check.finding.service_principal, Visible::Unanswered, "{effect:?}");
        assert_eq!(verdict(&check, &apple_profile()), Verdict::NoAnswer, "{effect:?}");
    }
}

#[tokio::test]
async fn a_redirect_of_graph_is_not_followed() {
    let elsewhere = Sandbox::start(SandboxOptions::default()).unwrap();
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault(FaultAt::Batch, Effect::Redirect { to: elsewhere.url().to_owned(), status: 307 });
    let check = stage.apple().await;
    assert_eq!(verdict(&check, &apple_profile()), Verdict::NoAnswer);
    assert_eq!(elsewhere.control().requests().len(), 0);
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_no_answer() {
    for effect in [
        status(500),
        status(503),
        status(429),
        Effect::Html { status: 200 },
        Effect::Null,
        Effect::Empty,
        Effect::Malformed,
        Effect::ByteOrderMark,
        Effect::DuplicateMembers,
        Effect::Huge { megabytes: 50 },
        Effect::Cut { after_bytes: 60 },
        Effect::Reset,
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.grant(APPLE);
        stage.fault(FaultAt::Batch, effect.clone());
        let check = stage.apple().await;
        let assessment = check.finding.assess(&apple_profile());
        assert_eq!(assessment.verdict, Verdict::NoAnswer, "{effect:?}: {check:?}");
        assert!(assessment.difference.missing.is_empty(), "{effect:?}");
    }
}

#[tokio::test]
async fn roles_settle_the_matter_though_graph_is_silent() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.fault(FaultAt::Batch, status(503));
    let check = stage.mail().await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired);
    assert_eq!(check.finding.tenant_name, None);
}

#[tokio::test]
async fn one_unanswered_part_calls_nothing_missing() {
    for effect in [status(500), status(424), status(429), Effect::Omit, Effect::Twice, Effect::Null, Effect::Empty] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.change(Change::Revoke { tenant: TENANT, app: READER });
        stage.change(Change::Grant {
            tenant: TENANT,
            app: READER,
            permissions: Some(vec![PermissionSet::graph(&["Directory.Read.All", "Mail.Read"], &[])]),
        });
        stage.fault_on_part(GRANTS, effect.clone());
        let check = stage.reader().await;
        let assessment = check.finding.assess(&reader_profile());
        assert_eq!(check.finding.delegated, Visible::Unanswered, "{effect:?}");
        assert_eq!(assessment.verdict, Verdict::NoAnswer, "{effect:?}");
        assert!(assessment.difference.missing.is_empty(), "{effect:?}");
        assert_eq!(assessment.difference.seen_required, 2, "{effect:?}");
    }
}

#[tokio::test]
async fn a_403_in_one_part_is_not_visible_and_never_a_failure() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault_on_part(GRANTS, status(403));
    let check = stage.reader().await;
    assert_eq!(check.finding.delegated, Visible::NotVisible);
    let assessment = check.finding.assess(&reader_profile());
    assert_eq!(assessment.verdict, Verdict::Unseen);
    assert_eq!(assessment.difference.unseen.len(), 1);
}

#[tokio::test]
async fn an_unrequested_part_changes_nothing() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault(FaultAt::Batch, Effect::UnknownPart);
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn a_400_is_our_own_fault_unless_all_is_seen_anyway() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault_on_part(GRANTS, status(400));
    let check = stage.reader().await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::OperatorFault));

    let stage = Stage::new();
    stage.grant(MAIL);
    stage.fault(FaultAt::Batch, status(400));
    assert_eq!(verdict(&stage.mail().await, &mail_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn a_404_for_a_list_of_an_existing_principal_is_a_lag() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.fault_on_part(GRANTS, status(404));
    let check = stage.reader().await;
    assert_eq!(check.finding.delegated, Visible::Unanswered);
    assert_eq!(verdict(&check, &reader_profile()), Verdict::NoAnswer);
}

#[tokio::test]
async fn a_resource_that_cannot_be_placed_leaves_its_permissions_open() {
    let exchange = ResourceId::EXCHANGE_ONLINE;
    for (effect, reason, expected) in [
        (status(503), Visible::Unanswered, Verdict::NoAnswer),
        (status(403), Visible::NotVisible, Verdict::Unseen),
        (status(404), Visible::Absent, Verdict::NoAnswer),
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.grant(APPLE);
        stage.fault_on_part(&format!("servicePrincipals(appId='{exchange}')"), effect);
        let check = stage.apple().await;
        assert_eq!(check.finding.unresolved_resource.get(&exchange), Some(&reason));
        let assessment = check.finding.assess(&apple_profile());
        assert_eq!(assessment.verdict, expected, "{check:?}");
        assert!(assessment.difference.missing.is_empty());
        assert!(assessment.difference.unexpected.is_empty(), "Exchange's scopes are not an excess");
    }
}

#[tokio::test]
async fn a_404_for_a_resource_with_a_token_is_a_lag() {
    let (graph, exchange) = (ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE);
    let both = profile(
        READER,
        "reader",
        &[(graph, Application, "Directory.Read.All", Need::Required), (exchange, Application, "full_access_as_app", Need::Required)],
    );
    for (effect, expected) in [(None, Verdict::SomeRequired), (Some(status(404)), Verdict::NoAnswer)] {
        let stage = Stage::new();
        let permissions = vec![PermissionSet::graph(&["Directory.Read.All"], &[])];
        stage.change(Change::Grant { tenant: TENANT, app: READER, permissions: Some(permissions) });
        if let Some(effect) = effect.clone() {
            stage.fault_on_part(&format!("servicePrincipals(appId='{exchange}')"), effect);
        }
        let check = stage.check(&both, READER, &secret(READER_SECRET)).await;
        assert!(check.finding.fresh_roles.contains_key(&exchange), "{check:?}");
        assert_eq!(verdict(&check, &both), expected, "{effect:?}: {check:?}");
    }
}

#[tokio::test]
async fn excess_is_not_hidden_by_a_resource_that_cannot_be_placed() {
    let (graph, exchange) = (ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE);
    let mail =
        profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required), (exchange, Application, "Mail.Read", Need::Optional)]);
    for (role, expected) in [("full_access_as_app", Verdict::Excess), ("Mail.Read", Verdict::AllRequired)] {
        for effect in [None, Some(status(429)), Some(status(403)), Some(status(404))] {
            let stage = Stage::new();
            stage.grant(READER);
            let permissions = vec![PermissionSet::graph(&["Mail.Read"], &[]), PermissionSet::of(same_id(exchange), &[role], &[])];
            stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(permissions) });
            if let Some(effect) = effect.clone() {
                stage.fault_on_part(&format!("servicePrincipals(appId='{exchange}')"), effect);
            }
            let check = stage.check(&mail, READER, &secret(READER_SECRET)).await;
            assert_eq!(verdict(&check, &mail), expected, "{role} {effect:?}: {check:?}");
        }
    }
}

#[tokio::test]
async fn a_forbidden_permission_that_cannot_be_judged_is_no_clean_grant() {
    let graph = ResourceId::GRAPH;
    let mail =
        profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required), (graph, Delegated, "Mail.Send", Need::Forbidden)]);
    for (effect, expected) in [(None, Verdict::Excess), (Some(status(429)), Verdict::NoAnswer), (Some(status(403)), Verdict::AllRequired)] {
        let stage = Stage::new();
        stage.grant(READER);
        let permissions = vec![PermissionSet::graph(&["Mail.Read"], &["Mail.Send"])];
        stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(permissions) });
        if let Some(effect) = effect.clone() {
            stage.fault_on_part(GRANTS, effect);
        }
        let check = stage.check(&mail, READER, &secret(READER_SECRET)).await;
        assert_eq!(verdict(&check, &mail), expected, "{effect:?}: {check:?}");
    }
}

#[tokio::test]
async fn a_graph_that_speaks_of_another_tenant_is_no_answer() {
    let body = format!(r#"{{"value":[{{"id":"{}","displayName":"Fabrikam"}}]}}"#, demo::FABRIKAM);
    let headers = || [("content-type".to_owned(), "application/json".to_owned())].into();
    let foreign = || Effect::Verbatim { status: 200, headers: headers(), body: body.clone() };
    for app in [MAIL, READER, APPLE] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.grant(app);
        stage.fault_on_part("/organization", foreign());
        let (check, profile) = match app {
            MAIL => (stage.mail().await, mail_profile()),
            READER => (stage.reader().await, reader_profile()),
            _ => (stage.apple().await, apple_profile()),
        };
        assert_eq!(verdict(&check, &profile), Verdict::NoAnswer, "{check:?}");
        assert!(check.finding.tenant_name.is_none() && check.finding.fresh_roles.is_empty() && check.finding.application.seen().is_none());
    }

    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage.later();
    stage.control.fault(Fault::new(FaultAt::Part, foreign()).on_path("/organization").times(1)).unwrap();
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired, "with another token than the cached one");
    assert_eq!((stage.tokens(), stage.batches()), (2, 3));
}

#[tokio::test]
async fn entries_of_another_app_are_no_evidence_where_the_owner_is_unknown() {
    let graph = ResourceId::GRAPH;
    let mail = profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required)]);
    let stage = Stage::new();
    stage.grant(READER);
    stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(vec![PermissionSet::graph(&[], &["User.Read"])]) });
    let of_mail = format!("servicePrincipals(appId='{MAIL}')");
    stage.control.fault(Fault::new(FaultAt::Part, status(429)).on_path(&of_mail).times(1)).unwrap();
    let url = format!("{{graph}}/v1.0/servicePrincipals(appId='{READER}')/appRoleAssignments");
    stage.fault_on_part(&format!("{of_mail}/appRoleAssignments"), Effect::NextLink { url });
    let check = stage.check(&mail, READER, &secret(READER_SECRET)).await;
    assert_eq!(check.finding.application, Visible::Partly(Vec::new()));
    assert_eq!(verdict(&check, &mail), Verdict::NoAnswer);
    assert_eq!(stage.control.count(Kind::Graph), 0, "the reader's list is not the mail app's next page");
}

#[tokio::test]
async fn a_refused_graph_token_is_replaced_once() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.control.fault(Fault::new(FaultAt::Batch, status(401)).times(1)).unwrap();
    assert_eq!(verdict(&stage.reader().await, &reader_profile()), Verdict::AllRequired);
    assert_eq!((stage.tokens(), stage.batches()), (2, 2));

    let stage = Stage::new();
    stage.grant(READER);
    stage.fault(FaultAt::Batch, status(401));
    let check = stage.apple().await;
    assert_eq!(verdict(&check, &apple_profile()), Verdict::NoAnswer);
    assert_eq!((stage.tokens(), stage.batches()), (2, 2), "and not a third time");
}

#[tokio::test]
async fn a_refused_token_is_not_asked_for_twice_in_one_look() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage.later();
    stage.change(Change::Delete { tenant: TENANT, app: READER });
    stage.fault(FaultAt::Batch, status(401));
    let check = stage.reader().await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::NotGranted));
    assert_eq!(verdict(&check, &reader_profile()), Verdict::NothingSeen);
    assert_eq!((stage.tokens(), stage.batches()), (2, 2));
}

#[tokio::test]
async fn a_caller_graph_does_not_know_yet_is_not_granted_yet() {
    let unknown = Effect::Status { status: 401, code: Some("Authorization_IdentityNotFound".into()), retry_after: None };
    let stage = Stage::new();
    stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(Vec::new()) });
    stage.fault(FaultAt::Batch, unknown.clone());
    let check = stage.mail().await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::NotGranted));
    assert_eq!(verdict(&check, &mail_profile()), Verdict::NothingSeen);

    stage.grant(READER);
    assert_eq!(stage.apple().await.finding.obstacle, Some(Obstacle::VerifierNotGranted));
}

#[tokio::test]
async fn a_throttled_part_sets_the_wait() {
    for (header, seconds) in [
        (RetryAfter::Seconds(40), Some(40)),
        (RetryAfter::Text("0".into()), Some(1)),
        (RetryAfter::Text("99999999999".into()), Some(3600)),
        (RetryAfter::Text("abc".into()), None),
        (RetryAfter::Text("Wed, 21 Oct 2015 07:28:00 GMT".into()), Some(1)),
        (RetryAfter::Date { date_in: 50 }, Some(50)),
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.fault_on_part(ASSIGNMENTS, Effect::Status { status: 429, code: None, retry_after: Some(header.clone()) });
        let check = stage.apple().await;
        assert_eq!(check.retry_after, seconds.map(Duration::from_secs), "{header:?}");
    }
}

#[tokio::test]
async fn an_optional_parts_wait_delays_nothing() {
    let (graph, exchange) = (ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE);
    let on = |need| profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required), (exchange, Application, "Mail.Read", need)]);
    let busy = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(3600)) };
    let of_exchange = format!("servicePrincipals(appId='{exchange}')");
    for (path, need, waits) in [
        ("/organization", Need::Required, false),
        (&of_exchange, Need::Optional, false),
        (&of_exchange, Need::Forbidden, false),
        (&of_exchange, Need::Required, true),
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.fault_on_part(path, busy.clone());
        let check = stage.check(&on(need), READER, &secret(READER_SECRET)).await;
        assert_eq!(check.retry_after.is_some(), waits, "{path} {need:?}");
        stage.later();
        assert_eq!(stage.check(&on(need), READER, &secret(READER_SECRET)).await.fresh, !waits, "{path} {need:?}");
    }
}

#[tokio::test]
async fn a_hostile_tenant_name_is_made_fit_to_show() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.change(Change::RenameTenant { tenant: TENANT, name: "<script>\u{1b}[31m\u{202e}evil\u{0}</script>".into() });
    let name = stage.reader().await.finding.tenant_name.clone().unwrap();
    assert_eq!(name.as_str(), "<script>\u{fffd}[31m\u{fffd}evil\u{fffd}</script>");
}

#[tokio::test]
async fn a_look_ends_with_its_budget_and_keeps_what_it_saw() {
    let stage = Stage::new();
    stage.grant(MAIL);
    stage.grant(READER);
    stage.fault(FaultAt::Batch, Effect::Slow { millis: 20_000 });
    let budget = Duration::from_millis(400);
    let mail = stage.check_within(&mail_profile(), MAIL, &secret(demo::APP_SECRET), budget).await;
    assert_eq!(verdict(&mail, &mail_profile()), Verdict::AllRequired, "the roles had come");
    let reader = stage.check_within(&reader_profile(), READER, &secret(READER_SECRET), budget).await;
    assert_eq!(reader.finding.obstacle, Some(Obstacle::NoAnswer));
    assert_eq!(verdict(&reader, &reader_profile()), Verdict::NoAnswer);
    assert_eq!(reader.finding.assess(&reader_profile()).difference.seen_required, 2);
}
