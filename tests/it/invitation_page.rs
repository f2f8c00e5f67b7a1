//! The invitation page, the watch page and the report, as a browser parses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use entra_consent::config::Publisher;
use entra_consent::consent::Outcome;
use entra_consent::consent::ids::{ClientId, PermissionId, ResourceId};
use entra_consent::consent::permission_table::{self, PermissionKind};
use entra_consent::consent::permissions::NamedPermission;
use entra_consent::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use entra_consent::consent::roles::RoleNeeded;
use entra_consent::outbox::Informed;
use entra_consent::web::headers::STYLE;
use entra_consent::web::invitation_page::{
    ChainState, CompanionStep, EwsNotice, InvitationPage, ReportPage, ReportStep, Step, WATCH_EVERY_SECONDS, WATCH_FOR, WatchPage,
    invitation, report, report_json, watch, watch_json,
};
use entra_consent::web::pages::{Branding, ChainLine, Closing, NamedBy, Organisation, RefreshPlan, ResultPage, result, result_json};
use entra_consent::web::users_approval::UsersMayApprove;
use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector};
use time::OffsetDateTime;
use time::macros::datetime;
use url::Url;

const HELP: &str = "https://consent.example.com/help";
const ADDRESS: &str =
    "https://consent.fabrikam.example/i/eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2NvbnNlbnQifQ.c2lnbmF0dXJl";
const HOST: &str = "login.microsoftonline.com";
const END: OffsetDateTime = datetime!(2026-12-20 13:00 UTC);
const APPLE: ClientId = ClientId::from_u128(0xf8d9_8a96_0999_43f5_8af3_6997_1c7b_b423);

/// All texts of these pages that do not come from the product itself.
#[derive(Debug, Clone)]
struct Texts {
    operator: String,
    support: String,
    app: String,
    other_app: String,
    purpose: String,
    afterwards: String,
    organisation: String,
    chain: String,
    publisher: String,
    reference: String,
    missing: Vec<NamedPermission>,
    asked: Vec<ExpectedResource>,
    privacy: Url,
    consent: Url,
    sign_out: Url,
}

impl Texts {
    fn each(text: impl Fn(&'static str) -> String) -> Self {
        let resource = text("resource");
        let value = text("value");
        Self {
            operator: text("operator"),
            support: text("support"),
            app: text("app"),
            other_app: text("other_app"),
            purpose: text("purpose"),
            afterwards: text("afterwards"),
            organisation: text("organisation"),
            chain: text("chain"),
            publisher: text("publisher"),
            reference: text("reference"),
            missing: vec![NamedPermission {
                resource: resource.as_str().into(),
                kind: PermissionKind::Delegated,
                value: value.as_str().into(),
            }],
            asked: vec![ExpectedResource {
                resource: ResourceId::from_u128(7),
                name: resource.as_str().into(),
                permissions: [PermissionKind::Application, PermissionKind::Delegated]
                    .map(|kind| ExpectedPermission { kind, value: value.as_str().into(), id: None, need: Need::Required })
                    .to_vec(),
            }],
            privacy: Url::parse("https://example.com/privacy").unwrap(),
            consent: Url::parse("https://login.microsoftonline.com/t/adminconsent?client_id=c&redirect_uri=x").unwrap(),
            sign_out: Url::parse("https://login.microsoftonline.com/t/oauth2/v2.0/logout").unwrap(),
        }
    }

    fn plain() -> Self {
        let texts = Self::each(|name| {
            match name {
                "operator" => "Fabrikam IT",
                "support" => "help@fabrikam.example or +49 30 901820",
                "app" => "Fabrikam Mail Sync",
                "other_app" => "Apple Internet Accounts",
                "purpose" => "Copies calendars between your mailboxes and our booking system.",
                "afterwards" => "We set up the first calendars within one working day.",
                "organisation" => "Contoso GmbH",
                "chain" => "Mail on telephones",
                "publisher" => "Apple Inc.",
                "resource" => "Fabrikam Archive",
                "value" => "Archive.Write",
                _ => "T-20261120-7",
            }
            .to_owned()
        });
        Self { asked: asked(), ..texts }
    }

    fn branding(&self) -> Branding<'_> {
        Branding { operator: &self.operator, support: &self.support, privacy_url: &self.privacy, look: None }
    }

