//! The complete path over real HTTP: an administrator at the simulated Microsoft, the function, the page, the records. There is one test
//! for each outcome, and one for each thing that must never happen.

use entra_consent::approval::admission;
use entra_consent::consent::{ExpectedTenant, Query};
use entra_sandbox::{
    Change, ClientSecret, Effect, Fault, FaultAt, Kind, PermissionSet, Replication, ResourceId, ReviewDecision, TenantId, UserRole, demo,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::support::northwind::{APP_SECRET, BY_READER, DIRECTORY_AND_REQUESTS, KEY, USUAL, mail_backup, reader};
use super::support::stage::{Options, Page, READER, SIGN_IN, Stage, ticket_of};
use crate::support::same_id;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A check is cached for 30 s. This is 1 s more.
const NEXT_CHECK: u64 = 31;

fn outcomes(records: &[Value]) -> Vec<(String, Value, Value)> {
    records
        .iter()
        .map(|record| {
            (record["event"].as_str().unwrap().to_owned(), record["outcome"]["before"].clone(), record["outcome"]["after"].clone())
        })
        .collect()
}

#[tokio::test]
async fn granted_after_accept_is_verified_recorded_and_said() {
    let stage = Stage::new().await;
    let link = stage.link(demo::CONTOSO).await;
    let page = stage.administrator(&link, demo::CONTOSO, "accept").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "granted"));
    assert!(page.text().contains("You can close this page. Northwind Managed Services can see this in its records."), "{}", page.text());
    assert_eq!(stage.json(&page.url).await["operator_informed"], false, "there is neither a bus nor a webhook");
    assert!(page.text().contains("The first copy starts tonight."));
    assert!(!page.text().contains("Contoso"), "a direct link is not bound to a browser, so the organisation is not named");

    let records = stage.records();
    assert_eq!(outcomes(&records), [("claimed".into(), Value::Null, Value::Null), ("concluded".into(), Value::Null, json!("granted"))]);
    let (claimed, concluded) = (&records[0], &records[1]);
    assert_eq!(claimed["request"], concluded["request"]);
    assert_eq!(claimed["claim"], json!({ "kind": "success" }));
    assert_eq!(concluded["tenant"], demo::CONTOSO.to_string());
    assert_eq!(concluded["label"], "Contoso GmbH");
    assert_eq!(concluded["reference"], "T-4711");
    assert_eq!(concluded["binding"], "none");
    assert_eq!(concluded["finding"]["verdict"], "all_required");
    assert_eq!(concluded["ip"], "127.0.0.0/24");
    assert_eq!(
        (stage.control.count(Kind::Token), stage.control.count(Kind::Batch)),
        (1, 1),
        "two round trips, and the receipt reuses the check"
    );
}

#[tokio::test]
async fn every_visit_can_be_repeated_with_the_same_result() {
    let stage = Stage::new().await;
    let link = stage.link(demo::CONTOSO).await;
    let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    let callback = answer.headers()["location"].to_str().unwrap().to_owned();
    for _ in 0..10 {
        assert_eq!(stage.open(&callback).await.outcome(), "granted");
    }
    assert_eq!(stage.control.count(Kind::Token), 1, "one check of a tenant and app in 30 s");
    let transitions: Vec<_> = stage.records().iter().filter_map(|record| record["transition"].as_str().map(String::from)).collect();
    assert_eq!(transitions.len(), 10);
    assert!(transitions.iter().all(|id| *id == transitions[0]), "a repeated visit repeats the transition's id");
}

#[tokio::test]
async fn a_success_that_microsoft_does_not_show_is_pending_and_after_a_day_not_found() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::ACCEPTED, "pending"));
    assert_eq!(page.header("refresh"), Some("15"));
    assert!(!page.text().contains("has been informed"));
    stage.advance(DAY);
    let page = stage.open(&page.url).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "not_found"));
    assert_eq!(page.header("refresh"), None);
    assert_eq!(outcomes(&stage.records()).pop().unwrap(), ("concluded".into(), json!("pending"), json!("not_found")));
}

#[tokio::test]
async fn a_pending_page_looks_again_less_and_less_often_and_can_be_stopped() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let receipt = page.url;
    for seconds in [Some("15"), Some("15"), Some("20"), Some("40"), Some("60"), None] {
        for (query, reloads) in [("", true), ("?n=1", true), ("?x=%00", true), ("?reload=off", false)] {
            let page = stage.get(&format!("{receipt}{query}")).await;
            assert_eq!(page.header("refresh"), seconds.filter(|_| reloads), "{query}");
            assert_eq!(page.outcome(), "pending");
        }
        stage.advance(seconds.map_or(0, |seconds| seconds.parse().unwrap()));
    }
}

#[tokio::test]
async fn a_page_that_waits_for_a_person_does_not_reload() {
    let stage = Stage::new().await;
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Aadsts { code: 7_000_215, status: None, error: None, granted: false })).unwrap();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.outcome().as_str(), page.header("refresh")), ("operator_fault", None));
    assert!(page.body.contains("href=\"?\""), "{}", page.body);
}

