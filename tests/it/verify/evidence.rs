//! Which answers count as evidence, and which do not.

use entra_consent::consent::finding::{Obstacle, ServicePrincipal, Visible};
use entra_sandbox::Replication;

use super::*;
use crate::support::same_id;

#[tokio::test]
async fn a_grant_is_seen_by_roles_alone_where_the_app_may_read_nothing() {
    let stage = Stage::new();
    stage.grant(MAIL);
    let check = stage.mail().await;
    assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired);
    assert_eq!(check.finding.application, Visible::NotVisible);
    assert_eq!(check.finding.service_principal, Visible::Seen(ServicePrincipal { enabled: None }));
    assert_eq!(check.finding.tenant_name.as_ref().unwrap().as_str(), "Contoso Ltd");
    assert_eq!(check.upstream.iter().map(|call| call.kind.name()).collect::<Vec<_>>(), ["token", "batch"]);
    assert!(check.upstream.iter().all(|call| call.status == Some(200)));
}

#[tokio::test]
async fn a_grant_is_seen_by_graph_with_its_delegated_half() {
    let stage = Stage::new();
    stage.grant(READER);
    let check = stage.reader().await;
    assert_eq!(verdict(&check, &reader_profile()), Verdict::AllRequired, "{check:?}");
    assert_eq!(check.finding.service_principal, Visible::Seen(ServicePrincipal { enabled: Some(true) }));
    assert_eq!(check.finding.obstacle, None);
    assert_eq!(check.finding.open_request, Visible::NotAsked);
}

#[tokio::test]
async fn an_unapproved_app_is_not_granted() {
    let stage = Stage::new();
    let check = stage.mail().await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::NotGranted));
    assert_eq!(check.finding.code.unwrap().to_string(), "AADSTS7000229");
    assert_eq!(verdict(&check, &mail_profile()), Verdict::NothingSeen);
    assert!(missing(&check.finding, &mail_profile()).is_empty(), "nothing is reported as missing without a visible approval");
    assert!(check.trace_id.is_some() && check.correlation_id.is_some());
    assert_eq!(stage.batches(), 0, "no call to Graph without a token");
}

#[tokio::test]
async fn an_early_role_less_token_is_thrown_away_and_the_next_look_mints_again() {
    let stage = Stage::new();
    stage.change(Change::SetReplication {
        tenant: TENANT,
        replication: Replication { service_principal: 0, roles: 20, graph: 20, flapping: 0 },
    });
    stage.grant(MAIL);
    let early = stage.mail().await;
    assert_ne!(verdict(&early, &mail_profile()), Verdict::AllRequired);
    stage.later();
    let late = stage.mail().await;
    assert_eq!(verdict(&late, &mail_profile()), Verdict::AllRequired);
    assert_eq!(stage.tokens(), 2);
}

#[tokio::test]
async fn a_revoked_grant_is_never_taken_for_one_within_the_minute() {
    for app in [MAIL, READER] {
        let stage = Stage::new();
        stage.grant(app);
        let check = async |stage: &Stage| if app == MAIL { stage.mail().await } else { stage.reader().await };
        let profile = if app == MAIL { mail_profile() } else { reader_profile() };
        assert_eq!(verdict(&check(&stage).await, &profile), Verdict::AllRequired);
        stage.change(Change::Revoke { tenant: TENANT, app });
        stage.later();
        let after = check(&stage).await;
        assert!(after.fresh);
        assert!(!matches!(verdict(&after, &profile), Verdict::AllRequired | Verdict::Excess | Verdict::SomeRequired), "{after:?}");
    }
}

#[tokio::test]
async fn roles_of_a_cached_token_are_no_evidence() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage.later();
    let again = stage.reader().await;
    assert_eq!(stage.tokens(), 1, "the cached token carried the calls");
    assert!(again.finding.fresh_roles.is_empty());
    assert_eq!(verdict(&again, &reader_profile()), Verdict::AllRequired);
}

