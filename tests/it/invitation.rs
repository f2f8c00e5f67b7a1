//! Invitations, from the mailed link to the verified approval: scanners, forwarded links, wrong accounts, chains and companions.

use entra_consent::consent::{ExpectedTenant, Label, ProfileId};
use entra_consent::token::{Invitation, Subject, Ticket};
use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind, PermissionSet, ReviewDecision, UserRole, demo};
use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::json;
use time::macros::datetime;
use url::Url;

use super::support::northwind::{APPLE_AND_CHAIN, BY_ITSELF, DIRECTORY_AND_REQUESTS, USUAL, mail_backup, reader};
use super::support::stage::{Options, Page, READER, Stage, ticket_of};
use crate::support::same_id;

const DAY: u64 = 86_400;
const NEXT_CHECK: u64 = 31;

fn options() -> Options {
    Options { apps: Some(apps()), ..Options::default() }
}

fn apps() -> String {
    [reader(DIRECTORY_AND_REQUESTS), mail_backup(BY_ITSELF, USUAL), APPLE_AND_CHAIN.into()].concat()
}

fn app(id: &str) -> Subject {
    Subject::App(ProfileId::parse(id).unwrap())
}

async fn invite(stage: &Stage, subject: Subject, tenant: ExpectedTenant) -> String {
    let label = Some(Label::parse("Contoso GmbH").unwrap());
    let (_, address) =
        stage.installation.invitation(subject, tenant, label, None, stage.installation.config.links.invitation).await.unwrap();
    assert!(address.len() <= 700, "{}", address.len());
    address
}