#[tokio::test]
async fn an_approval_that_replicates_slowly_is_found_by_looking_again() {
    let stage = Stage::new().await;
    stage.change(Change::SetReplication {
        tenant: demo::CONTOSO,
        replication: Replication { service_principal: 5, roles: 60, graph: 60, flapping: 0 },
    });
    let link = stage.link(demo::CONTOSO).await;
    let page = stage.administrator(&link, demo::CONTOSO, "accept").await;
    assert_eq!(page.outcome(), "pending");
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert_eq!(page.outcome(), "pending", "a role-less early token proves nothing");
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert_eq!(page.outcome(), "granted", "the role-less token was not kept");
    assert_eq!(outcomes(&stage.records()).pop().unwrap(), ("concluded".into(), json!("pending"), json!("granted")));
}

#[tokio::test]
async fn a_cancel_is_declined_and_an_approval_by_another_way_is_noticed() {
    let stage = Stage::new().await;
    let link = stage.link(demo::CONTOSO).await;
    let page = stage.administrator(&link, demo::CONTOSO, "cancel").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "declined"));
    let record = stage.last_record();
    assert_eq!((&record["claim"]["class"], &record["claim"]["aadsts"]), (&json!("declined"), &json!(65004)));
    assert!(record["claim"]["trace_id"].is_string() && record["claim"]["correlation_id"].is_string());
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
}

#[tokio::test]
async fn an_error_claim_never_takes_a_verified_approval_away() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    for error in [
        "error=access_denied&error_subcode=cancel",
        "error=server_error",
        "error=access_denied&error_description=AADSTS650051%3a+x&admin_consent=True",
    ] {
        assert_eq!(stage.claim(&ticket, error).await.outcome(), "granted", "{error}");
    }
}

#[tokio::test]
async fn each_class_of_error_claim_has_its_outcome_when_nothing_is_seen() {
    let stage = Stage::new().await;
    for (code, outcome) in [
        (65004, "declined"),
        (90094, "not_an_admin"),
        (50020, "wrong_account"),
        (500_208, "wrong_account"),
        (53003, "blocked_by_policy"),
        (530_034, "blocked_by_policy"),
        (5_000_225, "blocked_by_policy"),
        (50076, "blocked_by_policy"),
        (650_053, "app_misconfigured"),
        (65006, "app_misconfigured"),
        (50049, "app_misconfigured"),
        (90090, "unknown"),
        (1, "unknown"),
        (4_000_000_000_u32, "unknown"),
    ] {
        let ticket = stage.ticket(demo::CONTOSO).await;
        let page = stage.claim(&ticket, &format!("error=access_denied&error_description=AADSTS{code}%3a+x&admin_consent=True")).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, outcome), "{code}");
        assert!(page.text().contains(&format!("AADSTS{code}")), "{}", page.text());
    }
}

#[tokio::test]
async fn a_wrong_tenants_administrator_leaves_the_link_usable() {
    let stage = Stage::new().await;
    let link = stage.link(demo::CONTOSO).await;
    let answer = stage.decide(&link, demo::FABRIKAM, UserRole::Administrator, "accept").await;
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!(page.outcome(), "wrong_account");
    stage.advance(1);
    assert_eq!(stage.administrator(&link, demo::CONTOSO, "accept").await.outcome(), "granted");
}

#[tokio::test]
async fn another_tenant_in_the_query_causes_no_call() {
    let stage = Stage::new().await;
    stage.grant(demo::FABRIKAM, demo::APP);
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::FABRIKAM).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::CONFLICT, "wrong_tenant"));
    assert_eq!(stage.control.upstream_calls(), 0);
    let record = stage.last_record();
    assert_eq!((&record["tenant"], &record["returned_tenant"]), (&json!(demo::CONTOSO), &json!(demo::FABRIKAM)));
    for word in [demo::CONTOSO.to_string(), demo::FABRIKAM.to_string(), "Contoso".into(), "Fabrikam".into()] {
        assert!(!page.body.contains(&word), "{word}");
    }
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "wrong_tenant");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_upper_case_tenant_and_a_missing_one_agree_with_the_ticket() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let upper = demo::CONTOSO.to_string().to_uppercase();
    assert_eq!(stage.claim(&ticket, &format!("admin_consent=True&tenant={upper}")).await.outcome(), "granted");
    assert_eq!(stage.claim(&ticket, "admin_consent=True").await.outcome(), "granted");
    assert_eq!(stage.claim(&ticket, "").await.outcome(), "granted");
}

#[tokio::test]
async fn granted_in_part_names_what_is_missing_and_excess_names_what_is_too_much() {
    let stage = Stage::new().await;
    stage.change(Change::Grant {
        tenant: demo::CONTOSO,
        app: demo::APP,
        permissions: Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]),
    });
    let ticket = stage.ticket(demo::CONTOSO).await;
    let page = stage.claim_success(&ticket, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted_in_part");
    assert!(page.text().contains("User.Read.All"), "{}", page.text());
    assert_eq!(stage.last_record()["missing"], json!(["Microsoft Graph / User.Read.All (application)"]));

    stage.change(Change::Enlarge {
        tenant: demo::CONTOSO,
        app: demo::APP,
        permissions: vec![PermissionSet::graph(&["User.Read.All", "Mail.ReadWrite", "Sites.Read.All"], &[])],
    });
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert_eq!(page.outcome(), "granted_in_excess");
    let record = stage.last_record();
    assert_eq!(record["forbidden"], json!(["Microsoft Graph / Mail.ReadWrite (application)"]));
    assert_eq!(record["unexpected"], json!(["Microsoft Graph / Sites.Read.All (application)"]));
}