#[tokio::test]
async fn a_deleted_app_is_seen_to_be_gone_though_a_cached_token_lives_on() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.reader().await;
    stage.change(Change::Delete { tenant: TENANT, app: READER });
    stage.later();
    let check = stage.reader().await;
    assert_eq!(verdict(&check, &reader_profile()), Verdict::NothingSeen, "{check:?}");
    assert_eq!(check.finding.service_principal, Visible::Absent);
}

#[tokio::test]
async fn a_disabled_app_is_disabled_by_token_and_by_graph() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.change(Change::Disable { tenant: TENANT, app: READER });
    let by_token = stage.reader().await;
    assert_eq!(by_token.finding.obstacle, Some(Obstacle::Disabled));
    assert_eq!(verdict(&by_token, &reader_profile()), Verdict::Disabled);

    stage.grant(APPLE);
    stage.change(Change::Enable { tenant: TENANT, app: READER });
    stage.change(Change::Disable { tenant: TENANT, app: APPLE });
    let by_graph = stage.apple().await;
    assert_eq!(verdict(&by_graph, &apple_profile()), Verdict::Disabled);
}

#[tokio::test]
async fn complete_lists_are_no_grant_without_the_service_principal() {
    let status = |status| Effect::Status { status, code: None, retry_after: None };
    for (effect, expected) in [
        (status(429), Verdict::NoAnswer),
        (Effect::Omit, Verdict::NoAnswer),
        (status(404), Verdict::NoAnswer),
        (status(403), Verdict::Unseen),
    ] {
        let stage = Stage::new();
        stage.grant(READER);
        stage.grant(APPLE);
        stage.change(Change::Disable { tenant: TENANT, app: APPLE });
        stage
            .control
            .fault(Fault::new(FaultAt::Part, effect.clone()).on_path(&format!("servicePrincipals(appId='{APPLE}')")).times(1))
            .unwrap();
        let check = stage.apple().await;
        assert_eq!(verdict(&check, &apple_profile()), expected, "{effect:?}: {check:?}");
        stage.later();
        assert_eq!(verdict(&stage.apple().await, &apple_profile()), Verdict::Disabled, "{effect:?}");
    }
}

#[tokio::test]
async fn a_token_of_the_app_itself_shows_its_service_principal_where_graph_does_not() {
    for code in [403, 404, 429] {
        let stage = Stage::new();
        stage.grant(MAIL);
        let effect = Effect::Status { status: code, code: None, retry_after: None };
        // The fault matches the service principal's own part first, before the parts below its path.
        let path = format!("servicePrincipals(appId='{MAIL}')");
        stage.control.fault(Fault::new(FaultAt::Part, effect).on_path(&path).times(1)).unwrap();
        let check = stage.mail().await;
        assert_eq!(check.finding.service_principal, Visible::Seen(ServicePrincipal { enabled: None }), "{code}");
        assert_eq!(verdict(&check, &mail_profile()), Verdict::AllRequired, "{code}");
    }
}

#[tokio::test]
async fn a_token_refused_at_last_takes_back_the_roles_of_the_first() {
    for (code, expected) in
        [(7_000_229, Verdict::NoAnswer), (700_016, Verdict::NoAnswer), (7_000_112, Verdict::Disabled), (90_033, Verdict::NoAnswer)]
    {
        let stage = Stage::new();
        stage.grant(MAIL);
        stage.fault(FaultAt::Batch, Effect::Status { status: 401, code: None, retry_after: None });
        let refused = Effect::Aadsts { code, status: None, error: None, granted: false };
        stage.control.fault(Fault::new(FaultAt::Token, refused).after(1)).unwrap();
        let check = stage.mail().await;
        assert_eq!(verdict(&check, &mail_profile()), expected, "{code}: {check:?}");
        assert!(check.finding.fresh_roles.is_empty(), "{code}");
        assert_eq!(stage.tokens(), 2);
    }
}

