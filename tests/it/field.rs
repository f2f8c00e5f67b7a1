//! Cases from public reports of people who do this job: codes, errors, and how the product treats them. Each case has the id of its report
//! and restates its facts.
//!
//! [`CALLBACKS`] is a table. If one callback shows your case, add a row. Other cases have a test of their own.

use entra_consent::consent::{AadstsCode, ExpectedTenant, aadsts};
use entra_consent::lambda::http_event::{Incoming, read};
use entra_consent::web;
use entra_sandbox::{Effect, Fault, FaultAt, RetryAfter, demo};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::lambda::events::{given_data, own_event};
use super::support::stage::{Options, Page, Stage, ticket_of};

/// The tenant of personal Microsoft accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const OTHER: &str = "Microsoft sent you back from another organisation than the one that the link is for. ";
/// A check is cached for 30 s. This is 1 s more.
const NEXT_CHECK: u64 = 31;

/// An error callback, while Microsoft shows no approval.
struct Case {
    id: &'static str,
    error: &'static str,
    /// The description before percent-encoding.
    description: &'static str,
    /// Further parameters, each starting with `&`.
    more: &'static str,
    outcome: &'static str,
    turn: &'static str,
    /// A text in the JSON answer.
    says: &'static str,
}

const fn case(
    id: &'static str,
    [error, description]: [&'static str; 2],
    [outcome, turn]: [&'static str; 2],
    says: &'static str,
    more: &'static str,
) -> Case {
    Case { id, error, description, more, outcome, turn, says }
}

#[rustfmt::skip]
const CALLBACKS: &[Case] = &[
    case("F05", ["invalid_client", "AADSTS65006: Resource had no entitlements matching required permissions."], ["app_misconfigured", "app_owner"], "AADSTS65006", ""),
    case("F05", ["invalid_client", ""], ["app_misconfigured", "operator"], "", ""),
    case("F06", ["invalid_scope", "AADSTS28004: exceeded the number of scopes"], ["app_misconfigured", "operator"], "AADSTS28004", ""),
    case("F06", ["invalid_scope", "AADSTS4000001: x"], ["app_misconfigured", "operator"], "AADSTS4000001", ""),
    case("F06", ["invalid_resource", "AADSTS4000001: x"], ["app_misconfigured", "operator"], "", ""),
    case("F06", ["unauthorized_client", "AADSTS4000001: x"], ["app_misconfigured", "operator"], "", ""),
    case("F06", ["invalid_request", "AADSTS4000001: x"], ["app_misconfigured", "operator"], "", ""),
    case("F06", ["interaction_required", "AADSTS4000001: x"], ["blocked_by_policy", "organisation"], "", ""),
    case("F06", ["login_required", "AADSTS4000001: x"], ["wrong_account", "you"], "", ""),
    case("F06", ["access_denied", "AADSTS4000001: x"], ["unknown", "operator"], "", ""),
    case("F07", ["access_denied", "AADSTS500021: Access to tenant is denied."], ["blocked_by_policy", "you"], "from another network", ""),
    case("F07", ["access_denied", "AADSTS500022: Access to tenant is denied."], ["blocked_by_policy", "you"], "from another network", ""),
    case("F09", ["access_denied", "AADSTS530034: A delegated administrator was blocked"], ["blocked_by_policy", "you"], "partner account", ""),
    case("F11", ["access_denied", "AADSTS5000225: This tenant has been blocked due to inactivity."], ["blocked_by_policy", "you"], "20 days", ""),
    case("F14", ["access_denied", "AADSTS500201: We are unable to issue tokens from this API version for a Microsoft account."], ["wrong_account", "you"], "personal", "&tenant=9188040d-6c67-4c5b-b112-36a304b66dad"),
    case("F14", ["access_denied", "AADSTS65004: User declined to consent to access the app."], ["declined", "you"], "", "&tenant=9188040d-6c67-4c5b-b112-36a304b66dad"),
    case("F14", ["access_denied", "AADSTS53003: Access has been blocked."], ["blocked_by_policy", "you"], "Conditional Access", "&tenant=9188040d-6c67-4c5b-b112-36a304b66dad"),
    case("F16", ["server_error", "AADSTS650051: Value length'14144' is out of the valid range of '1' to '8000' for property 'DelegationScope'."], ["app_misconfigured", "operator"], "more permissions than one approval can hold", ""),
    case("F16", ["access_denied", "AADSTS650051: Value length'14144' is out of the valid range of '1' to '8000' for property 'DelegationScope'."], ["app_misconfigured", "operator"], "shorten", ""),
    case("F16", ["access_denied", "AADSTS650051: Using the service principal name is already present in the tenant."], ["unknown", "microsoft"], "Wait a minute", ""),
    case("F17", ["invalid_client", "AADSTS70002: Error validating credentials. AADSTS50012: Invalid client secret."], ["unknown", "operator"], "AADSTS70002", ""),
    case("F17", ["access_denied", "AADSTS4000001: x. AADSTS50020: User account does not exist. AADSTS65004: x"], ["wrong_account", "you"], "AADSTS50020", ""),
    // A code about our own credential is not genuine in a callback, so it never means that we made a fault.
    case("", ["invalid_client", "AADSTS7000215: Invalid client secret provided."], ["unknown", "operator"], "not in our list", ""),
    case("", ["invalid_client", "AADSTS700027: Client assertion failed signature validation."], ["unknown", "operator"], "not in our list", ""),
    // Sign-in refusals that Microsoft publishes: the account, its own organisation's policy, the network, the registration.
    case("", ["access_denied", "AADSTS500208: The domain is not a valid login domain for the account type."], ["wrong_account", "you"], "personal Microsoft account", ""),
    case("", ["access_denied", "AADSTS16003: User account doesn't exist in the organization."], ["wrong_account", "you"], "AADSTS16003", ""),
    case("", ["access_denied", "AADSTS500213: NotAllowedByInboundPolicyTenant"], ["blocked_by_policy", "you"], "AADSTS500213", ""),
    case("", ["access_denied", "AADSTS53004: ProofUpBlockedDueToRisk"], ["blocked_by_policy", "you"], "AADSTS53004", ""),
    case("", ["access_denied", "AADSTS50002: Sign-in failed because of a proxy's restrictions."], ["blocked_by_policy", "you"], "another network", ""),
    case("", ["invalid_scope", "AADSTS700022: The provided value for scope names more than one resource."], ["app_misconfigured", "operator"], "AADSTS700022", ""),
    case("", ["invalid_request", "AADSTS90019: No tenant-identifying information found."], ["app_misconfigured", "operator"], "AADSTS90019", ""),
    // The text names the resource first, and then the organisation's own id.
    case("", ["invalid_client", "AADSTS650052: The app is trying to access a service '00000002-0000-0ff1-ce00-000000000000'(Exchange) that your organization '0a1b0000-0000-4000-8000-000000000002' lacks a service principal for."], ["app_misconfigured", "you"], "New-MgServicePrincipal -AppId 00000002-0000-0ff1-ce00-000000000000", ""),
];

/// The cases that a separate test shows, each with the file and the name of its test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("F01", "tests/it/lambda/doors.rs", "an_approval_of_102_permissions_passes_every_door"),
    ("F03", "tests/it/invitation.rs", "a_foreign_cookie_of_any_bytes_leaves_ours_in_force"),
    ("F03", "tests/it/lambda/doors.rs", "a_foreign_cookie_of_any_letters_leaves_ours_in_force"),
    ("F13", "tests/it/field.rs", "our_refused_check_is_ours_and_says_nothing_of_the_approval"),
    ("F20", "tests/it/tables.rs", "a_table_that_leaves_the_tenant_unclear_names_the_remedy"),
    ("F21", "tests/it/tables.rs", "headings_of_common_exports_are_known"),
    ("F22", "tests/it/tables.rs", "a_table_whose_every_row_is_one_tenant_stops"),
    ("F24", "tests/it/tables.rs", "headings_of_common_exports_are_known"),
    ("F25", "tests/it/tables.rs", "headings_of_common_exports_are_known"),
    ("F27", "tests/it/tables.rs", "an_id_of_zeros_is_a_wrong_row"),
    ("F28", "tests/it/inspect.rs", "a_link_is_found_inside_what_mail_programs_made_of_it"),
    ("F30", "tests/it/inspect.rs", "a_link_is_found_inside_what_mail_programs_made_of_it"),
    ("F32", "tests/it/inspect.rs", "a_link_is_found_inside_what_mail_programs_made_of_it"),
    ("F32", "tests/it/lambda/mangled.rs", "a_ticket_that_can_be_recovered_is_recovered"),
    ("F34", "tests/it/field.rs", "an_unanswered_or_unauthenticated_check_is_repeated"),
    ("F36", "tests/it/field.rs", "an_unanswered_or_unauthenticated_check_is_repeated"),
    ("F37", "tests/it/field.rs", "stage_and_mapping_key_in_a_path_lose_no_callback"),
    ("F39", "tests/it/field.rs", "stage_and_mapping_key_in_a_path_lose_no_callback"),
    ("F40", "src/lambda/http_event/tests.rs", "an_answer_has_the_shape_of_its_front_door"),
    ("F41", "tests/it/lambda/function.rs", "every_event_of_ours_ends_as_its_name_says"),
    ("F42", "tests/it/discovery.rs", "a_tenant_of_another_cloud_is_recognised"),
    ("F42", "tests/it/command_line.rs", "no_link_is_made_for_a_tenant_that_is_unknown_elsewhere_or_cannot_be_asked_about"),
    ("F43", "src/entra/credential.rs", "each_unfit_text_is_told_apart_and_nothing_of_it_is_echoed"),
    ("F43", "src/entra/credential.rs", "a_pkcs1_key_signs_as_well_and_the_leaf_of_a_chain_is_found"),
    ("F44", "src/entra/credential.rs", "line_breaks_as_a_secret_manager_writes_them_are_read"),
    ("F45", "tests/it/secrets.rs", "aws_is_never_asked_for_what_is_in_files_and_variables"),
    ("F47", "tests/it/field.rs", "a_second_callback_inside_a_redirect_uri_is_a_duplicate"),
];

/// The given cases that no test here can show: they concern one browser.
const OTHER_PARTS: &[&str] = &["F48"];

fn query(case: &Case) -> String {
    let description = match case.description {
        "" => String::new(),
        text => format!("&error_description={}", utf8_percent_encode(text, NON_ALPHANUMERIC)),
    };
    format!("error={}{description}&admin_consent=True{}", case.error, case.more)
}

/// Microsoft's token endpoint refuses with this answer.
fn refuse(stage: &Stage, code: u32, error: &str) {
    let effect = Effect::Aadsts { code, status: Some(400), error: Some(error.into()), granted: false };
    stage.control.fault(Fault::new(FaultAt::Token, effect)).unwrap();
}

async fn approved(stage: &Stage) -> Page {
    stage.grant(demo::CONTOSO, demo::APP);
    stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await
}

#[tokio::test]
async fn each_reported_error_callback_has_its_outcome() {
    let stage = Stage::new().await;
    for case in CALLBACKS {
        stage.advance(NEXT_CHECK);
        let page = stage.claim(&stage.ticket(demo::CONTOSO).await, &query(case)).await;
        let answer = stage.json(&page.url).await;
        let name = format!("{} {} {}", case.id, case.error, case.description);
        assert_eq!((&answer["outcome"], &answer["turn"]), (&case.outcome.into(), &case.turn.into()), "{name}: {answer:#}");
        assert!(answer.to_string().contains(case.says), "{name}: {answer:#}");
        assert!(!page.text().contains("our own sign-in"), "{name}");
    }
}

#[tokio::test]
async fn an_error_with_the_accounts_tenant_concerns_the_tickets_tenant() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let calls = stage.control.upstream_calls();
    let page = stage.claim(&ticket, &format!("error=access_denied&error_description=AADSTS500201%3a+x&tenant={PERSONAL}")).await;
    assert_eq!(page.outcome(), "wrong_account");
    assert!(stage.control.upstream_calls() > calls, "the ticket's tenant is checked");
    for record in stage.records() {
        assert_eq!((&record["tenant"], &record["returned_tenant"]), (&json!(demo::CONTOSO), &json!(PERSONAL)));
    }
    assert!(!page.body.contains(PERSONAL));
    assert!(page.text().contains("Were you signed in with another account?"));
    assert_eq!(stage.json(&page.url).await["hint"], json!(format!("{OTHER}Were you signed in with another account?")));
    let own = stage.claim(&stage.ticket(demo::CONTOSO).await, &format!("error=access_denied&tenant={}", demo::CONTOSO)).await;
    assert!(!own.text().contains("with another account?"));
    // The app is approved in the ticket's tenant, which counts more than any error.
    stage.grant(demo::CONTOSO, demo::APP);
    stage.advance(NEXT_CHECK);
    for error in ["AADSTS500201", "AADSTS65004", "AADSTS53003"] {
        let ticket = stage.ticket(demo::CONTOSO).await;
        stage.advance(NEXT_CHECK);
        let page = stage.claim(&ticket, &format!("error=access_denied&error_description={error}&tenant={PERSONAL}")).await;
        assert_eq!(page.outcome(), "granted", "{error}");
    }
}