#[tokio::test]
async fn permissions_that_we_may_not_see_are_called_unseen_and_never_granted() {
    let stage = Stage::new().await;
    let link = stage.link_for("sign-in", ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let page = stage.administrator(&link, demo::CONTOSO, "accept").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "granted_unseen"));
    assert!(page.text().contains("Mail.Send") && page.text().contains("Directory.Read.All"), "{}", page.text());
    assert_eq!(stage.last_record()["finding"]["delegated"], "not_visible");
}

#[tokio::test]
async fn a_disabled_app_is_said_to_be_disabled_and_a_deleted_one_is_not_there() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.change(Change::Disable { tenant: demo::CONTOSO, app: demo::APP });
    let ticket = stage.ticket(demo::CONTOSO).await;
    let page = stage.claim_success(&ticket, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "disabled"));
    assert!(page.text().contains("AADSTS7000112"), "{}", page.text());
    stage.change(Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "pending");
}

#[tokio::test]
async fn a_revoked_approval_is_never_granted_again_not_even_within_the_life_of_a_token() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    stage.change(Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "pending", "within the minute");
    stage.advance(20 * 60);
    assert_eq!(stage.open(&page.url).await.outcome(), "revoked");
}

#[tokio::test]
async fn a_reduced_and_an_enlarged_approval_have_own_outcomes() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.change(Change::Reduce { tenant: demo::CONTOSO, app: demo::APP, permissions: vec![PermissionSet::graph(&["Mail.Read"], &[])] });
    stage.advance(20 * 60);
    assert_eq!(stage.open(&page.url).await.outcome(), "reduced");
    stage.change(Change::Enlarge {
        tenant: demo::CONTOSO,
        app: demo::APP,
        permissions: vec![PermissionSet::graph(&["Mail.Read", "Sites.Read.All"], &[])],
    });
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "enlarged");
}

#[tokio::test]
async fn a_refused_credential_is_our_fault_and_said_so() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let rotated = ClientSecret { value: "another".into(), expires: None };
    stage.change(Change::SetSecrets { app: demo::APP, secrets: vec![rotated] });
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "operator_fault"));
    assert!(page.header("retry-after").is_some());
    let finding = &stage.last_record()["finding"];
    assert_eq!(finding["aadsts"], 7_000_215);
    assert!(finding["trace_id"].is_string() && finding["correlation_id"].is_string(), "the IDs that Microsoft's support needs");
}

#[tokio::test]
async fn an_unknown_tenant_is_not_found_and_a_deleted_one_is_gone() {
    let stage = Stage::new().await;
    let nobody = TenantId::from_u128(0xdead_beef);
    assert_eq!(stage.claim_success(&stage.ticket(nobody).await, nobody).await.outcome(), "tenant_not_found");
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.change(Change::RemoveTenant { tenant: demo::CONTOSO });
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "tenant_gone");
}

#[tokio::test]
async fn a_missing_resource_is_named() {
    let apps = r#"
[[apps]]
id = "mail-backup"
client_id = "0a1b0000-0000-4000-8000-0000000000a1"
name = "Northwind Mail Backup"
cloud = "sandbox"
credential = { client_secret = { env = "APP_SECRET" } }
[apps.permissions."Office 365 Exchange Online"]
application = { required = ["full_access_as_app"] }
"#;
    let stage = Stage::with(Options { apps: Some(apps.into()), ..Options::default() }).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.change(Change::SetResource { tenant: demo::CONTOSO, resource: ResourceId::EXCHANGE_ONLINE, present: false });
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "app_misconfigured");
    assert!(page.text().contains("Office 365 Exchange Online"), "{}", page.text());
}

#[tokio::test]
async fn a_policy_that_blocks_the_check_is_not_an_absence() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Aadsts { code: 53003, status: None, error: None, granted: false })).unwrap();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "blocked_by_policy");
}

#[tokio::test]
async fn a_directory_blocked_for_inactivity_is_looked_at_again() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let blocked = Effect::Aadsts { code: 5_000_225, status: None, error: None, granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, blocked)).unwrap();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::OK, "blocked_by_policy"));
    let text = page.text();
    assert!(text.contains("AADSTS5000225") && text.contains("Ask Microsoft support") && !text.contains("Conditional Access"), "{text}");
    // This is past the 20 minutes after which other refusals are final.
    stage.advance(2 * 60 * 60);
    assert_eq!(stage.open(&page.url).await.outcome(), "blocked_by_policy");
    stage.control.clear_faults();
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "granted");
}

#[tokio::test]
async fn an_unknown_refusal_of_the_check_leaves_it_open() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let effect = Effect::Aadsts { code: 123_456_789, status: Some(400), error: Some("invalid_client".into()), granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, effect)).unwrap();
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "unavailable");
}

