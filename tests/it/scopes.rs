//! Links that request each permission by name: the product's page, Microsoft's page and the grant list the same permissions.

use std::collections::BTreeSet;
use std::time::Duration;

use entra_consent::consent::ids::ResourceId;
use entra_consent::consent::permission_table::{self, PermissionKind};
use entra_consent::consent::{Expectation, ExpectedTenant, Label, ProfileId, Reference};
use entra_consent::installation::NoLink;
use entra_consent::token::Subject;
use entra_sandbox::{Change, PermissionSet, UserRole, demo};
use reqwest::StatusCode;
use scraper::{Html, Selector};
use url::Url;

use super::support::stage::{Options, Page, READER, SIGN_IN, Stage};
use crate::support::same_id;

/// The registration lists `User.Read` and `Mail.Send`, and these permissions are others.
const PERMISSIONS: &str = r#"
[apps.permissions."Microsoft Graph"]
delegated = { required = ["Mail.Send", "Calendars.Read"], optional = ["offline_access"], forbidden = ["Mail.ReadWrite"] }
[apps.permissions."Office 365 Exchange Online"]
delegated = { optional = ["IMAP.AccessAsUser.All"] }
"#;

fn options(scopes: &str) -> Options {
    let apps = format!(
        r#"
[[apps]]
id = "reader"
client_id = "{READER}"
name = "Northwind Reader"
cloud = "sandbox"
credential = {{ client_secret = {{ env = "READER_SECRET" }} }}
permissions = {{ "Microsoft Graph" = {{ application = {{ required = ["Directory.Read.All"], optional = ["ConsentRequest.Read.All"] }} }} }}

[[apps]]
id = "portal"
client_id = "{SIGN_IN}"
name = "Northwind Portal"
cloud = "sandbox"
verified_by = "reader"
{scopes}
{PERMISSIONS}
"#
    );
    Options { apps: Some(apps), ..Options::default() }
}

/// The invitation's page, and the address that its button leads to.
async fn invited(stage: &Stage) -> (Page, Url) {
    let (subject, tenant) = (Subject::App(ProfileId::parse("portal").unwrap()), ExpectedTenant::Tenant(same_id(demo::CONTOSO)));
    let label = Label::parse("Contoso GmbH").ok();
    let (_, address) =
        stage.installation.invitation(subject, tenant, label, None, stage.installation.config.links.invitation).await.unwrap();
    let page = stage.get(&address).await;
    let started = stage.read(stage.http.post(&address).send().await.unwrap()).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER);
    let link = Url::parse(started.header("location").unwrap()).unwrap();
    (page, link)
}