    fn companion(&self) -> CompanionStep<'_> {
        let ews = Some(EwsNotice { client_id: APPLE, is_blocked: false, spares_phones: true });
        CompanionStep { publisher: Some(&self.publisher), users_may_approve: true, uses_ews: true, ews }
    }

    fn own_step(&self) -> Step<'_> {
        Step {
            id: "mail-sync",
            app: &self.app,
            client_id: ClientId::from_u128(0x1111_2222_aaaa_bbbb_cccc_3333_dddd_4444),
            purpose: Some(&self.purpose),
            permissions: &self.asked,
            asked_by_name: false,
            role: RoleNeeded::PrivilegedRoleAdministrator,
            is_optional: false,
            publisher: None,
            companion: None,
        }
    }

    fn companion_step(&self) -> Step<'_> {
        Step {
            id: "apple",
            app: &self.other_app,
            client_id: APPLE,
            purpose: None,
            permissions: &self.asked,
            asked_by_name: false,
            role: RoleNeeded::ApplicationAdministrator,
            is_optional: false,
            publisher: None,
            companion: Some(self.companion()),
        }
    }

    fn invitation<'a>(&'a self, steps: Vec<Step<'a>>) -> InvitationPage<'a> {
        InvitationPage {
            branding: self.branding(),
            organisation: Some(&self.organisation),
            reference: Some(&self.reference),
            address: ADDRESS,
            help_href: HELP,
            expires_at: END,
            chain: (steps.len() > 1).then_some(&*self.chain),
            steps,
            login_host: HOST,
        }
    }

    fn result(&self, outcome: Outcome) -> ResultPage<'_> {
        ResultPage {
            app: Some(&self.app),
            purpose: Some(&self.purpose),
            afterwards: Some(&self.afterwards),
            organisation: Some(Organisation { name: &self.organisation, named_by: NamedBy::Operator }),
            missing: &self.missing,
            looked_at: Some(datetime!(2026-11-20 14:03:22 UTC)),
            age: Some(Duration::from_secs(12)),
            reference: Some(&self.reference),
            chain: Some(ChainLine { name: &self.chain, done: Some(1), total: 3, continue_href: Some("/i/again") }),
            ..ResultPage::new(self.branding(), outcome)
        }
    }

    fn watch(&self, outcome: Outcome) -> WatchPage<'_> {
        WatchPage {
            result: ResultPage {
                refresh: Some(RefreshPlan { seconds: WATCH_EVERY_SECONDS, stop_href: "?reload=off" }),
                ..self.result(outcome)
            },
            listed: Some(true),
            consent_url: &self.consent,
            login_host: HOST,
            companion: self.companion(),
        }
    }

    fn with_right_account(&self, outcome: Outcome) -> ResultPage<'_> {
        ResultPage { again_href: Some(ADDRESS), sign_out_href: Some(&self.sign_out), ..self.result(outcome) }
    }

    fn report(&self, outcomes: [Option<Outcome>; 3]) -> ReportPage<'_> {
        let steps = [("verifier", &self.app), ("apple", &self.other_app), ("mail-sync", &self.app)];
        ReportPage {
            branding: self.branding(),
            chain: &self.chain,
            organisation: Some(Organisation { name: &self.organisation, named_by: NamedBy::Operator }),
            steps: steps
                .into_iter()
                .zip(outcomes)
                .map(|((id, app), outcome)| ReportStep {
                    id,
                    app,
                    checked: true,
                    verifier: None,
                    awaits_verifier: false,
                    skipped: false,
                    result: outcome.map(|outcome| {
                        let missing = if outcome == Outcome::GrantedInPart { &self.missing[..] } else { &[] };
                        ResultPage { app: Some(app), missing, ..self.result(outcome) }
                    }),
                })
                .collect(),
            invitation_href: Some("/i/token"),
            is_open: true,
            expires_at: Some(END),
        }
    }
}

fn permission(kind: PermissionKind, value: &str, need: Need) -> ExpectedPermission {
    ExpectedPermission { kind, value: value.into(), id: None, need }
}

fn asked() -> Vec<ExpectedResource> {
    use PermissionKind::{Application, Delegated};
    vec![
        ExpectedResource {
            resource: ResourceId::GRAPH,
            name: "Microsoft Graph".into(),
            permissions: vec![
                permission(Application, "Calendars.ReadWrite", Need::Required),
                permission(Application, "User.Read.All", Need::Required),
                permission(Application, "Group.Read.All", Need::Optional),
                permission(Application, "Directory.ReadWrite.All", Need::Forbidden),
                permission(Delegated, "User.Read", Need::Required),
            ],
        },
        ExpectedResource {
            resource: ResourceId::from_u128(7),
            name: "Fabrikam Archive".into(),
            permissions: vec![permission(Application, "Archive.Write", Need::Required)],
        },
        ExpectedResource {
            resource: ResourceId::SHAREPOINT_ONLINE,
            name: "SharePoint Online".into(),
            permissions: vec![permission(Application, "Sites.FullControl.All", Need::Forbidden)],
        },
    ]
}

fn apple() -> Vec<ExpectedResource> {
    vec![ExpectedResource {
        resource: ResourceId::EXCHANGE_ONLINE,
        name: "Office 365 Exchange Online".into(),
        permissions: vec![
            permission(PermissionKind::Delegated, "EAS.AccessAsUser.All", Need::Required),
            permission(PermissionKind::Delegated, "EWS.AccessAsUser.All", Need::Required),
        ],
    }]
}

fn parse(html: &str) -> Html {
    Html::parse_document(html)
}

fn all<'a>(document: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    document.select(&Selector::parse(selector).unwrap()).collect()
}

fn text_in(document: &Html, selector: &str) -> String {
    all(document, selector).iter().flat_map(ElementRef::text).collect()
}

fn text_of(html: &str) -> String {
    text_in(&parse(html), "body")
}

/// The parsed document without its text: every element with its attributes and depth. A mail has texts in its address.
fn skeleton(html: &str) -> Vec<String> {
    let document = parse(html);
    let nodes = document.tree.root().descendants().filter(|node| !node.value().is_text());
    let shown = nodes.map(|node| format!("{} {:?}", node.ancestors().count(), node.value()));
    shown.map(|node| if node.contains("href=\"mailto:") { "mail".to_owned() } else { node }).collect()
}

fn invitations(texts: &Texts) -> Vec<String> {
    let (own, companion) = (texts.own_step(), texts.companion_step());
    [vec![own], vec![companion], vec![own, companion]].into_iter().map(|steps| invitation(&texts.invitation(steps)).into_string()).collect()
}

/// A report in each state.
fn reports(texts: &Texts) -> Vec<String> {
    use Outcome::{Declined, Granted, GrantedInPart, GrantedUnseen};
    [[None; 3], [Some(Granted), Some(Declined), None], [Some(Granted), Some(GrantedInPart), Some(GrantedUnseen)], [Some(Granted); 3]]
        .map(|outcomes| report(&texts.report(outcomes)).into_string())
        .to_vec()
}

/// Every page of this file, in a fixed order.
fn every_page(texts: &Texts) -> Vec<String> {
    let watched = Outcome::ALL.iter().map(|outcome| watch(&texts.watch(*outcome)).into_string());
    let accounts = Outcome::ALL.iter().map(|outcome| result(&texts.with_right_account(*outcome)).into_string());
    invitations(texts).into_iter().chain(reports(texts)).chain(watched).chain(accounts).collect()
}

