//! One golden for each outcome: from the button of an invitation to the result, through every front door.

use serde_json::json;

use super::doors::{Answer, DOORS, Request};
use super::golden;
use super::names::{fixed, sign};
use super::product::{
    Change, Effect, Fault, FaultAt, PermissionSet, READER, Setup, TenantId, UserRole, apps_verified_by_reader, client_secret, demo,
};
use super::walk::{Walk, invitation};

const DAY: u64 = 86_400;
/// How the walk reaches its outcome. From the button on, it makes every request as a browser does.
const WALKED: &str = "by a walk: button, Microsoft, callback, result";
const UNKNOWN: TenantId = TenantId::from_u128(0xdead_beef);

fn usual() -> Setup {
    Setup::default()
}

/// Presses the button of an invitation and returns the address at Microsoft.
async fn press(walk: &mut Walk, app: &str, tenant: &str) -> String {
    let invitation = invitation(1, [Some(app), None], tenant);
    let answer = walk.visit("the button of the invitation", Request::post(&invitation, &format!("step={app}"))).await;
    answer.location().to_owned()
}

/// Presses the button for the usual app and decides at Microsoft.
async fn decided(walk: &mut Walk, tenant: TenantId, role: UserRole, what: &str) -> Request {
    let link = press(walk, "mail-backup", &demo::CONTOSO.to_string()).await;
    walk.decide(&link, tenant, role, what).await
}

async fn accepted(walk: &mut Walk) -> Request {
    decided(walk, demo::CONTOSO, UserRole::Administrator, "accept").await
}

/// Walks to the result page of a granted approval and returns its address.
async fn granted(walk: &mut Walk) -> String {
    let callback = accepted(walk).await;
    let answer = walk.visit("the browser comes back", callback).await;
    let location = answer.location().to_owned();
    walk.visit("the result page", Request::get(&location)).await;
    location
}

fn graph(application: &[&str]) -> Vec<PermissionSet> {
    vec![PermissionSet::graph(application, &[])]
}

fn change(walk: &mut Walk, what: &str, change: Change) {
    walk.product.change(change);
    walk.meanwhile(what);
}

/// Makes Microsoft redirect with an error instead of a decision.
async fn refused_with(walk: &mut Walk, code: u32) -> Answer {
    let link = press(walk, "mail-backup", &demo::CONTOSO.to_string()).await;
    let effect = Effect::Aadsts { code, status: None, error: None, granted: false };
    walk.product.control.fault(Fault::new(FaultAt::Consent, effect)).unwrap();
    walk.meanwhile(&format!("Microsoft refuses every consent with AADSTS{code}"));
    let callback = walk.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    walk.come_back(callback).await
}

/// A ticket in the form of earlier mailed links, signed with the key of the tests.
fn signed_ticket(tenant: TenantId, invitation: serde_json::Value) -> String {
    const NOW: u64 = 1_795_176_000;
    let claims = json!({
        "iat": NOW, "exp": NOW + 7_200, "jti": fixed(2), "app": "mail-backup", "ten": tenant, "inv": invitation, "lbl": "Contoso GmbH",
        "ref": "T-4711", "bnd": null,
    });
    sign("ticket", "callback", claims)
}

macro_rules! goldens {
    ($($test:ident: $outcome:literal, $reached:expr, $setup:expr, |$walk:ident| $way:block)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                golden(concat!("outcomes/", $outcome), $reached, &DOORS, $setup, async |$walk: &mut Walk| {
                    let shown = $way;
                    let is_shown = |mark: &str| shown.body.contains(&format!("{mark}=\"{}\"", $outcome));
                    assert!(is_shown("data-outcome"), "another outcome: {} {:?}\n{}", shown.status, shown.headers, shown.body);
                })
                .await;
            }
        )*
    };
}

/// Reloads a result and shows the page where the reload ends.
async fn check_again(walk: &mut Walk, location: &str) -> Answer {
    let answer = walk.visit("the result page again", Request::get(location)).await;
    walk.result(&answer).await
}