async fn invited(stage: &Stage) -> String {
    invite(stage, app("mail-backup"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await
}

/// Presses the button, with the cookie of an earlier press if there is one.
async fn press(stage: &Stage, address: &str, step: &str, cookie: Option<&str>) -> Page {
    let request = stage.http.post(address).form(&[("step", step)]);
    let request = match cookie {
        Some(cookie) => request.header("cookie", cookie),
        None => request,
    };
    stage.read(request.send().await.unwrap()).await
}

fn cookie(page: &Page) -> String {
    page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// Accepts at the address behind the button, and comes back with the cookie.
async fn accept(stage: &Stage, started: &Page, cookie: Option<&str>) -> Page {
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    come_back(stage, &link, demo::CONTOSO, "accept", cookie).await
}

async fn come_back(stage: &Stage, link: &Url, tenant: entra_sandbox::TenantId, what: &str, cookie: Option<&str>) -> Page {
    let answer = stage.decide(link, tenant, UserRole::Administrator, what).await;
    let callback = answer.headers()["location"].to_str().unwrap().to_owned();
    let request = match cookie {
        Some(cookie) => stage.http.get(&callback).header("cookie", cookie),
        None => stage.http.get(&callback),
    };
    let answer = stage.read(request.send().await.unwrap()).await;
    visit(stage, answer.header("location").unwrap(), cookie).await
}

/// Opens a result page with a cookie, or without one as in a private window.
async fn visit(stage: &Stage, address: &str, cookie: Option<&str>) -> Page {
    let request = stage.http.get(address);
    let page =
        stage.read(cookie.map_or(request.try_clone().unwrap(), |cookie| request.header("cookie", cookie)).send().await.unwrap()).await;
    match page.header("location").filter(|next| next.starts_with(&stage.base)) {
        Some(next) => Box::pin(visit(stage, next, cookie)).await,
        None => page,
    }
}

fn events(stage: &Stage) -> Vec<String> {
    stage.records().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_page_explains_the_request_without_a_call() {
    let stage = Stage::with(options()).await;
    let page = stage.get(&invited(&stage).await).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = page.text();
    for words in [
        "Northwind Managed Services",
        "Northwind Mail Backup",
        "Contoso GmbH",
        "Reads all mail in every mailbox",
        "Read mail in all mailboxes",
        "Privileged Role Administrator",
        "Global Administrator",
    ] {
        assert!(text.contains(words), "{words} is not on: {text}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("form-action") && policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(page.header("set-cookie"), None);
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!(events(&stage), ["seen"]);
    let record = stage.last_record();
    assert_eq!((&record["app"], &record["tenant"]), (&json!("mail-backup"), &json!(demo::CONTOSO)));
}

#[tokio::test]
async fn mail_scanners_never_use_up_a_link() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    assert_eq!(stage.http.head(&address).send().await.unwrap().status(), StatusCode::OK);
    for _ in 0..2 {
        stage.get(&address).await;
        stage.http.get(&address).header("sec-purpose", "prefetch").send().await.unwrap();
    }
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!(stage.http.put(&address).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let pressed = press(&stage, &address, "mail-backup", None).await;
    assert_eq!(pressed.status, StatusCode::SEE_OTHER, "a scanner that presses the button gets its own ticket, without effect");
    let page = accept(&stage, &press(&stage, &address, "mail-backup", None).await, None).await;
    assert_eq!(page.outcome(), "granted");
}

#[tokio::test]
async fn the_button_binds_the_browser_and_leads_to_the_expected_tenant() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let started = press(&stage, &address, "mail-backup", None).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER);
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    assert_eq!(link.path(), format!("/{}/v2.0/adminconsent", demo::CONTOSO));
    let set = started.header("set-cookie").unwrap();
    // The cookie lives as long as the ticket, plus the day in which a late callback is still verified.
    for attribute in ["__Host-entra-consent=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=93600"] {
        assert!(set.contains(attribute), "{attribute} is not in {set}");
    }
    assert!(!set.contains("Domain"));
    let cookie = cookie(&started);
    let page = accept(&stage, &started, Some(&cookie)).await;
    assert_eq!(page.outcome(), "granted");
    assert!(page.text().contains("Contoso"), "the browser that pressed the button may see the organisation: {}", page.text());
    let records = stage.records();
    let bindings: Vec<_> = records.iter().filter_map(|record| record["binding"].as_str()).collect();
    assert_eq!(bindings, ["browser", "browser"]);
    assert_eq!(events(&stage), ["started", "claimed", "concluded"]);
    assert!(records.iter().all(|record| record["invitation"] == records[0]["invitation"]));

    stage.advance(10);
    let another_tab = press(&stage, &address, "mail-backup", Some(&cookie)).await;
    assert!(another_tab.header("location").unwrap().contains("/r/"), "already approved");
}

#[tokio::test]
async fn only_a_press_that_went_nowhere_reads_already_approved() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let started = press(&stage, &address, "mail-backup", None).await;
    let ticket = ticket_of(&started.header("location").unwrap().parse().unwrap());
    assert_eq!(accept(&stage, &started, None).await.outcome(), "granted");
    stage.advance(40);
    // The page of this visit may not say that the reader was not sent to Microsoft.
    let returned = stage.claim(&ticket, "").await;
    assert_eq!(returned.outcome(), "granted");
    assert!(returned.text().contains("Approved and confirmed") && !returned.text().contains("Already approved"), "{}", returned.text());
    stage.advance(40);
    let again = press(&stage, &address, "mail-backup", None).await;
    let page = stage.get(again.header("location").unwrap()).await;
    assert!(page.text().contains("Already approved"), "{}", page.text());
}

#[tokio::test]
async fn a_missing_or_foreign_cookie_is_harmless() {
    for sent in
        [None, Some("__Host-entra-consent=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Some("other=1; __Host-entra-consent=\"; x")]
    {
        let stage = Stage::with(options()).await;
        let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
        let page = accept(&stage, &started, sent).await;
        assert_eq!(page.outcome(), "granted", "{sent:?}");
        assert!(!page.text().contains("Contoso"), "{}", page.text());
        assert_eq!(stage.last_record()["binding"], if sent.is_some() { "mismatch" } else { "none" });
    }
}

#[tokio::test]
async fn only_the_cookie_as_it_was_set_binds_the_browser() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let (ours, other) = (cookie(&press(&stage, &address, "mail-backup", None).await), "a".repeat(87));
    let value = ours.strip_prefix("__Host-entra-consent=").unwrap();
    for (sent, binding) in [
        (format!("__Host-entra-consent={other}; {ours}"), "mismatch"),
        (format!("__Host-entra-consent=\"{value}\""), "mismatch"),
        (format!("__Host-entra-consent={value}x"), "mismatch"),
        (format!("__host-entra-consent={value}"), "none"),
        (format!("\u{a0}__Host-entra-consent={value}"), "none"),
        (format!("entra-consent={value}"), "none"),
        (format!("x=__Host-entra-consent={value}"), "none"),
        (ours.clone(), "browser"),
    ] {
        let stage = Stage::with(options()).await;
        let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
        let sent = sent.replace(value, cookie(&started).strip_prefix("__Host-entra-consent=").unwrap());
        let page = accept(&stage, &started, Some(&sent)).await;
        assert_eq!((page.outcome().as_str(), stage.last_record()["binding"].as_str()), ("granted", Some(binding)), "{sent:?}");
        assert_eq!(page.text().contains("Contoso"), binding == "browser", "{sent:?}");
    }
}

#[tokio::test]
async fn one_secret_serves_all_tabs() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let first = press(&stage, &address, "mail-backup", None).await;
    let second = press(&stage, &address, "mail-backup", Some(&cookie(&first))).await;
    assert_eq!(cookie(&first), cookie(&second));
    assert_eq!(accept(&stage, &first, Some(&cookie(&second))).await.outcome(), "granted");
    assert_eq!(stage.last_record()["binding"], "browser");
}

#[tokio::test]
async fn a_cookie_that_is_no_secret_of_ours_is_replaced() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let well_formed = format!("{}.{}", "a".repeat(43), "a".repeat(43));
    for value in ["", "short", &"a".repeat(43), &"a".repeat(44), &well_formed] {
        let set = cookie(&press(&stage, &address, "mail-backup", Some(&format!("__Host-entra-consent={value}"))).await);
        let secret = set.strip_prefix("__Host-entra-consent=").unwrap();
        assert!(secret.len() == 87 && !secret.starts_with("aaaa"), "{value:?} became {secret:?}");
        assert_eq!(cookie(&press(&stage, &address, "mail-backup", Some(&set)).await), set);
    }
}