#[test]
fn every_page_is_one_document_with_headings_in_order_and_nothing_active() {
    for html in every_page(&Texts::plain()) {
        assert!(html.starts_with("<!DOCTYPE html>"));
        let document = parse(&html);
        assert_eq!(all(&document, "html")[0].value().attr("lang"), Some("en"));
        for once in ["main", "h1", "title", "style", "footer"] {
            assert_eq!(all(&document, once).len(), 1, "{once}");
        }
        assert_eq!(text_in(&document, "style"), STYLE);
        let active = "script, img, iframe, object, embed, link:not([rel=icon][href='data:,']), base, audio, video, textarea, meta[http-equiv], [style], [src], [target]:not(a)";
        assert!(all(&document, active).is_empty());
        for element in all(&document, "*") {
            assert!(element.value().attrs().all(|(name, _)| !name.starts_with("on")));
        }
        let levels: Vec<u32> = all(&document, "h1, h2, h3, h4, h5, h6")
            .iter()
            .map(|heading| heading.value().name().trim_start_matches('h').parse().unwrap())
            .collect();
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        let ids: Vec<_> = all(&document, "[id]").iter().map(|element| element.value().attr("id").unwrap().to_owned()).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
        for labelled in all(&document, "[aria-labelledby]") {
            assert!(ids.iter().any(|id| id == labelled.value().attr("aria-labelledby").unwrap()));
        }
    }
}

#[test]
fn links_and_forms_lead_to_known_places_alone() {
    let texts = Texts::plain();
    for html in every_page(&texts) {
        let document = parse(&html);
        for link in all(&document, "a") {
            let link = link.value();
            let href = link.attr("href").unwrap();
            let at_microsoft = [texts.consent.as_str(), texts.sign_out.as_str(), "https://entra.microsoft.com/"].contains(&href);
            let ours = href == ADDRESS
                || href == HELP
                || ["mailto:?", "mailto:help@fabrikam.example", "tel:+49"].iter().any(|at| href.starts_with(at))
                || href.starts_with("/i/")
                || href.starts_with('?')
                || href == texts.privacy.as_str();
            assert!(at_microsoft || ours, "{href}");
            assert_eq!(link.attr("target"), (at_microsoft || href == HELP).then_some("_blank"), "{href}");
            if at_microsoft {
                assert_eq!(link.attr("rel"), Some("noopener noreferrer"));
            }
        }
        for form in all(&document, "form") {
            assert_eq!(form.value().attr("method"), Some("post"));
            assert_eq!(form.value().attr("action"), None, "to the page itself");
            let fields: Vec<_> = form.select(&Selector::parse("input, button, select").unwrap()).map(|field| field.value()).collect();
            assert_eq!(fields.len(), 2);
            assert_eq!((fields[0].attr("type"), fields[0].attr("name")), (Some("hidden"), Some("step")));
            assert_eq!((fields[1].name(), fields[1].attr("type")), ("button", Some("submit")));
        }
    }
}

#[test]
fn a_result_page_has_no_form_since_its_policy_allows_none() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        for html in [watch(&texts.watch(*outcome)).into_string(), result(&texts.with_right_account(*outcome)).into_string()] {
            assert!(all(&parse(&html), "form, input, button").is_empty(), "{outcome:?}");
        }
    }
    assert!(reports(&texts).iter().all(|html| all(&parse(html), "form, input, button").is_empty()), "a report has none either");
}

#[test]
fn who_asks_and_what_for_come_before_the_button() {
    for html in invitations(&Texts::plain()) {
        let document = parse(&html);
        let title = text_in(&document, "h1");
        assert!(title.starts_with("Approve ") && title.ends_with(" for Contoso GmbH"), "{title}");
        let text = text_of(&html);
        let mut places = ["Fabrikam IT asks you", "What the app will be able to do", "Sign in as", "Continue to Microsoft"]
            .iter()
            .chain(&["Nothing is approved until you press Accept at login.microsoftonline.com", "I'm not an administrator"])
            .map(|words| text.find(words).unwrap_or_else(|| panic!("{words} not in {text}")));
        assert!(places.by_ref().is_sorted());
        assert_eq!(all(&document, "button.primary").len(), 1);
        let link = all(&document, "a.link")[0];
        assert_eq!(link.value().attr("href"), Some(ADDRESS));
        assert_eq!(all(&document, "time")[0].value().attr("datetime"), Some("2026-12-20T13:00:00Z"));
    }
}

#[test]
fn permissions_are_next_to_the_text_of_microsofts_page() {
    let texts = Texts::plain();
    let html = invitation(&texts.invitation(vec![texts.own_step()])).into_string();
    let document = parse(&html);
    let lines = |list| all(&document, list).iter().map(|line| line.text().collect()).collect::<Vec<String>>();
    let high = [
        "Reads, changes and deletes appointments in every calendar.High impact Microsoft shows: Read and write calendars in all mailboxes",
        "Reads the full profile of everyone, such as department, telephone and manager.High impact Microsoft shows: Read all users' full profiles",
        "Archive.WriteNot known to us A permission of Fabrikam Archive",
        "Reads all groups, their members and what they hold, such as conversations and files.High impact Optional. Microsoft may show: Read all groups",
    ];
    let mut shown = lines("section > .list > li");
    shown.sort();
    let mut expected = high.map(str::to_owned);
    expected.sort();
    assert_eq!(shown, expected);
    assert_eq!(text_in(&document, ".rest summary"), "1 more permission");
    let folded = lines(".rest li");
    assert_eq!(folded, ["Lets people sign in, and reads their own profile.Microsoft shows: Sign in and read user profile"]);
    for quoted in all(&document, "q") {
        let line: String = quoted.text().collect();
        assert!(["Calendars.ReadWrite", "User.Read.All", "Group.Read.All", "User.Read"].iter().any(|value| {
            [PermissionKind::Application, PermissionKind::Delegated]
                .iter()
                .any(|kind| permission_table::by_value(ResourceId::GRAPH, *kind, value).is_some_and(|known| known.consent_line == line))
        }));
    }
}

#[test]
fn a_list_without_high_impact_shows_its_first_permissions() {
    let texts = Texts::plain();
    let values = ["openid", "profile", "email", "User.Read", "offline_access"];
    let asked = [ExpectedResource {
        resource: ResourceId::GRAPH,
        name: "Microsoft Graph".into(),
        permissions: values.map(|value| permission(PermissionKind::Delegated, value, Need::Required)).to_vec(),
    }];
    let html = invitation(&texts.invitation(vec![Step { permissions: &asked, ..texts.own_step() }])).into_string();
    let document = parse(&html);
    assert_eq!(all(&document, "section > .list > li").len(), 3);
    assert_eq!(text_in(&document, ".rest summary"), "2 more permissions");
    assert_eq!(all(&document, ".rest li").len(), 2);
}

