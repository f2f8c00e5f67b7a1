//! Invitations end to end through the real program. `entra-consent link` makes them, `entra-consent serve` answers, browsers go between
//! `serve` and the simulated Microsoft, and the process writes the records to its standard output.
//!
//! The program uses the machine's clock and has no switch to move it, because such a switch would work in production too. So a test that
//! takes a day begins in this process, which serves the same installation with a clock a day behind, and continues in the real program.
//! Links, tickets and receipts of yesterday are then really a day old. `invitation.rs` tests the same paths with a simulated clock.
//!
//! A process caches a check for 30 s. Instead of a wait, a test may continue in another process, which knows only the link.

use std::time::Duration;

use entra_consent::consent::{ExpectedTenant, Label, ProfileId};
use entra_consent::token::Subject;
use entra_sandbox::{Change, Kind, PermissionSet, ResourceId, ReviewDecision, UserRole, demo};
use reqwest::Method;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::support::service::{BASE_URL, Service};
use super::support::stage::{READER, ticket_of};
use crate::support::same_id;

const DAY: Duration = Duration::from_secs(86_400);
/// A check is cached for 30 s.
const NEXT_CHECK: Duration = Duration::from_secs(31);

fn attribute(page: &str, selector: &str, name: &str) -> Option<String> {
    let html = Html::parse_document(page);
    let found = html.select(&Selector::parse(selector).unwrap()).next()?;
    found.attr(name).map(str::to_owned)
}

fn last(records: &[Value]) -> (Value, Value) {
    let record = records.last().unwrap();
    (record["outcome"]["before"].clone(), record["outcome"]["after"].clone())
}

#[tokio::test]
async fn scanners_have_no_effect_and_the_administrator_after_them_is_verified() {
    let service = Service::started();
    let address = service.invitation(["--app", "mail-backup"]);
    let made = service.control.upstream_calls();
    let scanner = service.browser();
    let head = scanner.ask(Method::HEAD, &address, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    assert!(service.records().is_empty(), "a HEAD request leaves no record");
    for headers in [&[][..], &[], &[("sec-purpose", "prefetch;prerender")]] {
        let page = scanner.ask(Method::GET, &address, headers).await;
        assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, None));
    }
    assert_eq!(service.events(), ["seen", "seen", "seen"]);
    assert_eq!(scanner.ask(Method::PUT, &address, &[]).await.status.as_u16(), 405);
    assert_eq!(service.control.upstream_calls(), made, "no call to Microsoft");

    let posted = service.browser().press(&address, "mail-backup").await;
    assert!(posted.contains("/v2.0/adminconsent"), "a scanner that presses the button gets its own ticket, without effect");
    let administrator = service.browser();
    let link = administrator.press(&address, "mail-backup").await;
    assert_eq!(administrator.decide(&link, demo::CONTOSO, "accept").await.outcome(), "granted");
    let records = service.records();
    assert_eq!(service.events()[3..], ["started", "started", "claimed", "concluded"]);
    assert_eq!((&records[6]["binding"], &records[6]["finding"]["verdict"]), (&json!("browser"), &json!("all_required")));
    assert!(records.iter().all(|record| record["invitation"] == records[0]["invitation"]));
}