#[tokio::test]
async fn what_is_approved_already_is_said_without_a_trip_to_microsoft() {
    let stage = Stage::with(options()).await;
    stage.grant(demo::CONTOSO, demo::APP);
    let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
    let address = started.header("location").unwrap();
    assert!(address.starts_with(&format!("{}/r/", stage.base)), "{address}");
    assert_eq!(stage.get(address).await.outcome(), "granted");
    assert_eq!(stage.control.count(Kind::ConsentPage), 0);
    assert_eq!(events(&stage), ["started", "concluded"]);
}

#[tokio::test]
async fn each_existing_approval_is_published_every_20_minutes() {
    let stage = Stage::with(Options { queue: true, ..options() }).await;
    stage.grant(demo::CONTOSO, READER);
    stage.grant(demo::CONTOSO, demo::APP);
    let address =
        invite(&stage, Subject::Chain(ProfileId::parse("onboarding").unwrap()), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let mut tickets = Vec::new();
    for wait in [0, 20 * 60 - 11, 11] {
        stage.advance(wait);
        for app in ["reader", "mail-backup"] {
            press(&stage, &address, app, None).await;
            let concluded = stage.records().into_iter().rfind(|record| record["event"] == "concluded").unwrap();
            tickets.push((concluded["app"].to_string(), concluded["ticket"].to_string()));
        }
    }
    assert_eq!(tickets[..2], tickets[2..4], "presses within 20 minutes share a ticket");
    let matters: std::collections::BTreeSet<_> = tickets.iter().map(|(_, ticket)| ticket).collect();
    assert_eq!((matters.len(), stage.outbox.events().len()), (4, 4), "two apps, twice");
    let seen = &stage.records()[0]["invitation"];
    assert!(seen.is_string() && stage.outbox.events().iter().all(|event| event["correlation"]["invitation"] == *seen), "{seen}");
}

#[tokio::test]
async fn a_chain_is_not_begun_anywhere_without_saying_which_app() {
    let stage = Stage::with(options()).await;
    let chain = Subject::Chain(ProfileId::parse("onboarding").unwrap());
    let address = invite(&stage, chain, ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let page = stage.read(stage.http.post(&address).send().await.unwrap()).await;
    assert_eq!((page.outcome().as_str(), &stage.last_record()["rejection"]["reason"]), ("link_damaged", &json!("unknown_step")));
}

#[tokio::test]
async fn a_companion_needs_a_known_tenant() {
    let stage = Stage::with(options()).await;
    let page = press(&stage, &invite(&stage, app("apple"), ExpectedTenant::Any).await, "apple", None).await;
    let reason = stage.last_record()["rejection"]["reason"].clone();
    assert_eq!((page.outcome().as_str(), reason), ("link_damaged", json!("companion_without_tenant")));
}

#[tokio::test]
async fn a_watched_companion_goes_on_being_watched_at_the_address_that_remembers_a_change() {
    let stage = Stage::with(options()).await;
    stage.grant(demo::CONTOSO, READER);
    let address = invite(&stage, app("apple"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let started = press(&stage, &address, "apple", None).await;
    stage.grant(demo::CONTOSO, demo::APPLE);
    stage.advance(NEXT_CHECK);
    let moved = stage.get(started.header("location").unwrap()).await;
    let location = moved.header("location").unwrap();
    assert!(location.starts_with(&format!("{}/w/", stage.base)), "{location}");
    let page = stage.get(location).await;
    assert_eq!((page.outcome().as_str(), page.header("refresh")), ("granted", None), "the watch page is complete");
}

#[tokio::test]
async fn the_cookie_is_found_in_whichever_header_it_comes() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let ours = cookie(&press(&stage, &address, "mail-backup", None).await);
    let request = stage.http.post(&address).form(&[("step", "mail-backup")]).header("cookie", "other=1").header("cookie", &ours);
    assert_eq!(cookie(&stage.read(request.send().await.unwrap()).await), ours);
}

#[tokio::test]
async fn a_foreign_cookie_of_any_bytes_leaves_ours_in_force() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let ours = cookie(&press(&stage, &address, "mail-backup", None).await);
    for foreign in [&b"theme=\xe9"[..], "theme=é".as_bytes()] {
        for sent in [[foreign, ours.as_bytes()], [ours.as_bytes(), foreign]] {
            let sent = reqwest::header::HeaderValue::from_bytes(&sent.join(&b"; "[..])).unwrap();
            let request = stage.http.post(&address).form(&[("step", "mail-backup")]).header("cookie", sent);
            assert_eq!(cookie(&stage.read(request.send().await.unwrap()).await), ours);
        }
    }
    let both = format!("theme=é; {ours}");
    let started = press(&stage, &address, "mail-backup", Some(&both)).await;
    let page = accept(&stage, &started, Some(&both)).await;
    assert!(page.text().contains("Contoso"), "{}", page.text());
    assert_eq!(stage.last_record()["binding"], "browser");
}

#[tokio::test]
async fn a_slow_microsoft_does_not_delay_the_button() {
    let stage = Stage::with(options()).await;
    stage.grant(demo::CONTOSO, demo::APP);
    stage.control.fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 1_600 })).unwrap();
    let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
    assert!(started.header("location").unwrap().contains("/adminconsent"), "a second approval is harmless, but waiting is not");
}