#[test]
fn what_the_app_cannot_do_is_said_only_if_the_list_shows_it() {
    let texts = Texts::plain();
    for (value, said) in [("Mail.Read", true), ("Mail.ReadWrite", false), ("Mail.Send", false), ("Mail.Invented", false)] {
        let asked = [ExpectedResource {
            resource: ResourceId::GRAPH,
            name: "Microsoft Graph".into(),
            permissions: vec![permission(PermissionKind::Application, value, Need::Required)],
        }];
        let text = text_of(&invitation(&texts.invitation(vec![Step { permissions: &asked, ..texts.own_step() }])).into_string());
        assert_eq!(text.contains("it cannot change, delete or send anything"), said, "{value}");
    }
}

#[test]
fn a_permission_known_by_id_has_its_line_under_any_name() {
    let texts = Texts::plain();
    let mail_send = PermissionId::parse("b633e1c5-b582-4048-a93e-9f11b44c7e96").unwrap();
    let asked = [ExpectedResource {
        resource: ResourceId::GRAPH,
        name: "Microsoft Graph".into(),
        permissions: vec![ExpectedPermission {
            kind: PermissionKind::Application,
            value: "Renamed.Permission".into(),
            id: Some(mail_send),
            need: Need::Required,
        }],
    }];
    let html = invitation(&texts.invitation(vec![Step { permissions: &asked, ..texts.own_step() }])).into_string();
    assert_eq!(text_in(&parse(&html), "q"), "Send mail as any user");
}

#[test]
fn forbidden_permissions_are_not_asked_for_and_not_marked() {
    let texts = Texts::plain();
    let asked = [ExpectedResource {
        resource: ResourceId::GRAPH,
        name: "Microsoft Graph".into(),
        permissions: vec![
            permission(PermissionKind::Application, "RoleManagement.ReadWrite.Directory", Need::Forbidden),
            permission(PermissionKind::Delegated, "User.Read", Need::Required),
        ],
    }];
    let text = text_of(&invitation(&texts.invitation(vec![Step { permissions: &asked, ..texts.own_step() }])).into_string());
    assert!(!text.contains("RoleManagement") && !text.contains("High impact"));
}

#[test]
fn the_role_named_is_enough_for_its_step() {
    let texts = Texts::plain();
    let (own, companion) = (texts.own_step(), texts.companion_step());
    let lesser = "Cloud Application Administrator";
    for steps in [vec![own], vec![companion], vec![companion, own], vec![own, companion]] {
        let document = parse(&invitation(&texts.invitation(steps.clone())).into_string());
        let roles: Vec<String> = all(&document, "form .quiet").iter().map(|role| role.text().collect()).collect();
        assert_eq!(roles.len(), steps.len());
        for (step, text) in steps.iter().zip(roles) {
            assert!(text.contains("Global Administrator"), "{text}");
            assert_eq!(text.contains(lesser), step.role == RoleNeeded::ApplicationAdministrator, "{text}");
        }
        let lesser_is_enough = steps.iter().all(|step| step.role == RoleNeeded::ApplicationAdministrator);
        assert_eq!(text_in(&document, "details pre").contains(lesser), lesser_is_enough);
    }
}

#[test]
fn the_words_to_send_on_hold_all_that_an_administrator_needs() {
    for html in invitations(&Texts::plain()) {
        let document = parse(&html);
        let letter = text_in(&document, "details pre");
        let mail = all(&document, "details a.button")[0].value().attr("href").unwrap().to_owned();
        let (_, body) = mail.strip_prefix("mailto:?subject=Please%20approve%20").unwrap().split_once("&body=").unwrap();
        let body = percent_encoding::percent_decode_str(body).decode_utf8().unwrap();
        for part in
            ["Fabrikam IT", "Contoso GmbH", ADDRESS, "Administrator", "private window", "on the number we already have", "20 December 2026"]
        {
            assert!(letter.contains(part) && body.contains(part), "{part} not in {letter} and {body}");
        }
        assert!(text_in(&document, "details summary").contains("I'm not an administrator"));
    }
    let texts = Texts::plain();
    let html = invitation(&texts.invitation(vec![texts.own_step(), texts.companion_step(), texts.own_step()])).into_string();
    let letter = text_in(&parse(&html), "details pre");
    assert!(letter.contains("to approve Fabrikam Mail Sync, Apple Internet Accounts and Fabrikam Mail Sync at Microsoft"), "{letter}");
}

#[test]
fn a_mail_to_pass_on_is_short_and_has_no_other_field() {
    let texts = Texts { organisation: "x&bcc=thief@evil.example\r\nBcc: thief ".repeat(200), ..Texts::plain() };
    for html in invitations(&texts) {
        let document = parse(&html);
        let mail = all(&document, "details a.button")[0].value().attr("href").unwrap().to_owned();
        assert!(mail.len() <= 1_900 && mail.contains("%2Fi%2F"), "{}", mail.len());
        assert_eq!((mail.matches(['&', '?']).count(), mail.contains(['\r', '\n', ' '])), (2, false), "{mail}");
    }
}