#[tokio::test]
async fn the_wrong_account_gets_the_same_link_for_another_window() {
    let mut service = Service::started();
    let address = service.invitation(["--app", "mail-backup"]);
    let page = {
        let browser = service.browser();
        let link = browser.press(&address, "mail-backup").await;
        browser.decide(&link, demo::FABRIKAM, "accept").await
    };
    assert_eq!(page.outcome(), "wrong_account");
    for words in ["private window", "signs you out of Microsoft 365 in every tab of this browser", "partner (GDAP)"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let again = attribute(&page.body, "a[href*='/i/']", "href").unwrap();
    assert_eq!(again, address, "the very same link");
    assert!(service.browser().open(&again).await.text().contains("Contoso GmbH"));
    service.restart();
    let private_window = service.browser();
    let link = private_window.press(&again, "mail-backup").await;
    assert_eq!(private_window.decide(&link, demo::CONTOSO, "accept").await.outcome(), "granted");
}

#[tokio::test]
async fn another_tenant_is_never_asked_about_and_named_to_the_browser_that_set_out_alone() {
    let service = Service::started();
    service.control.apply(Change::Grant { tenant: demo::FABRIKAM, app: demo::APP, permissions: None }).unwrap();
    let address = service.invitation(["--app", "mail-backup"]);
    let browser = service.browser();
    let link = browser.press(&address, "mail-backup").await;
    let asked = service.control.upstream_calls();
    let state = ticket_of(&link.parse().unwrap());
    let callback = format!("{BASE_URL}/callback?admin_consent=True&tenant={}&state={state}", demo::FABRIKAM);
    for (browser, named) in [(browser, true), (service.browser(), false)] {
        let page = browser.open(&callback).await;
        assert_eq!((page.status.as_u16(), page.outcome().as_str()), (409, "wrong_tenant"));
        assert!(page.text().contains("You were signed in with an account from another organisation"), "{}", page.text());
        assert_eq!(page.text().contains("Contoso GmbH"), named, "{}", page.text());
        assert!(!page.body.contains("Fabrikam"));
    }
    assert_eq!(service.control.upstream_calls(), asked);
    let records = service.records();
    assert_eq!(last(&records), (Value::Null, json!("wrong_tenant")));
    assert_eq!(records.last().unwrap()["returned_tenant"], json!(demo::FABRIKAM));
}

#[tokio::test]
async fn a_forwarded_link_works_for_any_administrator() {
    let service = Service::started();
    let address = service.invitation(["--app", "mail-backup"]);
    let (employee, administrator) = (service.browser(), service.browser());
    assert!(employee.open(&address).await.text().contains("not an administrator"));
    let started = employee.press(&address, "mail-backup").await;
    let link = administrator.press(&address, "mail-backup").await;
    assert_ne!(started, link, "each press has its own ticket");
    // The administrator first uses the tab that the employee left at Microsoft's page, and then the link itself.
    assert_eq!(administrator.decide(&started, demo::CONTOSO, "accept").await.outcome(), "granted");
    let bindings =
        |records: &[Value]| records.iter().filter_map(|record| record["binding"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(bindings(&service.records()), ["mismatch", "mismatch"], "recorded without an effect on the approval");
    // A second acceptance within 10 s needs a new check, because the first check began before this claim.
    assert!(["granted", "pending"].contains(&&*administrator.decide(&link, demo::CONTOSO, "accept").await.outcome()));
    assert_eq!(bindings(&service.records())[2..4], ["browser", "browser"]);
    let invitations: std::collections::BTreeSet<_> = service.records().iter().map(|record| record["invitation"].to_string()).collect();
    assert_eq!(invitations.len(), 1);
}

#[tokio::test]
async fn what_is_approved_already_is_said_without_a_trip_to_microsoft() {
    let service = Service::started();
    service.control.apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None }).unwrap();
    let address = service.invitation(["--app", "mail-backup"]);
    let browser = service.browser();
    let found = browser.press(&address, "mail-backup").await;
    assert!(found.starts_with(&format!("{BASE_URL}/r/")), "{found}");
    assert_eq!(browser.open(&found).await.outcome(), "granted");
    assert_eq!(service.control.count(Kind::ConsentPage), 0);
    assert_eq!(service.events(), ["started", "concluded"]);
}

#[tokio::test]
async fn a_chain_of_three_goes_on_after_a_decline_from_the_same_link_and_another_process() {
    let mut service = Service::started();
    let address = service.invitation(["--chain", "onboarding"]);
    let report = {
        let browser = service.browser();
        let text = browser.open(&address).await.text();
        for name in ["Onboarding", "Northwind Reader", "Northwind Mail Backup", "Apple Internet Accounts"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        let link = browser.press(&address, "reader").await;
        let page = browser.decide(&link, demo::CONTOSO, "accept").await;
        assert_eq!(page.outcome(), "granted");
        let link = browser.press(&address, "mail-backup").await;
        assert_eq!(browser.decide(&link, demo::CONTOSO, "cancel").await.outcome(), "declined");
        let report = format!("{}/chain", page.url);
        let half = browser.open(&report).await;
        assert_eq!((half.status.as_u16(), attribute(&half.body, "main", "data-chain").unwrap().as_str()), (202, "half_done"));
        report
    };
    service.restart();
    let watched = {
        let browser = service.browser();
        let link = browser.press(&address, "mail-backup").await;
        assert_eq!(browser.decide(&link, demo::CONTOSO, "accept").await.outcome(), "granted");
        let watched = browser.press(&address, "apple").await;
        assert!(watched.starts_with(&format!("{BASE_URL}/w/")), "{watched}");
        let page = browser.open(&watched).await;
        let consent = attribute(&page.body, "a[target=_blank]", "href").unwrap();
        browser.decide(&consent, demo::CONTOSO, "accept").await;
        watched
    };
    service.restart();
    let browser = service.browser();
    assert_eq!(browser.open(&watched).await.outcome(), "granted");
    let done = browser.open(&report).await;
    assert_eq!((done.status.as_u16(), attribute(&done.body, "main", "data-chain").unwrap().as_str()), (200, "done"));
    assert!(browser.press(&address, "reader").await.starts_with(&format!("{BASE_URL}/r/")), "each step can be repeated");
    let records = service.records();
    assert!(records.iter().all(|record| record["chain"] == "onboarding" && record["invitation"] == records[0]["invitation"]));
}

#[tokio::test]
async fn a_chain_that_was_declined_yesterday_is_resumed_today_from_the_same_link() {
    let mut service = Service::new();
    service.serve_in_the_past(DAY).await;
    let installation = service.site_behind(DAY);
    let (subject, tenant) = (Subject::Chain(ProfileId::parse("onboarding").unwrap()), ExpectedTenant::Tenant(same_id(demo::CONTOSO)));
    let life = installation.config.links.invitation;
    let (_, address) = installation.invitation(subject, tenant, Label::parse("Contoso GmbH").ok(), None, life).await.unwrap();
    let report = {
        let browser = service.browser();
        let link = browser.press(&address, "reader").await;
        let page = browser.decide(&link, demo::CONTOSO, "accept").await;
        assert_eq!(page.outcome(), "granted");
        let link = browser.press(&address, "mail-backup").await;
        assert_eq!(browser.decide(&link, demo::CONTOSO, "cancel").await.outcome(), "declined");
        let report = format!("{}/chain", page.url);
        let half = browser.open(&report).await;
        assert_eq!(
            attribute(&half.body, "a.primary", "href").unwrap(),
            format!("{address}#step-2"),
            "the same link leads to the next step"
        );
        report
    };
    let yesterday = service.records().len();
    service.start_in_the_present().await;
    let half = service.browser().open(&report).await;
    assert_eq!(attribute(&half.body, "main", "data-chain").unwrap(), "half_done");
    assert!(
        half.text().contains("Open the link again from the original message"),
        "another browser does not get the link: {}",
        half.text()
    );
    assert!(!half.body.contains(&address));
    service.restart();
    let browser = service.browser();
    let link = browser.press(&address, "mail-backup").await;
    assert_eq!(browser.decide(&link, demo::CONTOSO, "accept").await.outcome(), "granted");
    service.control.apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APPLE, permissions: None }).unwrap();
    assert!(browser.press(&address, "apple").await.starts_with(&format!("{BASE_URL}/r/")), "approved already");
    service.restart();
    let done = service.browser().open(&report).await;
    assert_eq!(attribute(&done.body, "main", "data-chain").unwrap(), "done", "{}", done.text());
    let records = service.records();
    let at = |record: &Value| time::OffsetDateTime::parse(record["at"].as_str().unwrap(), &time::format_description::well_known::Rfc3339);
    assert!(at(&records[yesterday]).unwrap() - at(&records[yesterday - 1]).unwrap() > DAY - Duration::from_secs(3_600));
    assert!(records.iter().all(|record| record["invitation"] == records[0]["invitation"]));
}