#[tokio::test]
async fn a_grant_in_part_names_what_is_missing() {
    let stage = Stage::new();
    stage.grant(READER);
    stage.change(Change::Reduce { tenant: TENANT, app: READER, permissions: vec![PermissionSet::graph(&["Mail.Read"], &[])] });
    let check = stage.reader().await;
    assert_eq!(verdict(&check, &reader_profile()), Verdict::SomeRequired);
    assert_eq!(missing(&check.finding, &reader_profile()), ["Microsoft Graph / Mail.Read (application)"]);
}

#[tokio::test]
async fn excess_permissions_are_named_on_any_resource() {
    let stage = Stage::new();
    stage.grant(READER);
    let more = vec![
        PermissionSet::graph(&["Mail.ReadWrite"], &["Mail.Send"]),
        PermissionSet::of(entra_sandbox::ResourceId::EXCHANGE_ONLINE, &["full_access_as_app"], &[]),
    ];
    stage.change(Change::Enlarge { tenant: TENANT, app: READER, permissions: more });
    let check = stage.reader().await;
    let assessment = check.finding.assess(&reader_profile());
    assert_eq!(assessment.verdict, Verdict::Excess);
    let unexpected: Vec<_> = assessment.difference.unexpected.iter().map(ToString::to_string).collect();
    assert!(unexpected.contains(&"Microsoft Graph / Mail.ReadWrite (application)".to_owned()), "{unexpected:?}");
    assert!(unexpected.contains(&"Microsoft Graph / Mail.Send (delegated)".to_owned()), "{unexpected:?}");
    assert!(unexpected.iter().any(|line| line.starts_with("Office 365 Exchange Online / ")), "{unexpected:?}");
}

#[tokio::test]
async fn another_companys_app_is_seen_by_a_verifier() {
    let stage = Stage::new();
    stage.grant(READER);
    assert_eq!(verdict(&stage.apple().await, &apple_profile()), Verdict::NothingSeen);
    stage.grant(APPLE);
    stage.later();
    let check = stage.apple().await;
    assert_eq!(verdict(&check, &apple_profile()), Verdict::AllRequired, "{check:?}");
    assert!(check.finding.fresh_roles.is_empty(), "the verifier's roles are not Apple's");
    assert_eq!(stage.tokens(), 1, "later checks reuse the verifier's token");
}

#[tokio::test]
async fn roles_of_the_verifier_prove_nothing_about_another_app() {
    let stage = Stage::new();
    stage.grant(READER);
    let graph = ResourceId::GRAPH;
    let wants_what_the_reader_has = profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required)]);
    let check = stage.check(&wants_what_the_reader_has, READER, &secret(READER_SECRET)).await;
    assert_eq!(verdict(&check, &wants_what_the_reader_has), Verdict::NothingSeen);
}

#[tokio::test]
async fn without_an_approved_verifier_no_check_is_possible() {
    let stage = Stage::new();
    stage.grant(APPLE);
    let check = stage.apple().await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::VerifierNotGranted));
    assert_eq!(verdict(&check, &apple_profile()), Verdict::NoVerifier);
}

#[tokio::test]
async fn one_users_own_consent_is_not_the_tenants() {
    let stage = Stage::new();
    stage.grant(READER);
    let user = stage.control.user(TENANT, entra_sandbox::UserRole::User).unwrap();
    let permissions = vec![
        PermissionSet::graph(&[], &["User.Read"]),
        PermissionSet::of(entra_sandbox::ResourceId::EXCHANGE_ONLINE, &[], &["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"]),
    ];
    stage.change(Change::UserConsent { tenant: TENANT, app: APPLE, user, permissions });
    let check = stage.apple().await;
    assert_eq!(check.finding.delegated, Visible::Seen(Vec::new()));
    assert_eq!(verdict(&check, &apple_profile()), Verdict::NothingSeen);
}