#[test]
fn how_to_tell_it_is_genuine_names_the_call_the_host_and_the_app() {
    let texts = Texts::plain();
    for (html, next) in invitations(&texts).iter().zip(["The next page's address", "The address of Microsoft's page", "The address of"]) {
        let document = parse(html);
        let text = text_in(&document, "details.genuine");
        let host = format!("https://{HOST}/");
        for part in [
            "Call Fabrikam IT on a number you already have",
            next,
            &host,
            "Your reference is T-20261120-7.",
            "\"unverified\" where",
            "never see your password",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        let text = text_in(&document, "details.happens");
        for part in ["undo", "Enterprise apps", "Permissions", "Properties", "Enabled for users to sign in", "delete"] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }
}

#[test]
fn the_page_says_what_microsoft_shows_as_the_publisher() {
    let texts = Texts::plain();
    let shown = |publisher, more: &[Step<'_>]| {
        let step = Step { publisher, ..texts.own_step() };
        text_of(&invitation(&texts.invitation([&[step], more].concat())).into_string())
    };
    let verified = Publisher::Verified("Fabrikam IT Services GmbH".into());
    for more in [&[][..], &[texts.companion_step()]] {
        let text = shown(Some(&verified), more);
        assert!(text.contains("Next to Fabrikam Mail Sync, Microsoft shows the publisher Fabrikam IT Services GmbH."), "{text}");
        let text = shown(Some(&Publisher::Unverified), more);
        assert!(text.contains("Microsoft shows \"unverified\", since it has not verified Fabrikam IT as the publisher."), "{text}");
        assert!(shown(None, more).contains("\"unverified\" where it has not verified one"));
    }
}

#[test]
fn the_page_names_a_foreign_app_and_promises_no_working_mail() {
    let texts = Texts::plain();
    let text_with = |companion| {
        let step = Step { companion, ..texts.companion_step() };
        text_of(&invitation(&texts.invitation(vec![step])).into_string())
    };
    let whole = text_with(Some(texts.companion()));
    assert!(whole.contains("Published by Apple Inc., not by Fabrikam IT"));
    assert!(whole.contains("Your users may be able to approve this themselves; approving here covers everyone at once."));
    assert!(whole.contains("From 1 October 2026, Microsoft blocks Exchange Web Services for apps that your organisation has not allowed."));
    assert!(whole.contains("iPhones and iPads are not affected, Macs are."));
    let command = format!("EwsAllowedAppIDs -split '[,; ]+') + '{APPLE}'");
    assert!(whole.contains(&command), "the command keeps the list that is there: {whole}");
    let blocked = EwsNotice { client_id: APPLE, is_blocked: true, spares_phones: false };
    let blocked = text_with(Some(CompanionStep { ews: Some(blocked), ..texts.companion() }));
    assert!(blocked.contains("Since 1 October 2026, Microsoft blocks") && !blocked.contains("iPhones and iPads"), "{blocked}");
    assert!(whole.contains("Microsoft does not send you back to us"));
    let bare = text_with(Some(CompanionStep { publisher: None, users_may_approve: false, uses_ews: false, ews: None }));
    assert!(bare.contains("Published by another company, not by Fabrikam IT"));
    assert!(!bare.contains("Apple Inc.") && !bare.contains("Your users may") && !bare.contains("Exchange Web Services"));
    let own = text_with(None);
    assert!(!own.contains("Published by") && own.contains("You come back here"));
}

#[test]
fn a_chain_lists_its_steps_in_order_and_opens_the_first() {
    let texts = Texts::plain();
    let html = invitation(&texts.invitation(vec![texts.own_step(), texts.companion_step()])).into_string();
    let document = parse(&html);
    assert_eq!(text_in(&document, ".eyebrow"), "Mail on telephones");
    let steps: Vec<_> = all(&document, "input[name=step]").iter().map(|field| field.value().attr("value").unwrap().to_owned()).collect();
    assert_eq!(steps, ["mail-sync", "apple"]);
    let headings: Vec<String> = all(&document, ".steps summary h2").iter().map(|heading| heading.text().collect()).collect();
    assert_eq!(headings, ["1 Fabrikam Mail Sync", "2 Apple Internet Accounts"]);
    let open: Vec<bool> = all(&document, ".steps > details").iter().map(|step| step.value().attr("open").is_some()).collect();
    assert_eq!(open, [true, false]);
    let buttons: Vec<String> = all(&document, "button").iter().map(|button| button.text().collect()).collect();
    assert_eq!(buttons, ["Continue to Microsoft for Fabrikam Mail Sync", "Continue to Microsoft for Apple Internet Accounts"]);
    assert!(text_of(&html).contains("You can repeat each step"));
    let single = invitation(&texts.invitation(vec![texts.own_step()])).into_string();
    assert_eq!(text_in(&parse(&single), "form button"), "Continue to Microsoft");
}

#[test]
fn an_invitation_without_a_label_names_no_organisation() {
    let texts = Texts::plain();
    let page = InvitationPage { organisation: None, ..texts.invitation(vec![texts.own_step()]) };
    let text = text_of(&invitation(&page).into_string());
    assert!(!text.contains("Contoso") && text.contains("Approve Fabrikam Mail Sync for your organisation"));
}

#[test]
fn the_watch_page_leads_to_microsoft_only_while_approving_can_help() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        let html = watch(&texts.watch(*outcome)).into_string();
        let document = parse(&html);
        let main = all(&document, "main")[0].value();
        assert_eq!((main.attr("data-outcome"), main.attr("data-page")), (Some(outcome.name()), Some("watch")));
        let leads = all(&document, "a[target]").len() == 1;
        assert!(!(leads && outcome.was_complete()), "{outcome:?}");
        let text = text_of(&html);
        assert_eq!(leads, text.contains("AADSTS900561") && text.contains("AADSTS500113") && text.contains("AADSTS50011)"), "{outcome:?}");
        assert_eq!(leads, text.contains("ask to open Settings, or stay blank. After Accept this is usually harmless"), "{outcome:?}");
        assert_eq!(leads, text.contains("Grant admin consent"), "{outcome:?}");
    }
    for waiting in [Outcome::Pending, Outcome::ReportedUnverified, Outcome::NotFound, Outcome::Unavailable] {
        assert_eq!(all(&parse(&watch(&texts.watch(waiting)).into_string()), "a[target]").len(), 1, "{waiting:?}");
    }
}