#[tokio::test]
async fn microsoft_out_of_reach_leaves_the_claim_recorded_and_nothing_called_missing() {
    for at in [FaultAt::Token, FaultAt::Batch] {
        for effect in [
            Effect::Reset,
            Effect::Html { status: 502 },
            Effect::Null,
            Effect::Empty,
            Effect::Malformed,
            Effect::ByteOrderMark,
            Effect::DuplicateMembers,
            Effect::Huge { megabytes: 50 },
            Effect::Redirect { to: "http://169.254.169.254/".into(), status: 302 },
            Effect::Status { status: 503, code: None, retry_after: None },
        ] {
            let stage = Stage::new().await;
            // These are delegated permissions, so a token cannot replace Graph's missing answer.
            stage.grant(demo::CONTOSO, SIGN_IN);
            stage.control.fault(Fault::new(at, effect.clone())).unwrap();
            let ticket = ticket_of(&stage.link_for("sign-in", ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await);
            let page = stage.claim_success(&ticket, demo::CONTOSO).await;
            assert_eq!((page.status, page.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "{at:?} {effect:?}");
            let records = stage.records();
            assert_eq!(records[0]["event"], "claimed");
            assert_eq!(records[1].get("missing"), None, "{at:?} {effect:?}");
        }
    }
}

#[tokio::test]
async fn roles_of_a_token_minted_now_suffice_when_graph_is_silent() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.control.fault(Fault::new(FaultAt::Batch, Effect::Reset)).unwrap();
    assert_eq!(stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await.outcome(), "granted");
}

fn verified_by_reader() -> Options {
    let permissions = USUAL.replace("optional", "required");
    let apps = [mail_backup(BY_READER, &permissions), reader(DIRECTORY_AND_REQUESTS)].concat();
    Options { apps: Some(apps), ..Options::default() }
}

#[tokio::test]
async fn a_verifier_sees_delegated_permissions_the_tenants_name_and_open_requests() {
    let stage = Stage::with(verified_by_reader()).await;
    stage.grant(demo::CONTOSO, READER);
    let link = stage.link(demo::CONTOSO).await;
    let answer = stage.decide(&link, demo::CONTOSO, UserRole::User, "request").await;
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::ACCEPTED, "approval_requested"));

    stage.change(Change::Review { tenant: demo::CONTOSO, app: demo::APP, decision: ReviewDecision::Approve });
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert_eq!(page.outcome(), "granted", "an approval in the workflow is noticed without a redirect");
    let record = stage.last_record();
    assert_eq!(record["tenant_name"], json!({ "value": "Contoso Ltd", "source": "graph" }));
    assert_eq!(record["finding"]["delegated"], "seen");
}

#[tokio::test]
async fn a_blocked_request_disables_the_app_and_a_denied_one_leaves_no_trace() {
    for (decision, outcome) in [(ReviewDecision::Block, "disabled"), (ReviewDecision::Deny, "declined")] {
        let stage = Stage::with(verified_by_reader()).await;
        stage.grant(demo::CONTOSO, READER);
        let link = stage.link(demo::CONTOSO).await;
        let answer = stage.decide(&link, demo::CONTOSO, UserRole::User, "request").await;
        let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
        stage.change(Change::Review { tenant: demo::CONTOSO, app: demo::APP, decision });
        stage.advance(NEXT_CHECK);
        assert_eq!(stage.open(&page.url).await.outcome(), outcome, "{decision:?}");
    }
}

#[tokio::test]
async fn a_report_without_a_possible_check_stays_unverified() {
    let stage = Stage::with(verified_by_reader()).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "reported_unverified");
    assert_eq!(stage.claim(&ticket, "error=access_denied&error_subcode=cancel").await.outcome(), "declined");
}

#[tokio::test]
async fn a_link_for_any_tenant_awaits_confirmation_without_a_call() {
    let stage = Stage::new().await;
    let link = stage.link_for("mail-backup", ExpectedTenant::Any).await;
    let page = stage.administrator(&link, demo::FABRIKAM, "accept").await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::ACCEPTED, "awaiting_confirmation"));
    assert_eq!(stage.last_record()["returned_tenant"], demo::FABRIKAM.to_string());
    assert_eq!(stage.control.count(Kind::Token), 0);
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&page.url).await.outcome(), "awaiting_confirmation");
}

#[tokio::test]
async fn a_late_ticket_is_verified_for_a_day_and_then_expired() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.advance(30 * DAY + HOUR);
    assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "granted");
    assert_eq!(stage.last_record()["late"], true);
    stage.advance(DAY);
    let asked = stage.control.upstream_calls();
    let page = stage.claim_success(&ticket, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
    assert_eq!(stage.last_record()["rejection"]["reason"], "link_expired");
    assert_eq!(stage.control.upstream_calls(), asked);
}

#[tokio::test]
async fn a_receipt_ends_after_its_life() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.advance(30 * DAY + HOUR);
    let page = stage.open(&page.url).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
}