goldens! {
    granted_keeps_its_golden: "granted", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        walk.come_back(callback).await
    }

    granted_in_part_keeps_its_golden: "granted_in_part", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        let permissions = graph(&["User.Read.All"]);
        change(walk, "a permission is taken away", Change::Reduce { tenant: demo::CONTOSO, app: demo::APP, permissions });
        walk.come_back(callback).await
    }

    granted_in_excess_keeps_its_golden: "granted_in_excess", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        let permissions = graph(&["Mail.ReadWrite", "Sites.Read.All"]);
        change(walk, "a forbidden permission and another are added", Change::Enlarge { tenant: demo::CONTOSO, app: demo::APP, permissions });
        walk.come_back(callback).await
    }

    granted_unseen_keeps_its_golden: "granted_unseen", WALKED, usual, |walk| {
        let link = press(walk, "sign-in", &demo::CONTOSO.to_string()).await;
        let callback = walk.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
        walk.come_back(callback).await
    }

    disabled_keeps_its_golden: "disabled", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        change(walk, "the app is disabled", Change::Disable { tenant: demo::CONTOSO, app: demo::APP });
        walk.come_back(callback).await
    }

    pending_keeps_its_golden: "pending", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        change(walk, "the app is deleted", Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
        walk.come_back(callback).await
    }

    not_found_keeps_its_golden: "not_found", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        change(walk, "the app is deleted", Change::Delete { tenant: demo::CONTOSO, app: demo::APP });
        let answer = walk.visit("the browser comes back", callback).await;
        walk.advance(DAY);
        check_again(walk, answer.location()).await
    }

    declined_keeps_its_golden: "declined", WALKED, usual, |walk| {
        let callback = decided(walk, demo::CONTOSO, UserRole::Administrator, "cancel").await;
        walk.come_back(callback).await
    }

    not_an_admin_keeps_its_golden: "not_an_admin", WALKED, usual, |walk| { refused_with(walk, 90_094).await }

    wrong_account_keeps_its_golden: "wrong_account", WALKED, usual, |walk| {
        let callback = decided(walk, demo::FABRIKAM, UserRole::Administrator, "accept").await;
        walk.come_back(callback).await
    }

    blocked_by_policy_keeps_its_golden: "blocked_by_policy", WALKED, usual, |walk| { refused_with(walk, 53_003).await }

    app_misconfigured_keeps_its_golden: "app_misconfigured", WALKED, usual, |walk| { refused_with(walk, 650_053).await }

    unknown_keeps_its_golden: "unknown", WALKED, usual, |walk| { refused_with(walk, 90_090).await }

    approval_requested_keeps_its_golden: "approval_requested", WALKED, verified_by_reader, |walk| {
        change(walk, "the reader is approved", Change::Grant { tenant: demo::CONTOSO, app: READER, permissions: None });
        let callback = decided(walk, demo::CONTOSO, UserRole::User, "request").await;
        walk.come_back(callback).await
    }

    operator_fault_keeps_its_golden: "operator_fault", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        let secrets = vec![client_secret("another")];
        change(walk, "the client secret is exchanged at Microsoft alone", Change::SetSecrets { app: demo::APP, secrets });
        walk.come_back(callback).await
    }

    tenant_not_found_keeps_its_golden: "tenant_not_found", "by a ticket signed with the key of the tests", usual, |walk| {
        let ticket = signed_ticket(UNKNOWN, json!(null));
        walk.come_back(Request::get(&format!("/callback?admin_consent=True&tenant={UNKNOWN}&state={ticket}"))).await
    }

    unavailable_keeps_its_golden: "unavailable", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        let effect = Effect::Status { status: 503, code: None, retry_after: None };
        change(walk, "Microsoft's token endpoint answers 503", Change::AddFault(Box::new(Fault::new(FaultAt::Token, effect))));
        walk.come_back(callback).await
    }

    wrong_tenant_keeps_its_golden: "wrong_tenant", "by a walk; the tenant in the callback is typed", usual, |walk| {
        let callback = accepted(walk).await;
        let target = callback.target.replace(&demo::CONTOSO.to_string(), &demo::FABRIKAM.to_string());
        walk.come_back(Request { target, ..callback }).await
    }

    link_expired_keeps_its_golden: "link_expired", WALKED, usual, |walk| {
        let callback = accepted(walk).await;
        walk.advance(40 * DAY);
        walk.come_back(callback).await
    }

    link_damaged_keeps_its_golden: "link_damaged", "by a walk; the ticket in the callback is damaged", usual, |walk| {
        let callback = accepted(walk).await;
        let target = callback.target.replace("state=", "state=x");
        walk.come_back(Request { target, ..callback }).await
    }

    link_revoked_keeps_its_golden: "link_revoked", "by the button, and by a ticket signed with the key of the tests", revoked, |walk| {
        walk.visit("the button", Request::post(&invitation(1, [Some("mail-backup"), None], &demo::CONTOSO.to_string()), "step=mail-backup")).await;
        let origin = json!({ "id": fixed(1), "iat": 1_795_000_000, "exp": 1_797_000_000, "chn": null });
        let ticket = signed_ticket(demo::CONTOSO, origin);
        walk.come_back(Request::get(&format!("/callback?admin_consent=True&tenant={}&state={ticket}", demo::CONTOSO))).await
    }

    unsolicited_keeps_its_golden: "unsolicited", "by a callback without a ticket, as an approval in the portal sends one", usual, |walk| {
        walk.come_back(Request::get(&format!("/callback?admin_consent=True&tenant={}", demo::CONTOSO))).await
    }

    revoked_keeps_its_golden: "revoked", WALKED, usual, |walk| {
        let location = granted(walk).await;
        change(walk, "the approval is withdrawn", Change::Revoke { tenant: demo::CONTOSO, app: demo::APP });
        walk.advance(20 * 60);
        check_again(walk, &location).await
    }

    reduced_keeps_its_golden: "reduced", WALKED, usual, |walk| {
        let location = granted(walk).await;
        let permissions = graph(&["Mail.Read"]);
        change(walk, "a permission is taken away", Change::Reduce { tenant: demo::CONTOSO, app: demo::APP, permissions });
        walk.advance(20 * 60);
        check_again(walk, &location).await
    }

    enlarged_keeps_its_golden: "enlarged", WALKED, usual, |walk| {
        let location = granted(walk).await;
        let permissions = graph(&["Sites.Read.All"]);
        change(walk, "a permission is added", Change::Enlarge { tenant: demo::CONTOSO, app: demo::APP, permissions });
        walk.advance(20 * 60);
        check_again(walk, &location).await
    }

    tenant_gone_keeps_its_golden: "tenant_gone", WALKED, usual, |walk| {
        let location = granted(walk).await;
        change(walk, "the tenant is deleted", Change::RemoveTenant { tenant: demo::CONTOSO });
        walk.advance(31);
        check_again(walk, &location).await
    }

    awaiting_confirmation_keeps_its_golden: "awaiting_confirmation", WALKED, usual, |walk| {
        let link = press(walk, "mail-backup", "any").await;
        let callback = walk.decide(&link, demo::FABRIKAM, UserRole::Administrator, "accept").await;
        walk.come_back(callback).await
    }

    reported_unverified_keeps_its_golden: "reported_unverified", WALKED, verified_by_reader, |walk| {
        let callback = accepted(walk).await;
        walk.come_back(callback).await
    }
}

fn verified_by_reader() -> Setup {
    Setup { apps: Some(apps_verified_by_reader()), ..Setup::default() }
}

fn revoked() -> Setup {
    Setup { more: format!("[links]\nrevoked = [\"{}\"]\n", fixed(1)), ..Setup::default() }
}