#[test]
fn whether_users_may_approve_it_themselves_is_said_as_far_as_it_was_seen() {
    let texts = Texts::plain();
    for (known, name, said) in [
        (Some(UsersMayApprove::Yes), "yes", "users may approve this themselves, each for their own account"),
        (Some(UsersMayApprove::No), "no", "users cannot approve this themselves"),
        (
            Some(UsersMayApprove::Perhaps),
            "perhaps",
            "Your users may be able to approve this themselves; approving here covers everyone at once.",
        ),
    ] {
        let page = ResultPage { users_may_approve: known, ..texts.result(Outcome::Pending) };
        let watched = WatchPage { result: page.clone(), ..texts.watch(Outcome::Pending) };
        for html in [result(&page).into_string(), watch(&watched).into_string()] {
            let document = parse(&html);
            assert!(text_in(&document, "p.users").contains(said), "{html}");
            assert_eq!(all(&document, "p.users")[0].value().attr("data-users-may-approve"), Some(name));
            assert_eq!(text_of(&html).contains("We have seen your organisation's policy"), known != Some(UsersMayApprove::Perhaps));
        }
        assert_eq!((&result_json(&page)["users_may_approve"], &watch_json(&watched)["users_may_approve"]), (&name.into(), &name.into()));
        let done = ResultPage { outcome: Outcome::Granted, ..page };
        assert!(all(&parse(&result(&done).into_string()), "p.users").is_empty(), "nothing is missing");
    }
    let unknown = texts.result(Outcome::Pending);
    assert!(all(&parse(&result(&unknown).into_string()), "p.users").is_empty());
    assert_eq!(result_json(&unknown)["users_may_approve"], serde_json::Value::Null);
    for (policy, by_default, known) in [
        (Some(true), false, Some(UsersMayApprove::Yes)),
        (Some(false), true, Some(UsersMayApprove::No)),
        (None, true, Some(UsersMayApprove::Perhaps)),
        (None, false, None),
    ] {
        assert_eq!(UsersMayApprove::of(policy, by_default), known);
    }
}

#[test]
fn being_listed_is_told_apart_from_being_approved() {
    let texts = Texts::plain();
    for (listed, told) in
        [(Some(true), "listed under Enterprise applications"), (Some(false), "not listed so far"), (None, "we cannot see")]
    {
        let page = WatchPage { listed, ..texts.watch(Outcome::Pending) };
        let seen = text_in(&parse(&watch(&page).into_string()), "section.seen");
        assert!(seen.contains(told) && seen.contains("not seen so far"), "{seen}");
        assert_eq!(watch_json(&page)["watch"]["listed"], serde_json::json!(listed));
    }
}

#[test]
fn the_watch_page_says_how_long_it_looks_and_how_to_stop_it() {
    let texts = Texts::plain();
    let page = texts.watch(Outcome::Pending);
    let html = watch(&page).into_string();
    assert!(text_of(&html).contains("This page looks every 15 seconds, for 20 minutes at most."));
    assert_eq!(all(&parse(&html), "a[href='?reload=off']").len(), 1);
    assert_eq!(WATCH_FOR, Duration::from_secs(20 * 60));
    let stopped = ResultPage { refresh: None, check_again_href: Some("?"), ..page.result.clone() };
    let html = watch(&WatchPage { result: stopped, ..page }).into_string();
    assert!(text_of(&html).contains("does not look by itself.") && !text_of(&html).contains("15 seconds"));
    assert_eq!(all(&parse(&html), "a[href='?']").len(), 1);
}

#[test]
fn the_page_says_so_if_no_check_is_possible() {
    let texts = Texts::plain();
    let page = WatchPage { listed: None, ..texts.watch(Outcome::ReportedUnverified) };
    let text = text_of(&watch(&page).into_string());
    assert!(text.contains("We have no right to look in your organisation"));
    assert!(text.contains("Nothing is counted as approved because of it"));
    assert_eq!(watch_json(&page)["outcome"], "reported_unverified");
}

#[test]
fn an_address_that_no_browser_opens_is_text() {
    let texts =
        Texts { consent: Url::parse("javascript:alert(1)").unwrap(), sign_out: Url::parse("javascript:x").unwrap(), ..Texts::plain() };
    for html in [watch(&texts.watch(Outcome::Pending)).into_string(), result(&texts.with_right_account(Outcome::WrongTenant)).into_string()]
    {
        assert!(all(&parse(&html), "a[target], [href^=javascript]").is_empty());
    }
}

#[test]
fn the_right_account_is_helped_to_with_the_same_link_and_an_honest_sign_out() {
    let texts = Texts::plain();
    for outcome in [Outcome::WrongTenant, Outcome::WrongAccount] {
        let html = result(&texts.with_right_account(outcome)).into_string();
        let document = parse(&html);
        assert_eq!(all(&document, &format!("a.primary[href='{ADDRESS}']")).len(), 1);
        let text = text_of(&html);
        assert!(!text.contains(ADDRESS));
        for part in ["private window", "signs you out of Microsoft 365 in every tab of this browser", "partner (GDAP)"] {
            assert!(text.contains(part), "{part}");
        }
        let bare = text_of(&result(&ResultPage::new(texts.branding(), outcome)).into_string());
        assert!(bare.contains("partner (GDAP)") && !bare.contains("signs you out") && !bare.contains("Contoso"));
        let json = result_json(&texts.with_right_account(outcome));
        assert_eq!((json["again"].as_str(), json["sign_out"].as_str()), (Some(ADDRESS), Some(texts.sign_out.as_str())));
    }
    let granted = text_of(&result(&texts.result(Outcome::Granted)).into_string());
    assert!(!granted.contains("GDAP") && !granted.contains("wrong account"));
    let wrong = text_of(&result(&ResultPage::new(texts.branding(), Outcome::WrongTenant)).into_string());
    assert!(wrong.contains("You were signed in with an account from another organisation"));
}

#[test]
fn a_result_that_is_part_of_a_chain_says_how_far_it_is_and_leads_on() {
    let texts = Texts::plain();
    let html = result(&texts.result(Outcome::Granted)).into_string();
    let document = parse(&html);
    assert_eq!(text_in(&document, ".chain p"), "Mail on telephones: 1 of 3 approvedContinue");
    assert_eq!(all(&document, ".chain a[href='/i/again']").len(), 1);
    assert_eq!(
        result_json(&texts.result(Outcome::Granted))["chain"],
        serde_json::json!({ "name": "Mail on telephones", "done": 1, "total": 3 })
    );
    let last = ResultPage {
        chain: Some(ChainLine { name: &texts.chain, done: Some(3), total: 3, continue_href: None }),
        ..texts.result(Outcome::Granted)
    };
    assert!(all(&parse(&result(&last).into_string()), ".chain a").is_empty());
}