#[tokio::test]
async fn a_link_taken_back_is_refused_by_id_and_by_date() {
    let by_date = Options { more: "[links]\nrevoked_before = \"2026-11-21T00:00:00Z\"".into(), ..Options::default() };
    let stage = Stage::with(by_date).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let page = stage.claim_success(&ticket, demo::CONTOSO).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_revoked"));
    assert_eq!(stage.control.upstream_calls(), 0);
    stage.advance(DAY);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
}

/// Every fault of a ticket leads to the same page, byte for byte, one record, and no call to Microsoft.
#[tokio::test]
async fn ten_thousand_invalid_tickets_cause_no_call() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let parts: Vec<&str> = ticket.split('.').collect();
    let mut bodies = std::collections::BTreeSet::new();
    for round in 0..10_000_u32 {
        let state = match round % 8 {
            0 => format!("x{ticket}"),
            1 => format!("{}.{}.{round}", parts[0], parts[1]),
            2 => format!("{}.{round}.{}", parts[0], parts[2]),
            3 => round.to_string(),
            4 => ticket.to_lowercase(),
            5 => format!("state={ticket}"),
            6 => "eyJhbGciOiJub25lIn0.e30.".into(),
            _ => format!("Sign+in+to+your+account{round}{ticket}"),
        };
        let page = stage.get(&format!("{}/callback?admin_consent=True&tenant={}&state={state}", stage.base, demo::CONTOSO)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{state}");
        bodies.insert(page.body);
    }
    assert_eq!(bodies.len(), 1, "every fault gets the same answer");
    assert!(bodies.first().unwrap().contains(r#"data-outcome="link_damaged""#));
    assert_eq!(stage.control.upstream_calls(), 0);
    let records = stage.records();
    assert!(records.len() < 40, "a flood has few records: {}", records.len());
    assert_eq!(stage.installation.records.settle().map_err(|error| error.kind()), Ok(()));
    let told: u64 = stage.records().iter().map(|record| record["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(told, 10_000, "every rejection is counted");
}

#[tokio::test]
async fn no_ticket_and_nothing_at_all_are_unsolicited() {
    let stage = Stage::new().await;
    for query in
        ["admin_consent=True&tenant=b1f7c3de-0000-4000-8000-000000000003", "error=access_denied&error_subcode=cancel", "", "x=y", "state="]
    {
        let page = stage.get(&format!("{}/callback?{query}", stage.base)).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::BAD_REQUEST, "unsolicited"), "{query}");
        assert_eq!(stage.last_record()["outcome"]["after"], "unsolicited");
    }
    // Microsoft's fragment never reaches the server, and the page for an empty request explains this.
    let (nothing, unknown) =
        (stage.get(&format!("{}/callback", stage.base)).await, stage.get(&format!("{}/callback?x=y&z=1", stage.base)).await);
    assert_ne!(nothing.text(), unknown.text());
    assert_eq!(stage.last_record()["rejection"]["unknown_parameters"], 2);
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_malformed_callback_is_refused_before_its_ticket_is_opened() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    for (query, reason) in [
        ("admin_consent=True&tenant=t-1".to_owned(), "tenant_not_a_guid"),
        (format!("tenant={0}&tenant={0}", demo::CONTOSO), "duplicate_parameter"),
        (format!("error={}", "x".repeat(129)), "parameter_too_long"),
        ("a".repeat(17_000), "too_large"),
    ] {
        let page = stage.claim(&ticket, &query).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::BAD_REQUEST, "link_damaged"), "{reason}");
        assert_eq!(stage.last_record()["rejection"]["reason"], reason);
    }
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_unreadable_key_secret_is_answered_503_and_recorded() {
    for variable in ["NOWHERE", "APP_SECRET"] {
        let stage = Stage::with(Options { key_variable: Some(variable), ..Options::default() }).await;
        for path in ["/callback?admin_consent=True&state=x.y.z", "/r/x.y.z"] {
            let page = stage.get(&format!("{}{path}", stage.base)).await;
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(page.header("retry-after").is_some());
            assert_eq!(stage.last_record()["rejection"]["reason"], "keys_unavailable");
        }
        assert_eq!(stage.control.upstream_calls(), 0);
    }
}

#[tokio::test]
async fn signing_what_a_request_leads_to_reads_no_secret() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static READ: AtomicUsize = AtomicUsize::new(0);
    let stage = Stage::new().await;
    let time = stage.clock.clone();
    let dependencies = entra_consent::installation::Dependencies {
        roots: entra_consent::env::Roots::Embedded,
        clock: entra_consent::env::Clock::new(move || time.now()),
        rng: entra_consent::env::Rng::system(),
        sink: entra_consent::record::Sink::new(|_| Ok(())),
        environment: |_| {
            READ.fetch_add(1, Ordering::Relaxed);
            Some(KEY.into())
        },
        outbox: None,
        aws: None,
    };
    let installation = entra_consent::installation::Installation::new(stage.installation.config.clone(), dependencies);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let token = page.url.rsplit('/').next().unwrap();
    let (receipt, _) = admission::open(&installation, token, entra_consent::token::receipt::open).await.unwrap().0.unwrap();
    // As if the check were so slow that the key secret, which this request has already read, is due for another read.
    stage.advance(11 * 60);
    assert!(installation.receipt_address("r", &receipt).await.is_some());
    assert_eq!(READ.load(Ordering::Relaxed), 1, "a slow key read would keep the browser waiting");
    installation.keys().await.unwrap();
    assert_eq!(READ.load(Ordering::Relaxed), 2, "the next request reads it");
}