#[tokio::test]
async fn an_error_for_any_tenant_checks_nothing() {
    let stage = Stage::new().await;
    for (query, outcome) in [
        ("error=access_denied&error_description=AADSTS65004", "declined"),
        ("error=access_denied&error_description=AADSTS500201&tenant=9188040d-6c67-4c5b-b112-36a304b66dad", "wrong_account"),
    ] {
        let ticket = ticket_of(&stage.link_for("mail-backup", ExpectedTenant::Any).await);
        let calls = stage.control.upstream_calls();
        assert_eq!(stage.claim(&ticket, query).await.outcome(), outcome);
        assert_eq!(stage.control.upstream_calls(), calls);
    }
}

#[tokio::test]
async fn a_blocked_tenant_stays_open_and_is_checked_again() {
    for code in [5_000_224, 5_000_225] {
        for error in ["interaction_required", "invalid_grant"] {
            let stage = Stage::new().await;
            refuse(&stage, code, error);
            let page = approved(&stage).await;
            let answer = stage.json(&page.url).await;
            assert_eq!(
                (&answer["outcome"], &answer["severity"], &answer["turn"]),
                (&"blocked_by_policy".into(), &"open".into(), &"you".into())
            );
            assert!(answer["next_step"].as_str().unwrap().contains("Microsoft support"), "{answer:#}");
            assert_eq!((&answer["provisional"], &answer["cause"]), (&true.into(), &"tenant_blocked".into()));
            let records = stage.records();
            let concluded = records.iter().find(|record| record["event"] == "concluded").unwrap();
            assert_eq!((&concluded["finding"]["verdict"], &concluded["finding"]["aadsts"]), (&"tenant_blocked".into(), &code.into()));
            stage.control.clear_faults();
            stage.advance(6 * 3_600);
            assert_eq!(stage.open(&page.url).await.outcome(), "granted");
        }
    }
}