fn state_of(page: &ReportPage<'_>) -> String {
    let html = report(page).into_string();
    let document = parse(&html);
    let state = all(&document, "main")[0].value().attr("data-chain").unwrap().to_owned();
    assert_eq!(report_json(page)["state"], state.as_str());
    state
}

#[test]
fn a_chain_is_done_only_when_every_required_permission_was_seen() {
    let texts = Texts::plain();
    assert_eq!(state_of(&texts.report([None; 3])), "not_started");
    for outcome in Outcome::ALL {
        let all = [Some(*outcome); 3];
        assert_eq!(state_of(&texts.report(all)), if outcome.was_complete() { "done" } else { "started" }, "{outcome:?}");
        let some = if outcome.was_complete() { "half_done" } else { "started" };
        assert_eq!(state_of(&texts.report([Some(*outcome), None, None])), some, "{outcome:?}");
    }
    assert_eq!(ChainState::of([Some(Outcome::Granted), None]), ChainState::HalfDone);
}

#[test]
fn a_report_lists_each_step_and_links_the_readers_next_one() {
    use Outcome::{Declined, Granted, GrantedUnseen};
    let texts = Texts::plain();
    let page = texts.report([Some(Granted), Some(Declined), None]);
    let html = report(&page).into_string();
    let document = parse(&html);
    assert_eq!(text_in(&document, "h1"), "1 of 3 apps approved");
    let steps: Vec<_> =
        all(&document, "[data-step]").iter().map(|step| (step.value().attr("data-step"), step.value().attr("data-outcome"))).collect();
    assert_eq!(steps, [(Some("verifier"), Some("granted")), (Some("apple"), Some("declined")), (Some("mail-sync"), None)]);
    let standing: Vec<String> = all(&document, ".standing").iter().map(|standing| standing.text().collect()).collect();
    assert_eq!(standing, ["Approved and confirmed", "Not approved yet", "Not approved yet"]);
    assert_eq!(text_in(&document, "section.next a[href='/i/token#step-2']"), "Continue with Apple Internet Accounts");
    assert_eq!(report_json(&page)["next"], "apple");
    let offered: BTreeSet<_> = all(&document, "a.button").iter().map(|link| link.value().attr("href").unwrap().to_owned()).collect();
    assert_eq!(offered, [1, 2, 3].map(|step| format!("/i/token#step-{step}")).into(), "every step can be repeated");
    let chain = vec![texts.own_step(), texts.companion_step(), texts.own_step()];
    let invitation = invitation(&texts.invitation(chain)).into_string();
    assert!((1..=3).all(|step| all(&parse(&invitation), &format!("details > .step#step-{step}")).len() == 1), "the links lead there");

    let waiting = texts.report([Some(Granted), Some(GrantedUnseen), Some(Granted)]);
    assert!(text_in(&parse(&report(&waiting).into_string()), "section.next").contains("Nothing for you to do now"));
    assert!(report_json(&waiting)["next"].is_null());
    let ended = ReportPage { invitation_href: None, is_open: false, ..page };
    let html = report(&ended).into_string();
    assert!(all(&parse(&html), "a.button").is_empty());
    assert!(text_of(&html).contains("Please ask Fabrikam IT for a new one: help@fabrikam.example"));
}

#[test]
fn a_report_claims_no_record_of_a_step_without_a_callback() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        let mut page = texts.report([None, Some(*outcome), None]);
        page.steps[0].checked = false;
        (page.steps[2].checked, page.steps[2].verifier) = (false, Some("Fabrikam Reader"));
        let recorded = |page: &ReportPage<'_>| text_of(&report(page).into_string()).contains("recorded");
        let came_back = recorded(&page);
        page.steps[1].result.as_mut().unwrap().unopened = true;
        let unopened = report_json(&page)["steps"][1]["result"]["sentence"].to_string();
        assert!(!recorded(&page) && !unopened.contains("recorded"), "{outcome:?}: {unopened}");
        let known = matches!(outcome, Outcome::OperatorFault | Outcome::Unavailable | Outcome::ReportedUnverified);
        assert_eq!(came_back, known, "{outcome:?}");
        let text = text_of(&report(&page).into_string());
        assert!(!text.to_lowercase().contains("half") && !text.contains("Not started"), "{text}");
        assert!(text.contains(if outcome.was_complete() { "1 of 3 apps approved" } else { "0 of 3 apps approved" }), "{text}");
        assert!(text.contains("This page does not show whether Fabrikam Mail Sync is approved."), "{text}");
        assert!(text.contains("We can check Fabrikam Mail Sync once Fabrikam Reader is approved."), "{text}");
    }
}

#[test]
fn the_watch_page_does_not_send_away_who_still_has_to_approve() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        for informed in [Informed::Yes, Informed::Underway, Informed::Unknown] {
            let result = ResultPage { closing: Closing::Concluded(informed), chain: None, ..texts.result(*outcome) };
            let html = watch(&WatchPage { result, ..texts.watch(*outcome) }).into_string();
            let turn = all(&parse(&html), "[data-turn]")[0].value().attr("data-turn").unwrap().to_owned();
            assert!(turn != "you" || !html.contains("close this page"), "{outcome:?}");
            let approves = html.contains("After Accept, the other tab may look broken");
            assert!(!(approves && text_of(&html).contains("has been informed")), "{outcome:?}");
        }
    }
}

#[test]
fn an_unusable_link_names_the_contact() {
    let texts = Texts::plain();
    for outcome in [Outcome::LinkExpired, Outcome::LinkRevoked, Outcome::LinkDamaged] {
        let text = text_in(&parse(&result(&ResultPage::new(texts.branding(), outcome)).into_string()), "main");
        assert!(text.contains("ask Fabrikam IT") && text.contains("help@fabrikam.example"), "{text}");
    }
}