#[tokio::test]
async fn an_administrator_of_another_organisation_gets_the_same_link_for_another_window() {
    let stage = Stage::with(options()).await;
    let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    let page = come_back(&stage, &link, demo::FABRIKAM, "accept", Some(&cookie(&started))).await;
    assert_eq!(page.outcome(), "wrong_account");
    let html = Html::parse_document(&page.body);
    let again = html.select(&Selector::parse("a[href*='/i/']").unwrap()).next().unwrap_or_else(|| panic!("{}", page.body));
    let again = Url::parse(&stage.base).unwrap().join(again.attr("href").unwrap()).unwrap();
    assert!(page.body.contains("/oauth2/v2.0/logout"), "Microsoft's sign-out is offered");
    let fresh = stage.get(again.as_str()).await;
    assert_eq!(fresh.status, StatusCode::OK, "signed again from the ticket");
    assert!(fresh.text().contains("Contoso GmbH"));
    stage.advance(1);
    let page = accept(&stage, &press(&stage, again.as_str(), "mail-backup", None).await, None).await;
    assert_eq!(page.outcome(), "granted");
    let invitations: std::collections::BTreeSet<_> = stage.records().iter().map(|record| record["invitation"].to_string()).collect();
    assert_eq!(invitations.len(), 1, "all records name the same invitation");
}

#[tokio::test]
async fn result_page_names_the_organisation_to_the_pressing_browser() {
    let stage = Stage::with(options()).await;
    let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
    let ours = cookie(&started);
    let page = accept(&stage, &started, Some(&ours)).await;
    let another = "__Host-entra-consent=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (sent, named) in [(Some(ours.as_str()), true), (None, false), (Some(another), false), (Some(&ours), true)] {
        let page = visit(&stage, &page.url, sent).await;
        assert_eq!((page.outcome().as_str(), page.text().contains("Contoso")), ("granted", named), "{sent:?}: {}", page.text());
    }
    // The private window sees a change first. At the same address, the browser that pressed the button also sees the name.
    stage.change(Change::Disable { tenant: demo::CONTOSO, app: demo::APP });
    stage.advance(31);
    let changed = visit(&stage, &page.url, None).await;
    assert_eq!((changed.outcome().as_str(), changed.text().contains("Contoso")), ("disabled", false));
    assert!(visit(&stage, &changed.url, Some(&ours)).await.text().contains("Contoso"));
}