#[tokio::test]
async fn our_refused_check_is_ours_and_says_nothing_of_the_approval() {
    // Codes outside the table, a code of a person's sign-in, and no code at all.
    for code in [123_456_789, 65_004, 16_000, 500_021] {
        let stage = Stage::new().await;
        refuse(&stage, code, "invalid_client");
        let page = approved(&stage).await;
        let answer = stage.json(&page.url).await;
        assert_eq!((&answer["outcome"], &answer["turn"]), (&"unavailable".into(), &"operator".into()), "{code}: {answer:#}");
        assert_eq!((&answer["title"], &answer["code"]["meaning"]), (&"Recorded, and not checked yet".into(), &Value::Null), "{code}");
        assert_eq!((&answer["code"]["code"], &answer["provisional"]), (&format!("AADSTS{code}").into(), &true.into()));
        assert_eq!(answer["severity"], "open", "the operator acts");
        for word in ["Open the link", "again from", "Cancel", "account"] {
            assert!(!answer["next_step"].as_str().unwrap().contains(word), "{code}: {answer:#}");
            assert!(!answer["sentence"].as_str().unwrap().contains(word), "{code}: {answer:#}");
        }
        stage.control.clear_faults();
        stage.advance(NEXT_CHECK);
        assert_eq!(stage.open(&page.url).await.outcome(), "granted", "{code}");
    }
    let stage = Stage::new().await;
    let body = json!({ "error": "a_new_word" }).to_string();
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Verbatim { status: 400, headers: [].into(), body })).unwrap();
    let answer = stage.json(&approved(&stage).await.url).await;
    assert_eq!((&answer["outcome"], &answer["turn"], &answer["code"]), (&"unavailable".into(), &"operator".into(), &Value::Null));
}