#[tokio::test]
async fn an_app_with_nothing_but_a_service_principal_is_role_less_and_not_granted() {
    let stage = Stage::new();
    stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(Vec::new()) });
    let check = stage.mail().await;
    assert_eq!(check.finding.fresh_roles.get(&ResourceId::GRAPH).map(|roles| roles.len()), Some(0));
    assert_eq!(verdict(&check, &mail_profile()), Verdict::NothingSeen);
}

#[tokio::test]
async fn an_open_request_for_the_app_is_seen_where_the_verifier_may_see_requests() {
    let mut scenario = Scenario::demo("http://127.0.0.1:8080/callback");
    let mut reader = reader();
    reader.permissions = vec![PermissionSet::graph(&["Directory.Read.All", "ConsentRequest.Read.All"], &[])];
    scenario.apps.push(reader);
    let stage = Stage::playing(scenario);
    stage.grant(READER);
    assert_eq!(stage.check(&mail_profile(), READER, &secret(READER_SECRET)).await.finding.open_request, Visible::Seen(false));

    let user = stage.control.user(TENANT, entra_sandbox::UserRole::User).unwrap().to_string();
    let scope = format!("{}/.default", stage.sandbox.url());
    let mut link: url::Url = format!("{}/{TENANT}/v2.0/adminconsent", stage.sandbox.url()).parse().unwrap();
    link.query_pairs_mut()
        .append_pair("client_id", &MAIL.to_string())
        .append_pair("redirect_uri", "http://127.0.0.1:8080/callback")
        .append_pair("scope", &scope);
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let answer = browser.post(link).form(&[("user", user.as_str()), ("do", "request")]).send().await.unwrap();
    assert_eq!(stage.control.app_state(TENANT, MAIL).unwrap().open_requests, 1, "{}", answer.text().await.unwrap());

    stage.later();
    let check = stage.check(&mail_profile(), READER, &secret(READER_SECRET)).await;
    assert_eq!(check.finding.open_request, Visible::Seen(true));
    assert_eq!(verdict(&check, &mail_profile()), Verdict::RequestOpen);
}

#[tokio::test]
async fn every_resource_with_required_roles_gets_a_token_of_its_own() {
    let exchange = ResourceId::EXCHANGE_ONLINE;
    let stage = Stage::new();
    let both = profile(
        MAIL,
        "mail",
        &[(ResourceId::GRAPH, Application, "Mail.Read", Need::Required), (exchange, Application, "full_access_as_app", Need::Required)],
    );
    let permissions = vec![PermissionSet::graph(&["Mail.Read"], &[]), PermissionSet::of(same_id(exchange), &["full_access_as_app"], &[])];
    stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(permissions.clone()) });
    let check = stage.check(&both, MAIL, &secret(demo::APP_SECRET)).await;
    assert_eq!(verdict(&check, &both), Verdict::AllRequired, "{check:?}");
    assert_eq!(stage.tokens(), 2);

    stage.change(Change::SetResource { tenant: TENANT, resource: same_id(exchange), present: false });
    stage.later();
    let check = stage.check(&both, MAIL, &secret(demo::APP_SECRET)).await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::ResourceMissing(Some(exchange))), "{check:?}");
    assert_eq!(verdict(&check, &both), Verdict::ResourceMissing);
}

#[tokio::test]
async fn a_second_resources_token_that_did_not_come_leaves_its_roles_open() {
    let exchange = ResourceId::EXCHANGE_ONLINE;
    let stage = Stage::new();
    let both = profile(
        MAIL,
        "mail",
        &[(ResourceId::GRAPH, Application, "Mail.Read", Need::Required), (exchange, Application, "full_access_as_app", Need::Required)],
    );
    stage.change(Change::Grant { tenant: TENANT, app: MAIL, permissions: Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]) });
    // The token requests for Graph and Exchange run concurrently on two connections, so the fault hits one of them.
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Html { status: 502 }).times(1)).unwrap();
    let check = stage.check(&both, MAIL, &secret(demo::APP_SECRET)).await;
    assert_eq!(verdict(&check, &both), Verdict::NoAnswer, "{check:?}");
}