#[tokio::test]
async fn probes_of_readiness_read_the_key_at_most_once_a_minute() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    static READ: AtomicUsize = AtomicUsize::new(0);
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    let stage = Stage::new().await;
    let time = stage.clock.clone();
    let dependencies = entra_consent::installation::Dependencies {
        clock: entra_consent::env::Clock::new(move || time.now()),
        sink: entra_consent::record::Sink::new(|_| Ok(())),
        environment: |_| {
            READ.fetch_add(1, Ordering::Relaxed);
            IS_THERE.load(Ordering::Relaxed).then(|| KEY.into())
        },
        ..entra_consent::installation::Dependencies::real(entra_consent::env::Roots::Embedded)
    };
    let installation = entra_consent::installation::Installation::new(stage.installation.config.clone(), dependencies);
    // A probe a second, and the answer of the last one.
    let probe = async |seconds: u64| {
        let mut status = StatusCode::OK;
        for _ in 0..seconds {
            let request = entra_consent::web::Request {
                method: reqwest::Method::GET,
                path: "/health/ready".to_owned(),
                query: entra_consent::consent::Query::parse(b""),
                headers: Default::default(),
                body: Default::default(),
                source: None,
                source_from: entra_consent::record::AddressSource::Socket,
                front_door: entra_consent::web::FrontDoor::Local,
            };
            status = entra_consent::web::handle(&installation, request).await.status();
            stage.advance(1);
        }
        (status, READ.load(Ordering::Relaxed))
    };
    assert_eq!(probe(60).await, (StatusCode::SERVICE_UNAVAILABLE, 1));
    assert_eq!(probe(1).await, (StatusCode::SERVICE_UNAVAILABLE, 2));
    IS_THERE.store(true, Ordering::Relaxed);
    assert_eq!(probe(59).await, (StatusCode::SERVICE_UNAVAILABLE, 2));
    assert_eq!(probe(3_600).await, (StatusCode::OK, 3), "then from what the process has");
}

#[tokio::test]
async fn a_form_post_is_read_like_a_query_and_secrets_in_it_go_nowhere() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let form = [
        ("admin_consent", "True"),
        ("code", "0.canary-secret"),
        ("id_token", "canary-secret"),
        ("session_state", "x"),
        ("state", ticket.as_str()),
    ];
    let answer = stage.http.post(format!("{}/callback", stage.base)).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let page = stage.open(answer.headers()["location"].to_str().unwrap()).await;
    assert_eq!(page.outcome(), "granted");
    assert_eq!(stage.last_record()["carried_secret"], true);

    let twice = stage.http.post(format!("{}/callback?state=x", stage.base)).form(&form).send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    let json = stage.http.post(format!("{}/callback", stage.base)).json(&json!({})).send().await.unwrap();
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_program_gets_json_with_the_status_of_the_outcome() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let ask = async |query: &str| {
        let url = format!("{}/callback?{query}", stage.base);
        let answer = stage.http.get(url).header("accept", "application/json").send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["outcome"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask(&format!("admin_consent=True&state={ticket}")).await, (202, "pending".into()));
    assert_eq!(ask(&format!("admin_consent=True&tenant={}&state={ticket}", demo::FABRIKAM)).await, (409, "wrong_tenant".into()));
    assert_eq!(ask(&format!("admin_consent=True&state=x{ticket}")).await, (400, "link_damaged".into()));
    assert_eq!(ask("admin_consent=True").await, (400, "unsolicited".into()));
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    assert_eq!(ask(&format!("admin_consent=True&state={ticket}")).await, (200, "granted".into()));
}

#[tokio::test]
async fn head_and_get_elsewhere_have_no_effect_and_other_methods_are_refused() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let callback = format!("{}/callback?admin_consent=True&state={ticket}", stage.base);
    let receipt = stage.open(&callback).await.url;
    let (asked, written) = (stage.control.upstream_calls(), stage.records().len());
    stage.advance(NEXT_CHECK);
    for url in [callback.as_str(), &receipt, &format!("{}/", stage.base), &format!("{}/health", stage.base)] {
        let answer = stage.http.head(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        assert_eq!(answer.text().await.unwrap(), "");
    }
    for path in ["/", "/health", "/callback/x.css", "/callback/", "/R/x", "/favicon.ico", "/..%2f", "//callback", "/r/", "/r/a/b"] {
        stage.get(&format!("{}{path}", stage.base)).await;
    }
    assert_eq!(stage.control.upstream_calls(), asked);
    assert_eq!(stage.records().len(), written + 1, "only the empty receipt is a rejection");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        for url in [callback.as_str(), &receipt] {
            let answer = stage.http.request(method.parse().unwrap(), url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert!(answer.headers()["allow"].to_str().unwrap().contains("GET"));
        }
    }
    assert_eq!(stage.control.upstream_calls(), asked);
}