#[tokio::test]
async fn an_unknown_refusal_is_one_event_per_app_code_and_hour() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    refuse(&stage, 123_456_789, "invalid_client");
    let claim = async |tenant| {
        let page = stage.claim_success(&stage.ticket(tenant).await, tenant).await;
        assert_eq!(page.outcome(), "unavailable");
    };
    for tenant in [demo::CONTOSO, demo::FABRIKAM, demo::WOODGROVE] {
        claim(tenant).await;
    }
    assert_eq!(stage.outbox.waiting().len(), 3, "every tenant is checked again");
    let [event] = &stage.outbox.events()[..] else { panic!("{:#?}", stage.outbox.events()) };
    assert!(event["summary"].as_str().unwrap().starts_with("AADSTS123456789: "), "{event:#}");
    assert_eq!((&event["severity"], event.get("cause")), (&"open".into(), None));
    // Another code follows, and then the first code an hour later.
    stage.control.clear_faults();
    refuse(&stage, 123_456_780, "invalid_client");
    stage.advance(NEXT_CHECK);
    claim(demo::CONTOSO).await;
    claim(demo::FABRIKAM).await;
    stage.control.clear_faults();
    refuse(&stage, 123_456_789, "invalid_client");
    stage.advance(3_600);
    claim(demo::WOODGROVE).await;
    claim(demo::CONTOSO).await;
    let ids: std::collections::BTreeSet<_> = stage.outbox.events().iter().map(|event| event["id"].to_string()).collect();
    assert_eq!((stage.outbox.events().len(), ids.len()), (3, 3));
}