#[tokio::test]
async fn apple_from_the_invitation_to_verified_through_the_dead_end_after_accept() {
    let mut service = Service::started();
    service.control.apply(Change::Grant { tenant: demo::CONTOSO, app: READER, permissions: None }).unwrap();
    let address = service.invitation(["--app", "apple"]);
    let (watched, consent) = {
        let browser = service.browser();
        let text = browser.open(&address).await.text();
        assert!(text.contains("Exchange Web Services") && text.contains("not by Northwind Managed Services"), "{text}");
        let watched = browser.press(&address, "apple").await;
        let page = browser.open(&watched).await;
        assert_eq!((page.outcome().as_str(), page.header("refresh")), ("pending", Some("15")));
        assert!(page.text().contains("AADSTS900561") && page.text().contains("not listed so far"), "{}", page.text());
        assert_eq!(attribute(&page.body, "a[target=_blank]", "rel").unwrap(), "noopener noreferrer");
        assert_eq!(attribute(&page.body, "p.users", "data-users-may-approve").unwrap(), "yes", "seen with Policy.Read.All");
        (watched, attribute(&page.body, "a[target=_blank]", "href").unwrap())
    };
    assert_eq!(service.records().last().unwrap()["finding"]["users_may_consent"], "yes");

    // A user's own approval lists the app and does not count as the tenant's.
    let user = service.control.user(demo::CONTOSO, UserRole::User).unwrap();
    let mail = vec![PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], &["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"])];
    service.control.apply(Change::UserConsent { tenant: demo::CONTOSO, app: demo::APPLE, user, permissions: mail }).unwrap();
    service.restart();
    let page = service.browser().open(&watched).await;
    assert_eq!(page.outcome(), "pending");
    assert!(page.text().contains("listed under Enterprise applications"), "{}", page.text());

    let end = service.browser().decide(&consent, demo::CONTOSO, "accept").await;
    assert!(!end.header("location").is_some_and(|end| end.starts_with(BASE_URL)), "Microsoft does not redirect back");
    service.restart();
    let page = service.browser().open(&watched).await;
    assert_eq!((page.outcome().as_str(), page.header("refresh")), ("granted", None));
    assert_eq!(last(&service.records()), (json!("pending"), json!("granted")));
}