#[tokio::test]
async fn every_status_carries_the_security_headers() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let mut statuses = std::collections::BTreeSet::new();
    let mut check = |page: Page| {
        statuses.insert(page.status.as_u16());
        for (name, part) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("content-security-policy", "form-action 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-type", "charset=utf-8"),
        ] {
            assert!(page.header(name).is_some_and(|value| value.contains(part)), "{} {name}: {:?}", page.status, page.header(name));
        }
        assert_eq!(page.header("set-cookie"), None);
    };
    for path in
        [format!("/callback?admin_consent=True&state={ticket}"), "/callback".into(), "/nowhere".into(), "/health".into(), "/r/x".into()]
    {
        check(stage.get(&format!("{}{path}", stage.base)).await);
    }
    check(stage.claim_success(&ticket, demo::FABRIKAM).await);
    check(stage.read(stage.http.put(format!("{}/callback", stage.base)).send().await.unwrap()).await);
    check(stage.read(stage.http.post(format!("{}/callback", stage.base)).body("x").send().await.unwrap()).await);
    check(stage.read(stage.http.post(format!("{}/callback", stage.base)).body("x".repeat(70_000)).send().await.unwrap()).await);
    stage.advance(40 * DAY);
    check(stage.claim_success(&ticket, demo::CONTOSO).await);
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 303, 400, 404, 405, 409, 410, 413, 415].to_vec());
}

#[tokio::test]
async fn the_claim_is_recorded_before_any_call_to_microsoft() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let ticket = stage.ticket(demo::CONTOSO).await;
    let control = stage.control.clone();
    let config = stage.installation.config.clone();
    let clock = stage.clock.clone();
    for failing_line in [0, 1] {
        control.forget_requests();
        let asked_at_claim = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (seen, counter) = (std::sync::Arc::clone(&asked_at_claim), control.clone());
        let time = clock.clone();
        let dependencies = entra_consent::installation::Dependencies {
            roots: entra_consent::env::Roots::Embedded,
            clock: entra_consent::env::Clock::new(move || time.now()),
            rng: entra_consent::env::Rng::system(),
            sink: entra_consent::record::Sink::new(move |_| {
                let mut seen = seen.lock().unwrap();
                seen.push(counter.upstream_calls());
                if seen.len() == failing_line + 1 { Err(std::io::Error::other("disk full")) } else { Ok(()) }
            }),
            environment: |name| (name != "KEY").then(|| APP_SECRET.into()).or_else(|| Some(KEY.into())),
            outbox: None,
            aws: None,
        };
        let installation = entra_consent::installation::Installation::new(config.clone(), dependencies);
        let request = entra_consent::web::Request {
            source_from: entra_consent::record::AddressSource::Socket,
            method: http::Method::GET,
            path: "/callback".into(),
            query: Query::parse(format!("admin_consent=True&state={ticket}").as_bytes()),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            source: None,
            front_door: entra_consent::web::FrontDoor::Local,
        };
        let answer = entra_consent::web::handle(&installation, request).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.body().contains("granted"));
        assert!(answer.body().contains("not_recorded"), "{}", answer.body());
        let seen = asked_at_claim.lock().unwrap().clone();
        assert_eq!(seen[0], 0, "no outbound byte before the claim is recorded");
        assert_eq!(control.upstream_calls(), if failing_line == 0 { 0 } else { 2 });
    }
}

#[tokio::test]
async fn every_change_is_held_against_the_last_one_and_recorded_under_an_id_of_its_own() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let mut page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    for _ in 0..2 {
        stage.change(Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
        stage.advance(20 * 60);
        page = stage.open(&page.url).await;
        assert_eq!(page.outcome(), "revoked");
        stage.grant(demo::CONTOSO, demo::APP);
        stage.advance(NEXT_CHECK);
        page = stage.open(&page.url).await;
        assert_eq!(page.outcome(), "granted");
    }
    let records = stage.records();
    let told: Vec<_> = records.iter().filter_map(|record| record["outcome"]["after"].as_str()).collect();
    assert_eq!(told, ["granted", "revoked", "granted", "revoked", "granted"]);
    let ids: std::collections::BTreeSet<_> = records.iter().filter_map(|record| record["transition"].as_str()).collect();
    assert_eq!(ids.len(), 5, "a second revocation is a new transition");
}

#[tokio::test]
async fn a_visit_whose_look_saw_less_says_so_and_takes_nothing_back() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "granted");
    let (written, told) = (stage.records().len(), stage.outbox.events().len());
    let silent = Effect::Status { status: 503, code: None, retry_after: None };
    for at in [FaultAt::Token, FaultAt::Batch] {
        stage.control.fault(Fault::new(at, silent.clone())).unwrap();
    }
    stage.advance(40);
    let shown = stage.get(&page.url).await;
    assert_eq!((shown.status, shown.outcome().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "the check had no answer");
    stage.control.clear_faults();
    stage.change(Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.get(&page.url).await.outcome(), "pending", "a page never says more than its look saw");
    let lines: Vec<_> = stage.records().split_off(written).iter().map(|record| record["event"].clone()).collect();
    assert_eq!((lines, stage.outbox.events().len(), stage.outbox.sent()), (vec![json!("shown"); 2], told, 0), "no transition");
    stage.advance(20 * 60);
    assert_eq!(stage.open(&page.url).await.outcome(), "revoked", "it is still known that it was seen");
}