#[tokio::test]
async fn the_event_of_a_blocked_tenant_names_the_cause() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    refuse(&stage, 5_000_225, "invalid_grant");
    approved(&stage).await;
    stage.control.clear_faults();
    let query = "error=access_denied&error_description=AADSTS5000224";
    stage.claim(&stage.ticket(demo::FABRIKAM).await, query).await;
    let events = stage.outbox.events();
    assert_eq!(events.len(), 2, "{events:#?}");
    for event in events {
        assert_eq!((&event["outcome"]["after"], &event["cause"]), (&"blocked_by_policy".into(), &"tenant_blocked".into()));
    }
}

#[tokio::test]
async fn a_code_only_in_the_text_of_a_token_answer_is_read() {
    for (body, outcome) in [
        (json!({ "error": "invalid_client", "error_codes": [70_002, 50_012], "error_description": "AADSTS70002: x" }), "operator_fault"),
        (json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided." }), "operator_fault"),
        (json!({ "error": "invalid_grant", "error_description": "AADSTS5000225: This tenant has been blocked." }), "blocked_by_policy"),
        (json!({ "error": "invalid_client", "error_codes": [4_000_001], "error_description": "x AADSTS7000229: y" }), "pending"),
        (json!({ "error": "invalid_resource", "error_codes": [500_014], "error_description": "AADSTS500014: x" }), "disabled"),
    ] {
        let stage = Stage::new().await;
        let effect = Effect::Verbatim { status: 400, headers: [].into(), body: body.to_string() };
        stage.control.fault(Fault::new(FaultAt::Token, effect)).unwrap();
        assert_eq!(approved(&stage).await.outcome(), outcome, "{body}");
    }
}

/// F34 and F36: part of the batch is throttled for less than a second, or Graph does not know the token's caller yet.
#[tokio::test]
async fn an_unanswered_or_unauthenticated_check_is_repeated() {
    let body = json!({ "error": { "code": "InvalidAuthenticationToken", "message": "puid or altsecid or oid should be present" } });
    let throttled = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Text("0.249".into())) };
    for fault in [
        Fault::new(FaultAt::Part, throttled).on_path("appRoleAssignments"),
        Fault::new(FaultAt::Batch, Effect::Verbatim { status: 401, headers: [].into(), body: body.to_string() }),
    ] {
        let stage = Stage::new().await;
        stage.control.fault(Fault::new(FaultAt::Token, Effect::OpaqueToken)).unwrap();
        stage.control.fault(fault).unwrap();
        let page = approved(&stage).await;
        let answer = stage.json(&page.url).await;
        assert_eq!((&answer["outcome"], &answer["provisional"]), (&"unavailable".into(), &true.into()), "{answer:#}");
        assert_eq!((page.status.as_u16(), &answer["permissions"]["missing"]), (503, &json!([])));
        stage.control.clear_faults();
        stage.advance(NEXT_CHECK);
        assert_eq!(stage.open(&page.url).await.outcome(), "granted");
    }
}