#[tokio::test]
async fn apple_that_was_verified_yesterday_is_found_blocked_disabled_and_deleted_today() {
    let mut service = Service::new();
    service.serve_in_the_past(DAY).await;
    service.control.apply(Change::Grant { tenant: demo::CONTOSO, app: READER, permissions: None }).unwrap();
    let installation = service.site_behind(DAY);
    let tenant = ExpectedTenant::Tenant(same_id(demo::CONTOSO));
    let (_, address) = installation
        .invitation(Subject::App(ProfileId::parse("apple").unwrap()), tenant, None, None, installation.config.links.invitation)
        .await
        .unwrap();
    let found = {
        let browser = service.browser();
        let watched = browser.press(&address, "apple").await;
        let page = browser.open(&watched).await;
        let consent = attribute(&page.body, "a[target=_blank]", "href").unwrap();
        browser.decide(&consent, demo::CONTOSO, "accept").await;
        service.advance(NEXT_CHECK);
        let page = browser.open(&watched).await;
        assert_eq!(page.outcome(), "granted");
        page.url
    };
    service.start_in_the_present().await;
    assert_eq!(service.browser().open(&found).await.outcome(), "granted");

    // A user asks for more, and the reviewer blocks the app.
    let consent = installation.config.apps[2].companion.as_ref().unwrap().consent_address(tenant).unwrap();
    let user = service.control.user(demo::CONTOSO, UserRole::User).unwrap().to_string();
    let asking = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    asking.post(consent).form(&[("user", user.as_str()), ("do", "request")]).send().await.unwrap();
    let (tenant, app) = (demo::CONTOSO, demo::APPLE);
    for (change, outcome) in [
        (Change::Review { tenant, app, decision: ReviewDecision::Block }, "disabled"),
        (Change::Enable { tenant, app }, "granted"),
        (Change::Disable { tenant, app }, "disabled"),
        (Change::Delete { tenant, app }, "revoked"),
    ] {
        service.control.apply(change.clone()).unwrap();
        service.restart();
        assert_eq!(service.browser().open(&found).await.outcome(), outcome, "{change:?}");
        if outcome != "granted" {
            assert_eq!(last(&service.records()), (json!("granted"), json!(outcome)), "{change:?}");
        }
    }
}