#[tokio::test]
async fn another_tenant_names_the_expected_one_only_to_the_browser_that_set_out() {
    for (with_cookie, named) in [(true, true), (false, false)] {
        let stage = Stage::with(options()).await;
        let started = press(&stage, &invited(&stage).await, "mail-backup", None).await;
        let link = Url::parse(started.header("location").unwrap()).unwrap();
        let state = super::support::stage::ticket_of(&link);
        let url = format!("{}/callback?admin_consent=True&tenant={}&state={state}", stage.base, demo::FABRIKAM);
        let request = stage.http.get(url);
        let request = if with_cookie { request.header("cookie", cookie(&started)) } else { request };
        let answer = stage.read(request.send().await.unwrap()).await;
        let ours = cookie(&started);
        let page = visit(&stage, answer.header("location").unwrap(), with_cookie.then_some(&ours)).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::CONFLICT, "wrong_tenant"));
        assert_eq!(page.text().contains("Contoso GmbH"), named, "{}", page.text());
        assert!(!page.body.contains("Fabrikam"));
    }
}

#[tokio::test]
async fn unusable_invitations_get_a_page_without_a_call() {
    let stage = Stage::with(options()).await;
    let address = invited(&stage).await;
    let (front, token) = address.rsplit_once('/').unwrap();
    let direct = stage.ticket(demo::CONTOSO).await;
    let damaged =
        [format!("{front}/x{token}"), format!("{front}/{}", token.to_lowercase()), format!("{front}/{direct}"), format!("{front}/x.y.z")];
    for url in &damaged {
        let page = stage.get(url).await;
        assert_eq!((page.status, page.outcome().as_str()), (StatusCode::BAD_REQUEST, "link_damaged"), "{url}");
        assert_eq!(press(&stage, url, "mail-backup", None).await.outcome(), "link_damaged");
    }
    assert_eq!(press(&stage, &address, "reader", None).await.outcome(), "link_damaged", "a step that is not of this invitation");
    stage.advance(31 * DAY);
    let page = stage.get(&address).await;
    assert_eq!((page.status, page.outcome().as_str()), (StatusCode::GONE, "link_expired"));
    assert_eq!(press(&stage, &address, "mail-backup", None).await.outcome(), "link_expired");
    assert!(page.text().contains("support@northwind.example"), "names the contact: {}", page.text());

    let record = stage.last_record();
    assert_eq!(
        (&record["rejection"]["reason"], &record["label"]),
        (&json!("link_expired"), &json!("Contoso GmbH")),
        "the record names the link"
    );

    let by_date = Options { more: "[links]\nrevoked_before = \"2026-11-21T00:00:00Z\"".into(), ..options() };
    let stage = Stage::with(by_date).await;
    let page = stage.get(&invited(&stage).await).await;
    assert_eq!(page.outcome(), "link_revoked");
    assert!(page.text().contains("support@northwind.example"), "names the contact: {}", page.text());
    assert_eq!(stage.last_record()["tenant"], json!(demo::CONTOSO));
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn what_came_of_an_invitation_is_taken_back_by_date_with_it() {
    // The link is signed before the revocation time, and pressed and answered after it.
    let more = "[links]\nrevoked_before = \"2026-11-20T18:00:00Z\"".to_owned();
    let stage = Stage::with(Options { more, ..options() }).await;
    let tenant = ExpectedTenant::Tenant(same_id(demo::CONTOSO));
    let invitation = Invitation {
        id: stage.installation.new_id(),
        issued_at: stage.installation.clock.now_unix(),
        expires_at: stage.installation.clock.now_unix() + 30 * DAY,
        subject: app("mail-backup"),
        tenant,
        label: None,
        reference: None,
    };
    stage.advance(DAY);
    let keys = stage.installation.keys().await.unwrap();
    let signer = stage.installation.signer(&keys);
    let ticket = Ticket {
        id: stage.installation.new_id(),
        issued_at: signer.now,
        expires_at: signer.now + 3_600,
        expectation: invitation.expectation(ProfileId::parse("mail-backup").unwrap()),
        browser: None,
    };
    let page = stage.claim_success(&ticket.issue(signer).unwrap(), demo::CONTOSO).await;
    assert_eq!(page.outcome(), "link_revoked");
    let again = Invitation::again(&ticket.expectation, signer.now).unwrap();
    assert_eq!(again, invitation, "signing again from the ticket gives the same invitation");
    assert_eq!(stage.get(&again.address(signer).unwrap()).await.outcome(), "link_revoked");
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn an_invitation_for_any_tenant_is_never_granted() {
    let stage = Stage::with(options()).await;
    let started = press(&stage, &invite(&stage, app("mail-backup"), ExpectedTenant::Any).await, "mail-backup", None).await;
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    assert_eq!(link.path(), "/organizations/v2.0/adminconsent");
    let page = come_back(&stage, &link, demo::FABRIKAM, "accept", Some(&cookie(&started))).await;
    assert_eq!(page.outcome(), "awaiting_confirmation");
    assert_eq!(stage.control.count(Kind::Token), 0);
}

#[tokio::test]
async fn a_watch_page_stops_looking_by_itself_when_an_absence_is_no_lag_any_more() {
    let stage = Stage::with(options()).await;
    stage.grant(demo::CONTOSO, READER);
    let address = invite(&stage, app("apple"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let started = press(&stage, &address, "apple", None).await;
    let watch = started.header("location").unwrap().to_owned();
    stage.advance(19 * 60);
    assert_eq!(stage.open(&watch).await.header("refresh"), Some("15"));
    stage.advance(60);
    let page = stage.open(&watch).await;
    assert_eq!(
        (page.header("refresh"), page.body.contains("href=\"?\"")),
        (None, true),
        "from here on a person has to reload: {}",
        page.body
    );
}

#[tokio::test]
async fn the_notice_on_exchange_web_services_follows_the_calendar_and_ends() {
    let stage = Stage::with(options()).await;
    let mut seen = Vec::new();
    for at in
        [datetime!(2026-09-30 23:59 UTC), datetime!(2026-10-01 0:00 UTC), datetime!(2027-03-31 23:59 UTC), datetime!(2027-04-01 0:00 UTC)]
    {
        stage.clock.set(at);
        let text = stage.open(&invite(&stage, app("apple"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await).await.text();
        let phones = text.contains("iPhones and iPads are not affected, Macs are.");
        assert_eq!(phones, text.contains("Set-OrganizationConfig -EwsAllowedAppIDs"), "{text}");
        seen.push((
            text.contains("From 1 October 2026, Microsoft blocks"),
            text.contains("Since 1 October 2026, Microsoft blocks"),
            phones,
        ));
    }
    assert_eq!(seen, [(true, false, true), (false, true, true), (false, true, true), (false, false, false)]);
}

#[tokio::test]
async fn apple_from_the_invitation_to_verified_and_then_blocked_disabled_and_deleted() {
    let stage = Stage::with(options()).await;
    stage.grant(demo::CONTOSO, READER);
    let address = invite(&stage, app("apple"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let text = stage.get(&address).await.text();
    assert!(text.contains("Exchange Web Services") && text.contains("Apple Internet Accounts"), "{text}");
    let started = press(&stage, &address, "apple", None).await;
    let watch = started.header("location").unwrap().to_owned();
    assert!(watch.starts_with(&format!("{}/w/", stage.base)), "{watch}");
    let page = stage.get(&watch).await;
    assert_eq!(page.header("refresh"), Some("15"));
    assert!(page.text().contains("AADSTS900561"), "{}", page.text());
    let html = Html::parse_document(&page.body);
    let link = html
        .select(&Selector::parse("a[target=_blank]").unwrap())
        .find(|link| link.attr("href").unwrap().contains("adminconsent"))
        .unwrap();
    assert!(link.attr("rel").unwrap().contains("noopener"));
    let consent = Url::parse(link.attr("href").unwrap()).unwrap();
    assert!(consent.as_str().contains(&demo::APPLE.to_string()));

    // A user's own approval does not count.
    let user = stage.control.user(demo::CONTOSO, UserRole::User).unwrap();
    let scopes =
        vec![PermissionSet::of(entra_sandbox::ResourceId::EXCHANGE_ONLINE, &[], &["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"])];
    stage.change(Change::UserConsent { tenant: demo::CONTOSO, app: demo::APPLE, user, permissions: scopes });
    stage.advance(NEXT_CHECK);
    assert_ne!(stage.open(&watch).await.outcome(), "granted");

    // The administrator accepts. Microsoft ends on an error page, and the watch page still finds the approval.
    let end = stage.decide(&consent, demo::CONTOSO, UserRole::Administrator, "accept").await;
    let end = end.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    assert!(end.as_ref().is_none_or(|end| !end.starts_with(&stage.base)), "Microsoft does not redirect back: {end:?}");
    stage.advance(NEXT_CHECK);
    let page = stage.open(&watch).await;
    assert_eq!(page.outcome(), "granted", "{}", page.text());
    assert_eq!(page.header("refresh"), None);
    let found = page.url.clone();
    // A user requests approval, and the reviewer blocks the app instead.
    stage.decide(&consent, demo::CONTOSO, UserRole::User, "request").await;
    for (change, outcome) in [
        (Change::Review { tenant: demo::CONTOSO, app: demo::APPLE, decision: ReviewDecision::Block }, "disabled"),
        (Change::Enable { tenant: demo::CONTOSO, app: demo::APPLE }, "granted"),
        (Change::Disable { tenant: demo::CONTOSO, app: demo::APPLE }, "disabled"),
        (Change::Delete { tenant: demo::CONTOSO, app: demo::APPLE }, "revoked"),
    ] {
        stage.change(change);
        stage.advance(20 * 60);
        assert_eq!(stage.open(&found).await.outcome(), outcome);
    }
}

/// The pages of a companion, and the record about users' own approvals. The verifier has these rights, and the tenant these policies.
async fn users_may(more: &str, rights: &[&str], policies: Option<&[&str]>) -> (serde_json::Value, Option<String>) {
    let apps = apps().replace("verified_by = \"reader\"\n", &format!("verified_by = \"reader\"\n{more}\n"));
    let stage = Stage::with(Options { apps: Some(apps), ..Options::default() }).await;
    let permissions = Some(vec![PermissionSet::graph(rights, &[])]);
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: READER, permissions });
    if let Some(policies) = policies {
        let policies = policies.iter().map(|policy| format!("ManagePermissionGrantsForSelf.{policy}")).collect();
        stage.change(Change::SetUserConsent { tenant: demo::CONTOSO, policies });
    }
    let address = invite(&stage, app("apple"), ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let watch = press(&stage, &address, "apple", None).await.header("location").unwrap().to_owned();
    let recorded = stage.last_record()["finding"]["users_may_consent"].clone();
    let mut told = std::collections::BTreeSet::new();
    for address in [watch.clone(), watch.replace("/w/", "/r/")] {
        let page = stage.get(&address).await;
        let html = Html::parse_document(&page.body);
        let words = html.select(&Selector::parse("p.users").unwrap()).next();
        told.insert(words.map(|words| words.attr("data-users-may-approve").unwrap().to_owned()));
    }
    assert_eq!(told.len(), 1, "the watch page and the result page say the same: {told:?}");
    (recorded, told.pop_first().unwrap())
}

#[tokio::test]
async fn users_right_to_approve_a_companion_is_shown_and_recorded() {
    const SEES: &[&str] = &["Directory.Read.All", "Policy.Read.All"];
    const MAIL_CLIENTS: &str = "microsoft-user-default-allow-consent-apps";
    let override_ = "users_may_approve = false";
    for (more, rights, policies, recorded, told) in [
        ("", SEES, None, json!("yes"), Some("yes")),
        ("", SEES, Some(&[][..]), json!("no"), Some("no")),
        ("", SEES, Some(&["microsoft-user-default-low"][..]), json!("unanswered"), Some("perhaps")),
        ("", &["Directory.Read.All"][..], None, serde_json::Value::Null, Some("perhaps")),
        // The operator's permissions for the app override the catalogue, both in the request and on the pages.
        (override_, SEES, Some(&[MAIL_CLIENTS][..]), json!("no"), Some("no")),
        (override_, SEES, Some(&["microsoft-user-default-legacy"][..]), json!("unanswered"), None),
        (override_, &["Directory.Read.All"][..], None, serde_json::Value::Null, None),
    ] {
        let expected = (recorded, told.map(str::to_owned));
        assert_eq!(users_may(more, rights, policies).await, expected, "{more} {rights:?} {policies:?}");
    }
}

#[tokio::test]
async fn a_chain_of_three_with_one_declined_is_resumed_the_next_day_from_the_same_link() {
    let stage = Stage::with(options()).await;
    let chain = Subject::Chain(ProfileId::parse("onboarding").unwrap());
    let address = invite(&stage, chain, ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let text = stage.get(&address).await.text();
    for name in ["Onboarding", "Northwind Reader", "Northwind Mail Backup", "Apple Internet Accounts"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert_eq!(stage.control.upstream_calls(), 0);

    let started = press(&stage, &address, "reader", None).await;
    let page = accept(&stage, &started, Some(&cookie(&started))).await;
    assert_eq!(page.outcome(), "granted");
    let report = format!("{}/chain", page.url);
    let started = press(&stage, &address, "mail-backup", Some(&cookie(&started))).await;
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    assert_eq!(come_back(&stage, &link, demo::CONTOSO, "cancel", None).await.outcome(), "declined");
    let half = stage.get(&report).await;
    assert!(half.body.contains(r#"data-chain="half_done""#), "{}", half.body);
    let policy = half.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'none'"), "only the invitation page omits it: {policy}");

    stage.advance(DAY);
    let started = press(&stage, &address, "mail-backup", None).await;
    assert_eq!(accept(&stage, &started, None).await.outcome(), "granted");
    let watch = press(&stage, &address, "apple", None).await.header("location").unwrap().to_owned();
    stage.grant(demo::CONTOSO, demo::APPLE);
    stage.advance(NEXT_CHECK);
    assert_eq!(stage.open(&watch).await.outcome(), "granted");
    let done = stage.get(&report).await;
    assert!(done.body.contains(r#"data-chain="done""#), "{}", done.body);
    assert_eq!(done.status, StatusCode::OK);
    let again = press(&stage, &address, "reader", None).await;
    assert!(again.header("location").unwrap().contains("/r/"), "each step can be repeated");
}

#[tokio::test]
async fn a_report_after_a_cancel_counts_and_claims_nothing_more() {
    let stage = Stage::with(options()).await;
    let chain = Subject::Chain(ProfileId::parse("onboarding").unwrap());
    let address = invite(&stage, chain, ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    let started = press(&stage, &address, "reader", None).await;
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    let page = come_back(&stage, &link, demo::CONTOSO, "cancel", Some(&cookie(&started))).await;
    assert_eq!(page.outcome(), "declined");
    let report = format!("{}/chain", page.url);
    for _ in 0..2 {
        let shown = stage.get(&report).await;
        let text = shown.text();
        assert!(text.contains("0 of 3 apps approved") && shown.body.contains(r#"data-chain="started""#), "{text}");
        for untrue in ["Half done", "Not started", "recorded", "informed"] {
            assert!(!text.contains(untrue), "{untrue}: {text}");
        }
        let steps = stage.json(&report).await["steps"].clone();
        assert_eq!(steps[0]["result"]["outcome"], "declined");
        assert_eq!((&steps[1]["result"], &steps[2]["result"]), (&serde_json::Value::Null, &serde_json::Value::Null), "{steps}");
        stage.advance(NEXT_CHECK);
    }
    assert!(stage.get(&report).await.text().contains("We can check Apple Internet Accounts once Northwind Reader is approved."));

    stage.advance(NEXT_CHECK);
    let started = press(&stage, &address, "reader", None).await;
    let page = accept(&stage, &started, None).await;
    assert_eq!(page.outcome(), "granted");
    assert!(!page.text().contains("close this page"), "2 steps remain: {}", page.text());
    let shown = stage.get(&format!("{}/chain", page.url)).await;
    assert!(shown.text().contains("1 of 3 apps approved") && shown.body.contains(r#"data-chain="half_done""#), "{}", shown.text());
}

#[tokio::test]
async fn text_glued_to_a_link_is_cut() {
    let stage = Stage::new().await;
    stage.grant(demo::CONTOSO, READER);
    let invitation = stage.invite("mail-backup", demo::CONTOSO).await;
    let link = stage.link(demo::CONTOSO).await;
    let receipt = stage.administrator(&link, demo::CONTOSO, "accept").await.url;
    for glue in ["", ".", "/", ",", ")", "%3E", "%20", "/.", "Sign%20in", "/x"] {
        let page = stage.get(&format!("{invitation}{glue}")).await;
        assert_eq!(page.status, 200, "{glue}");
        assert!(page.body.contains(&format!("{invitation}<")) || !page.body.contains(&format!("{invitation}{glue}")), "{glue}");
        let result = stage.get(&format!("{receipt}{glue}")).await;
        assert_eq!((result.status, result.outcome().as_str()), (StatusCode::OK, "granted"), "{glue}");
    }
    for path in [format!("{invitation}x").replacen("eyJ", "eyK", 1), invitation.get(..invitation.len() - 1).unwrap().to_owned() + "."] {
        assert_eq!(stage.get(&path).await.status, 400, "{path}");
    }
}