/// F37 and F39: a callback through custom domains, named stages and payload format 1.0 of an HTTP API.
#[tokio::test]
async fn stage_and_mapping_key_in_a_path_lose_no_callback() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, demo::APP);
    let (proxy, route) = (json!({ "proxy": "callback" }), "ANY /{proxy+}");
    for (name, changes) in [
        (
            "http-api-success",
            [("/routeKey", json!("$default")), ("/rawPath", json!("/prod/callback")), ("/requestContext/stage", json!("prod"))],
        ),
        ("http-api-success", [("/routeKey", json!(route)), ("/rawPath", json!("/Prod/callback")), ("/pathParameters", proxy.clone())]),
        ("http-api-success", [("/routeKey", json!(route)), ("/rawPath", json!("/onboarding/callback")), ("/pathParameters", proxy)]),
        ("rest-api-success", [("/version", json!("1.0")), ("/resource", json!("$default")), ("/path", json!("/prod/callback"))]),
        ("rest-api-success", [("/version", json!("1.0")), ("/resource", json!("/callback")), ("/path", json!("/prod/callback"))]),
    ] {
        let mut event = own_event(name, &demo::CONTOSO.to_string(), &stage.ticket(demo::CONTOSO).await);
        for (member, value) in changes {
            match event.pointer_mut(member) {
                Some(old) => *old = value,
                None => event[&member[1..]] = value,
            }
        }
        let Incoming::Http(request) = read(event.to_string().as_bytes()) else { panic!("{event:#}") };
        let answer = web::handle(&stage.installation, request).await;
        assert_eq!(answer.status().as_u16(), 303, "{event:#}");
        assert_eq!(stage.get(answer.headers()["location"].to_str().unwrap()).await.outcome(), "granted", "{event:#}");
    }
}

/// F47: the registered redirect URI contains a whole callback, and Microsoft appends its own.
#[tokio::test]
async fn a_second_callback_inside_a_redirect_uri_is_a_duplicate() {
    let stage = Stage::new().await;
    let (ticket, tenant) = (stage.ticket(demo::CONTOSO).await, demo::CONTOSO);
    let query = format!("admin_consent=True&tenant={tenant}&state=12345&admin_consent=True&tenant={tenant}");
    assert_eq!(stage.claim(&ticket, &query).await.outcome(), "link_damaged");
    assert_eq!(stage.last_record()["rejection"]["reason"], "duplicate_parameter");
}

/// Each row of the given table has the same meaning in the product.
#[test]
fn the_table_agrees_with_the_given_one() {
    let Some(data) = given_data() else {
        println!("ABSENT: the given table of codes is not on this machine; it was not compared");
        return;
    };
    let text = std::fs::read_to_string(data.join("aadsts.tsv")).unwrap();
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let mut left_out = Vec::new();
    for cells in lines {
        let cell = |name: &str| cells[heads.iter().position(|head| *head == name).unwrap()];
        let code: u32 = cell("code").parse().unwrap();
        let entry = aadsts::lookup(AadstsCode::from_number(code.into()).unwrap());
        if entry == aadsts::UNKNOWN {
            assert_eq!(cell("confidence"), "weak", "{code}");
            left_out.push(code);
            continue;
        }
        assert_eq!(entry.class.name(), cell("class_at_callback"), "{code}");
        let token = entry.token.name();
        let agrees = match cell("meaning_at_token") {
            "request_refused" | "settings" => token == "operator_fault",
            "credential_refused" => token.starts_with("operator_fault, "),
            "app_disabled" => token == "disabled",
            "not_approved_yet" => token == "not_granted",
            "transient" => ["transient", "throttled", "loop_detected"].contains(&token),
            given => token == given,
        };
        assert!(agrees, "{code}: {token} and {}", cell("meaning_at_token"));
        assert_eq!(format!("{:?}", entry.place).to_lowercase(), cell("where"), "{code}");
    }
    println!("weak rows of the given table that are not in ours: {left_out:?}");
    assert_eq!(left_out, [90_135]);
}

/// Every given case is here or in the named test, so a new case without a test is noticed.
#[test]
fn every_given_case_is_shown_by_a_test() {
    for (id, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{id}: {file} has no {test}");
    }
    let Some(data) = given_data() else {
        println!("ABSENT: the given cases are not on this machine");
        return;
    };
    let text = std::fs::read_to_string(data.join("field.jsonl")).unwrap();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let here = CALLBACKS.iter().any(|case| case.id == id) || ELSEWHERE.iter().any(|(shown, ..)| *shown == id);
        assert!(here || OTHER_PARTS.contains(&id), "{id} has no test");
    }
}