#[tokio::test]
async fn a_link_for_any_tenant_awaits_confirmation_and_is_never_granted() {
    let service = Service::started();
    let (address, _) = service.link(&["--app", "mail-backup", "--any-tenant", "--label", "Whoever comes"]);
    assert_eq!(service.control.upstream_calls(), 0, "no tenant to check");
    let browser = service.browser();
    let link = browser.press(&address, "mail-backup").await;
    assert!(link.contains("/organizations/v2.0/adminconsent?"), "{link}");
    let page = browser.decide(&link, demo::FABRIKAM, "accept").await;
    assert_eq!((page.status.as_u16(), page.outcome().as_str()), (202, "awaiting_confirmation"));
    assert_eq!(service.control.upstream_calls(), 0);
    let records = service.records();
    assert_eq!(last(&records), (Value::Null, json!("awaiting_confirmation")));
    assert_eq!(records.last().unwrap()["returned_tenant"], json!(demo::FABRIKAM), "for the operator who confirms it");
    for what in [["--app", "apple"], ["--chain", "onboarding"]] {
        let told = service.refused_link(&[what[0], what[1], "--any-tenant"]);
        assert!(told.contains("`apple` is a companion app") && told.contains("try: --tenant instead"), "{told}");
    }
}

#[tokio::test]
async fn unusable_links_name_the_contact() {
    let mut service = Service::started();
    let (address, id) = service.link(&["--app", "mail-backup", "--tenant", "contoso.example"]);
    let kept = service.invitation(["--app", "mail-backup"]);
    assert_eq!(service.browser().open(&address).await.status.as_u16(), 200);
    let (front, token) = address.rsplit_once('/').unwrap();
    let foreign = format!("{front}/{}", token.replace('.', "x."));
    let a_month_ago = service.site_behind(31 * DAY);
    let (subject, tenant) = (Subject::App(ProfileId::parse("mail-backup").unwrap()), ExpectedTenant::Tenant(same_id(demo::CONTOSO)));
    let (_, ended) = a_month_ago.invitation(subject, tenant, None, None, 30 * DAY).await.unwrap();
    service.configure(&format!("links.revoked = [\"{id}\"]"));
    service.restart();
    let asked = service.control.upstream_calls();
    let browser = service.browser();
    for (address, status, outcome) in [(&ended, 410, "link_expired"), (&address, 410, "link_revoked"), (&foreign, 400, "link_damaged")] {
        let page = browser.open(address).await;
        assert_eq!((page.status.as_u16(), page.outcome().as_str()), (status, outcome));
        assert!(page.text().contains("support@northwind.example"), "{outcome}: {}", page.text());
    }
    assert_eq!(browser.open(&kept).await.status.as_u16(), 200, "the others still work");
    assert_eq!(service.control.upstream_calls(), asked);
}