#[tokio::test]
async fn what_was_seen_once_is_revoked_and_not_unfound() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    assert_eq!(page.outcome(), "pending");
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert_eq!(page.outcome(), "granted");
    stage.change(Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
    stage.advance(2 * DAY);
    assert_eq!(stage.open(&page.url).await.outcome(), "revoked");
}

#[tokio::test]
async fn a_renewed_receipt_ends_when_the_first_one_would_have() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    stage.advance(29 * DAY);
    stage.grant(demo::CONTOSO, demo::APP);
    let renewed = stage.open(&page.url).await;
    assert_eq!(renewed.outcome(), "granted");
    assert_ne!(renewed.url, page.url);
    stage.advance(DAY + HOUR);
    assert_eq!(stage.get(&renewed.url).await.outcome(), "link_expired");
}

#[tokio::test]
async fn checking_again_is_offered_as_long_as_it_can_show_more() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let stopped = stage.get(&format!("{}?reload=off", page.url)).await;
    assert!(stopped.body.contains("href=\"?\""), "{}", stopped.body);
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    let page = stage.open(&page.url).await;
    assert!(page.outcome() == "granted" && !page.body.contains("href=\"?\""), "{}", page.body);
}

#[tokio::test]
async fn a_stopped_page_stays_stopped_after_a_change() {
    let stage = Stage::new().await;
    let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
    let half = Some(vec![PermissionSet::graph(&["Mail.Read"], &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: half });
    stage.advance(NEXT_CHECK);
    for (query, kept) in [("", ""), ("?n=3", ""), ("?reload=off", "?reload=off")] {
        let moved = stage.get(&format!("{}{query}", page.url)).await;
        let location = moved.header("location").unwrap();
        assert_eq!(location.find('?').map_or("", |at| &location[at..]), kept, "{query}");
    }
}

#[tokio::test]
async fn a_browser_that_goes_away_leaves_no_claim_without_its_conclusion() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let slow = Fault::new(FaultAt::Token, Effect::Slow { millis: 400 });
    stage.control.fault(slow).unwrap();
    let url = format!("{}/callback?admin_consent=True&state={}", stage.base, stage.ticket(demo::CONTOSO).await);
    let impatient = stage.http.get(&url).timeout(std::time::Duration::from_millis(100)).send().await;
    assert!(impatient.is_err());
    while stage.records().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(stage.last_record()["outcome"]["after"], "granted");
    assert_eq!(stage.open(&url).await.outcome(), "granted");
    assert_eq!(stage.control.count(Kind::Token), 1, "the check in the background counts");
}

#[tokio::test]
async fn links_are_taken_back_with_the_receipts_that_came_of_them() {
    let by_date = Options { more: "[links]\nrevoked_before = \"2026-11-20T12:30:00Z\"".into(), ..Options::default() };
    let stage = Stage::with(by_date).await;
    let keys = stage.installation.keys().await.unwrap();
    let ticket = entra_consent::token::Ticket::open(&stage.ticket(demo::CONTOSO).await, stage.installation.signer(&keys)).unwrap();
    stage.advance(HOUR);
    let receipt = entra_consent::consent::ApprovalState {
        ticket: ticket.id,
        expectation: ticket.expectation,
        claim: entra_consent::consent::Claim::Success,
        outcome: entra_consent::consent::Outcome::Pending,
        since: stage.installation.clock.now_unix(),
        callback_at: stage.installation.clock.now_unix(),
        counts_from: stage.installation.clock.now_unix() * 1_000_000,
        binding: entra_consent::consent::Binding::None,
        browser: None,
        late: false,
        signed_at: ticket.issued_at,
        step: 0,
        queued: entra_consent::consent::Queued::No,
        event: None,
        verifier_claimed_at: None,
    };
    let address = stage.installation.receipt_address("r", &receipt).await.unwrap();
    assert_eq!(stage.get(&address).await.outcome(), "link_revoked", "signed before the moment, back after it");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn what_the_callback_cannot_read_leaves_a_line() {
    let stage = Stage::new().await;
    let callback = format!("{}/callback?state={}", stage.base, stage.ticket(demo::CONTOSO).await);
    for (request, reason) in [
        (stage.http.post(&callback).header("content-type", "text/plain").body("x"), "unsupported_media_type"),
        (stage.http.put(&callback), "method_not_allowed"),
        (stage.http.post(&callback).body("x".repeat(70_000)), "body_too_large"),
    ] {
        request.send().await.unwrap();
        assert_eq!(stage.last_record()["rejection"]["reason"], reason);
    }
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn a_flood_of_strangers_hides_no_line_about_a_genuine_ticket() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    stage.advance(40 * DAY);
    for _ in 0..100 {
        stage.get(&format!("{}/callback?state=x", stage.base)).await;
    }
    assert_eq!(stage.claim_success(&ticket, demo::CONTOSO).await.outcome(), "link_expired");
    let record = stage.last_record();
    assert_eq!((&record["rejection"]["reason"], &record["tenant"]), (&json!("link_expired"), &json!(demo::CONTOSO)));
}