fn texts(html: &str, selector: &str) -> BTreeSet<String> {
    let html = Html::parse_document(html);
    html.select(&Selector::parse(selector).unwrap()).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

fn words(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn scope(link: &Url) -> String {
    link.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned()
}

#[tokio::test]
async fn what_is_expected_is_asked_for_by_name_shown_and_granted_and_nothing_else() {
    let stage = Stage::with(options("scopes = \"expected\"")).await;
    stage.grant(demo::CONTOSO, READER);
    let (page, link) = invited(&stage).await;
    let graph = stage.installation.config.apps[1].endpoints.graph.origin().ascii_serialization();
    let expected = format!("{graph}/Mail.Send {graph}/Calendars.Read offline_access https://outlook.office.com/IMAP.AccessAsUser.All");
    assert_eq!(scope(&link), expected);

    let all = ["Calendars.Read", "IMAP.AccessAsUser.All", "Mail.Send", "offline_access"];
    let line = |value: &&str| {
        let resource = if value.starts_with("IMAP") { ResourceId::EXCHANGE_ONLINE } else { ResourceId::GRAPH };
        permission_table::by_value(resource, PermissionKind::Delegated, value).unwrap().consent_line.to_owned()
    };
    assert_eq!(texts(&page.body, "q"), all.iter().map(line).collect());
    assert!(page.text().contains("Optional.") && !page.text().contains("Microsoft may show"), "{}", page.text());
    let at_microsoft = stage.get(link.as_str()).await;
    assert_eq!(at_microsoft.status, StatusCode::OK);
    let lines = texts(&at_microsoft.body, "main > ul > li");
    assert_eq!(lines.len(), all.len(), "{lines:?}");
    assert!(all.iter().all(|value| lines.iter().any(|line| line.contains(value))), "{lines:?}");

    let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
    let callback = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(stage.open(&callback).await.outcome(), "granted");
    let held = stage.control.app_state(demo::CONTOSO, SIGN_IN).unwrap();
    assert_eq!((held.delegated.into_iter().collect::<BTreeSet<_>>(), held.application.len()), (words(&all), 0));
}

#[tokio::test]
async fn without_scopes_the_page_shows_the_registrations_extras() {
    for setting in ["", "scopes = \"registration\""] {
        let stage = Stage::with(options(setting)).await;
        stage.grant(demo::CONTOSO, READER);
        let (page, link) = invited(&stage).await;
        assert!(scope(&link).ends_with("/.default"), "{link}");
        assert!(page.text().contains("Optional. Microsoft may show"), "{}", page.text());
        let answer = stage.decide(&link, demo::CONTOSO, UserRole::Administrator, "accept").await;
        let callback = answer.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(stage.open(&callback).await.outcome(), "granted_in_part");
        let held = stage.control.app_state(demo::CONTOSO, SIGN_IN).unwrap();
        assert_eq!(held.delegated, ["Mail.Send", "User.Read"]);
    }
}

#[tokio::test]
async fn a_direct_link_that_would_be_cut_is_not_made_and_the_button_needs_none() {
    let many: Vec<_> = (0..16).map(|number| format!("An.Invented.Scope.Number{number:02}")).collect();
    let ids: Vec<_> = (0..16).map(|number| format!("{:?} = \"0a1b0000-0000-4000-8000-0000000001{number:02}\"", many[number])).collect();
    let graph = format!("delegated = {{ required = {many:?} }}, ids = {{ {} }}", ids.join(", "));
    let apps = options("scopes = \"expected\"").apps.unwrap();
    let (apps, _) = apps.split_once(PERMISSIONS).unwrap();
    let apps = format!("{apps}\npermissions = {{ \"Microsoft Graph\" = {{ {graph} }} }}\n");
    let stage = Stage::with(Options { apps: Some(apps), ..Options::default() }).await;
    let app = stage.installation.config.app(&ProfileId::parse("portal").unwrap()).unwrap();
    let direct = async |label: &str, reference: &str| {
        let expectation = Expectation {
            app: app.profile.id.clone(),
            tenant: ExpectedTenant::Tenant(same_id(demo::CONTOSO)),
            label: Label::parse(label).ok(),
            reference: Reference::parse(reference).ok(),
            invitation: None,
        };
        stage.installation.direct_link(app, expectation, Duration::from_secs(60)).await
    };
    let (_, short) = direct("Contoso", "1").await.unwrap();
    assert!((1_500..=2_048).contains(&short.as_str().len()), "{}", short.as_str().len());
    let refused = direct(&"\u{1f600}".repeat(64), &"\u{1f600}".repeat(64)).await.unwrap_err();
    assert!(matches!(refused, NoLink::Cut(characters) if characters > 2_048), "{refused}");
    // The link grows by one byte at a time, until it exceeds the longest allowed length.
    let mut lengths = Vec::new();
    for long in 0..=60 {
        for short in 1..=4 {
            let reference = "\u{1f600}".repeat(long) + &"1".repeat(short);
            lengths.push(match direct(&"\u{1f600}".repeat(64), &reference).await {
                Ok((_, link)) => (link.as_str().len(), true),
                Err(NoLink::Cut(characters)) => (characters, false),
                Err(other) => panic!("{other}"),
            });
        }
    }
    assert!(lengths.iter().any(|(_, is_made)| !is_made));
    assert!(lengths.iter().all(|(characters, is_made)| *is_made == (*characters <= 2_048)), "{lengths:?}");
    assert!(refused.to_string().contains("make an invitation"), "{refused}");
    invited(&stage).await;
}

#[tokio::test]
async fn a_direct_link_asks_for_the_same_and_microsoft_takes_away_what_it_does_not_name() {
    let stage = Stage::with(options("scopes = \"expected\"")).await;
    stage.grant(demo::CONTOSO, READER);
    let before = vec![PermissionSet::graph(&[], &["User.Read"])];
    stage.change(Change::Grant { tenant: demo::CONTOSO, app: SIGN_IN, permissions: Some(before) });
    let (_, by_button) = invited(&stage).await;
    let direct = stage.link_for("portal", ExpectedTenant::Tenant(same_id(demo::CONTOSO))).await;
    assert_eq!(scope(&direct), scope(&by_button));
    assert_eq!(stage.administrator(&direct, demo::CONTOSO, "accept").await.outcome(), "granted");
    let held = stage.control.app_state(demo::CONTOSO, SIGN_IN).unwrap();
    assert!(!held.delegated.iter().any(|scope| scope == "User.Read"), "{held:?}");
}