#[test]
fn foreign_text_is_isolated_and_cannot_reverse_other_text() {
    let texts = Texts::each(|name| format!("\u{2603}{name}\u{2603}"));
    let mut seen = BTreeSet::new();
    for html in every_page(&texts) {
        let document = parse(&html);
        let body = all(&document, "body")[0];
        for node in body.descendants() {
            let Some(text) = node.value().as_text().filter(|text| text.contains('\u{2603}')) else { continue };
            assert!(text.starts_with('\u{2603}') && text.ends_with('\u{2603}'), "{text:?}");
            let parent = node.parent().and_then(|parent| parent.value().as_element().map(|element| element.name().to_owned()));
            assert_eq!(parent.as_deref(), Some("bdi"), "{text:?}");
            seen.insert(text.to_string());
        }
    }
    assert_eq!(seen.len(), 12, "not every text was shown: {seen:?}");
}

fn hostile() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "</style><script>x</script>",
        "</title><h1>x",
        "<!--",
        "\"><img src=x onerror=y>",
        "' onmouseover='x",
        "&lt;b&gt;&amp;&#60;",
        "</bdi></main></body></html>",
        "</pre></details><form action=https://evil.example>",
        "</button></form>",
        "<plaintext>",
        "</textarea><noscript>",
        "{app}{operator}{",
        "\u{202e}\u{2066}evil",
        "\u{0}\r\n\t",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>(), "[<>&\"'{}/!\\-=a-z ]{0,40}"].prop_map(|mut text| {
        // Without this, an empty text would leave no text node.
        text.push('x');
        text
    })
}

static HARMLESS: LazyLock<Vec<Vec<String>>> =
    LazyLock::new(|| every_page(&Texts::each(|_| "x".to_owned())).iter().map(|html| skeleton(html)).collect());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_text_of_others_becomes_part_of_the_document(texts in prop::collection::vec(hostile(), 12)) {
        let next = std::cell::RefCell::new(texts.into_iter());
        let texts = Texts::each(|_| next.borrow_mut().next().unwrap());
        for (html, harmless) in every_page(&texts).iter().zip(&*HARMLESS) {
            prop_assert_eq!(&skeleton(html), harmless);
        }
    }
}

#[test]
fn every_json_field_is_documented() {
    let document = include_str!("../../docs/outcomes.md");
    let texts = Texts::plain();
    for json in [watch_json(&texts.watch(Outcome::Pending)), report_json(&texts.report([Some(Outcome::Granted), None, None]))] {
        for field in json.as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{field}`")), "{field}");
        }
    }
    let watched = watch_json(&texts.watch(Outcome::Pending));
    for field in watched["watch"].as_object().unwrap().keys() {
        assert!(document.contains(&format!("\"{field}\"")), "{field}");
    }
}

#[test]
fn json_of_the_watch_page_is_in_the_words_of_the_page() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        let page = texts.watch(*outcome);
        let (json, text) = (watch_json(&page), text_of(&watch(&page).into_string()));
        for told in ["title", "sentence", "next_step", "hint"] {
            assert!(json[told].as_str().is_none_or(|words| text.contains(words)), "{outcome:?} {told}");
        }
    }
}

#[test]
fn the_gallery_shows_each_of_these_pages() {
    let texts = Texts::plain();
    let (asked, apple) = (asked(), apple());
    let own = Step { permissions: &asked, ..texts.own_step() };
    let companion = Step { permissions: &apple, ..texts.companion_step() };
    let delegated = [ExpectedResource {
        resource: ResourceId::GRAPH,
        name: "Microsoft Graph".into(),
        permissions: vec![
            permission(PermissionKind::Delegated, "Mail.Send", Need::Required),
            permission(PermissionKind::Delegated, "Calendars.Read", Need::Optional),
        ],
    }];
    let by_name = Step { permissions: &delegated, asked_by_name: true, role: RoleNeeded::ApplicationAdministrator, ..texts.own_step() };
    let mut gallery = BTreeMap::from([
        ("invitation".to_owned(), invitation(&texts.invitation(vec![own])).into_string()),
        ("invitation-companion".to_owned(), invitation(&texts.invitation(vec![companion])).into_string()),
        ("invitation-by-name".to_owned(), invitation(&texts.invitation(vec![by_name])).into_string()),
        ("invitation-chain".to_owned(), invitation(&texts.invitation(vec![own, companion])).into_string()),
    ]);
    for (name, html) in ["not-started", "half-done", "waiting", "done"].into_iter().zip(reports(&texts)) {
        gallery.insert(format!("report-{name}"), html);
    }
    let watched = |outcome, listed, missing| {
        let page = texts.watch(outcome);
        let refresh = page.result.refresh.filter(|_| matches!(outcome, Outcome::Pending | Outcome::GrantedInPart));
        let users_may_approve = match outcome {
            Outcome::Pending => Some(UsersMayApprove::Yes),
            Outcome::GrantedInPart => Some(UsersMayApprove::No),
            _ => Some(UsersMayApprove::Perhaps),
        };
        let result = ResultPage { app: Some(&texts.other_app), purpose: None, missing, refresh, users_may_approve, ..page.result.clone() };
        watch(&WatchPage { result, listed, ..page }).into_string()
    };
    for (outcome, listed, missing) in [
        (Outcome::Pending, Some(false), &[][..]),
        (Outcome::GrantedInPart, Some(true), &texts.missing[..]),
        (Outcome::ReportedUnverified, None, &[]),
        (Outcome::Granted, Some(true), &[]),
        (Outcome::Disabled, Some(true), &[]),
    ] {
        gallery.insert(format!("watch-{}", outcome.name()), watched(outcome, listed, missing));
    }
    for outcome in [Outcome::WrongTenant, Outcome::WrongAccount] {
        let page = ResultPage { missing: &[], looked_at: None, ..texts.with_right_account(outcome) };
        gallery.insert(format!("account-{}", outcome.name()), result(&page).into_string());
    }
    let hostile = Texts::each(|name| format!("<b>{name}</b> {} \u{5d0}\u{5d1}\u{202e}abc", "W".repeat(120)));
    gallery.insert("invitation-hostile".to_owned(), invitations(&hostile).remove(2));
    assert_eq!(gallery.len(), 16);
    assert_eq!(gallery.values().collect::<BTreeSet<_>>().len(), 16);
}
