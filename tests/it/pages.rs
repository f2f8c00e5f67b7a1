//! Pages as a browser parses them.

use std::collections::BTreeSet;
use std::time::Duration;

use entra_consent::consent::callback::TraceId;
use entra_consent::consent::permission_table::PermissionKind;
use entra_consent::consent::permissions::NamedPermission;
use entra_consent::consent::{AadstsCode, Outcome, TenantStatus, aadsts};
use entra_consent::outbox::Informed;
use entra_consent::web::headers::STYLE;
use entra_consent::web::pages::{
    Branding, ChainLine, Closing, NamedBy, Notice, Organisation, RefreshPlan, ReportedCode, ResultPage, notice, notice_json, result,
    result_json,
};
use entra_consent::web::words::CodeFrom;
use http::Method;
use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector};
use time::macros::datetime;
use url::Url;

const NOTICES: [Notice<'static>; 7] = [
    Notice::Root,
    Notice::NoSuchPage,
    Notice::MethodNotAllowed(&[Method::GET, Method::HEAD]),
    Notice::TooLarge,
    Notice::UnsupportedMediaType,
    Notice::KeysUnavailable(120),
    Notice::NothingArrived,
];

const CENTRE: &str = "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/StartboardApplicationsMenuBlade/~/AppAppsPreview";
const INFORMED: Closing = Closing::Concluded(Informed::Yes);
const CLOSINGS: [Closing; 7] = [
    Closing::Nothing,
    Closing::KeepsLooking,
    Closing::WillConfirm,
    Closing::PleaseReload,
    INFORMED,
    Closing::Concluded(Informed::Underway),
    Closing::Concluded(Informed::Unknown),
];

fn privacy() -> Url {
    Url::parse("https://example.com/privacy").unwrap()
}

/// All texts of a page that do not come from the product itself.
#[derive(Debug, Clone)]
struct Texts {
    operator: String,
    support: String,
    app: String,
    purpose: String,
    afterwards: String,
    organisation: String,
    resource: String,
    value: String,
    missing_resource: String,
    reference: String,
    record_id: String,
}

impl Texts {
    fn each(text: impl Fn(&'static str) -> String) -> Self {
        Self {
            operator: text("operator"),
            support: text("support"),
            app: text("app"),
            purpose: text("purpose"),
            afterwards: text("afterwards"),
            organisation: text("organisation"),
            resource: text("resource"),
            value: text("value"),
            missing_resource: text("missing_resource"),
            reference: text("reference"),
            record_id: text("record_id"),
        }
    }

    fn plain() -> Self {
        Self {
            operator: "Fabrikam IT".into(),
            support: "help@fabrikam.example or +49 30 901820".into(),
            app: "Fabrikam Mail Sync".into(),
            purpose: "Copies calendars between your mailboxes and our booking system.".into(),
            afterwards: "We set up the first calendars within one working day.".into(),
            organisation: "Contoso GmbH".into(),
            resource: "Microsoft Graph".into(),
            value: "Mail.Read".into(),
            missing_resource: "Office 365 Exchange Online".into(),
            reference: "T-20261120-7".into(),
            record_id: "6f1c1f0e-0d0a-4a36-9f64-0d1c9a0b7b11".into(),
        }
    }

    fn permissions(&self) -> Vec<NamedPermission> {
        [PermissionKind::Application, PermissionKind::Delegated]
            .map(|kind| NamedPermission { resource: self.resource.as_str().into(), kind, value: self.value.as_str().into() })
            .to_vec()
    }
}

/// A page with every possible part.
fn reported(code: &str, from: CodeFrom) -> ReportedCode {
    let code = AadstsCode::parse(code).unwrap();
    ReportedCode { code, entry: aadsts::lookup(code), from }
}

fn full<'a>(outcome: Outcome, texts: &'a Texts, permissions: &'a [NamedPermission], privacy_url: &'a Url) -> ResultPage<'a> {
    let branding = Branding { operator: &texts.operator, support: &texts.support, privacy_url, look: None };
    ResultPage {
        app: Some(&texts.app),
        purpose: Some(&texts.purpose),
        afterwards: Some(&texts.afterwards),
        organisation: Some(Organisation { name: &texts.organisation, named_by: NamedBy::Operator }),
        code: Some(reported("AADSTS53003", CodeFrom::Check)),
        missing_resource: Some(&texts.missing_resource),
        trace_id: Some(TraceId::from_u128(1)),
        correlation_id: Some(TraceId::from_u128(2)),
        missing: permissions,
        unseen: permissions,
        unexpected: permissions,
        forbidden: permissions,
        optional_absent: permissions,
        looked_at: Some(datetime!(2026-11-20 14:03:22.5 +1)),
        age: Some(Duration::from_secs(12)),
        provisional: true,
        refresh: Some(RefreshPlan { seconds: 15, stop_href: "?reload=off" }),
        check_again_href: Some("/r/receipt"),
        centre_href: Some(CENTRE),
        closing: INFORMED,
        reference: Some(&texts.reference),
        record_id: Some(&texts.record_id),
        ..ResultPage::new(branding, outcome)
    }
}

fn parse(html: &str) -> Html {
    Html::parse_document(html)
}

fn all<'a>(document: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    document.select(&Selector::parse(selector).unwrap()).collect()
}

fn text_of(document: &Html) -> String {
    all(document, "body").iter().flat_map(ElementRef::text).collect()
}

/// The parsed document without its text: every element with its attributes and depth. A mail may contain names of others, encoded.
fn skeleton(html: &str) -> Vec<String> {
    let mut parts = html.split("href=\"mailto:");
    let mut without = parts.next().unwrap().to_owned();
    for part in parts {
        let (address, rest) = part.split_once('"').unwrap();
        let encoded = address.split_once('?').map_or("", |(_, fields)| fields).replacen("&amp;", "", 1);
        assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%=".contains(&byte)), "{address}");
        without.extend(["href=\"mailto:\"", rest]);
    }
    let document = parse(&without);
    let nodes = document.tree.root().descendants().filter(|node| !node.value().is_text());
    nodes.map(|node| format!("{} {:?}", node.ancestors().count(), node.value())).collect()
}

fn bare(outcome: Outcome) -> String {
    let (texts, url) = (Texts::plain(), privacy());
    let branding = Branding { operator: &texts.operator, support: &texts.support, privacy_url: &url, look: None };
    result(&ResultPage::new(branding, outcome)).into_string()
}

fn full_page(outcome: Outcome, texts: &Texts) -> String {
    let (permissions, url) = (texts.permissions(), privacy());
    result(&full(outcome, texts, &permissions, &url)).into_string()
}

fn notice_page(kind: Notice<'_>, texts: &Texts) -> String {
    let url = privacy();
    notice(Branding { operator: &texts.operator, support: &texts.support, privacy_url: &url, look: None }, kind).into_string()
}

fn every_page(texts: &Texts) -> Vec<String> {
    let results = Outcome::ALL.iter().flat_map(|outcome| [bare(*outcome), full_page(*outcome, texts)]);
    results.chain(NOTICES.map(|kind| notice_page(kind, texts))).collect()
}

#[test]
fn every_outcome_has_a_page_that_says_which_it_is() {
    for outcome in Outcome::ALL {
        for html in [bare(*outcome), full_page(*outcome, &Texts::plain())] {
            let document = parse(&html);
            let main = all(&document, "main");
            assert_eq!(main.len(), 1, "{outcome:?}");
            assert_eq!(main[0].value().attr("data-outcome"), Some(outcome.name()));
            assert_eq!(all(&document, "h1").len(), 1, "{outcome:?}");
            assert_eq!(all(&document, "section.next").len(), 1, "{outcome:?}");
        }
    }
}

#[test]
fn every_page_is_one_english_document_without_anything_active_or_external() {
    for html in every_page(&Texts::plain()) {
        assert!(html.starts_with("<!DOCTYPE html>"));
        let document = parse(&html);
        assert_eq!(all(&document, "html")[0].value().attr("lang"), Some("en"));
        for once in ["main", "h1", "title", "style", "meta[name=viewport]", "footer", "section.next h2"] {
            let at_most = all(&document, once).len();
            assert_eq!(at_most, 1, "{once}");
        }
        let active = "script, form, img, iframe, object, embed, link:not([rel=icon][href='data:,']), base, audio, video, input, button, meta[http-equiv], [style], [src]";
        assert!(all(&document, active).is_empty());
        for element in all(&document, "*") {
            assert!(element.value().attrs().all(|(name, _)| !name.starts_with("on")));
        }
        for link in all(&document, "a") {
            let href = link.value().attr("href").unwrap();
            let centre = href == CENTRE && link.value().attr("rel") == Some("noopener noreferrer");
            let ours = href.starts_with("/r/")
                || centre
                || href.starts_with("mailto:help@fabrikam.example")
                || href.starts_with("mailto:?subject=")
                || href == "tel:+4930901820"
                || href.starts_with('?')
                || (href == "https://example.com/privacy" && link.value().attr("rel") == Some("noreferrer"));
            assert!(ours, "{href}");
        }
    }
}

#[test]
fn the_style_that_the_policy_allows_is_the_one_in_the_page() {
    for html in every_page(&Texts::plain()) {
        let document = parse(&html);
        assert_eq!(all(&document, "style")[0].text().collect::<String>(), STYLE);
    }
}

#[test]
fn only_a_notice_about_an_outcome_carries_it() {
    for kind in NOTICES {
        let document = parse(&notice_page(kind, &Texts::plain()));
        let main = all(&document, "main")[0].value();
        assert_eq!(main.attr("data-outcome"), kind.outcome().map(Outcome::name));
        assert_eq!(main.attr("data-notice").is_some(), kind.outcome().is_none());
    }
    assert_eq!(Notice::NothingArrived.outcome(), Some(Outcome::Unsolicited));
    assert_eq!(NOTICES.map(|kind| kind.status().as_u16()), [200, 404, 405, 413, 415, 503, 400]);
}

#[test]
fn the_operator_is_said_to_be_informed_only_once_that_is_true() {
    let (texts, url) = (Texts::plain(), privacy());
    for outcome in Outcome::ALL {
        for closing in CLOSINGS {
            let page = ResultPage { closing, ..full(*outcome, &texts, &[], &url) };
            let text = text_of(&parse(&result(&page).into_string()));
            assert_eq!(text.contains("Fabrikam IT has been informed."), closing == INFORMED, "{outcome:?}");
            assert_eq!(text.contains("Fabrikam IT is being informed."), closing == Closing::Concluded(Informed::Underway), "{outcome:?}");
            assert_eq!(text.contains("can see this in its records"), closing == Closing::Concluded(Informed::Unknown), "{outcome:?}");
            let checks = matches!(closing, Closing::KeepsLooking | Closing::WillConfirm);
            assert_eq!(text.contains("We keep checking"), checks, "{outcome:?}");
            let json = result_json(&page);
            assert_eq!(json["operator_informed"], closing == INFORMED);
            assert_eq!(json["keeps_looking"], checks);
        }
    }
}

fn asks_reader(outcome: Outcome) -> bool {
    use Outcome::{LinkDamaged, LinkExpired, LinkRevoked, Unknown, Unsolicited};
    matches!(outcome, LinkDamaged | LinkExpired | LinkRevoked | Unknown | Unsolicited)
}

#[test]
fn page_json_and_verify_agree_on_whose_move_it_is() {
    let (texts, url) = (Texts::plain(), privacy());
    for outcome in Outcome::ALL {
        let page =
            ResultPage::new(Branding { operator: &texts.operator, support: &texts.support, privacy_url: &url, look: None }, *outcome);
        let document = parse(&result(&page).into_string());
        let turn = all(&document, "[data-turn]")[0].value().attr("data-turn").unwrap();
        assert_eq!(result_json(&page)["turn"], turn, "{outcome:?}");
        let for_operator = match turn {
            "you" | "organisation" => "customer",
            "operator" | "app_owner" => "operator",
            "microsoft" => "nobody_yet",
            turn => turn,
        };
        assert_eq!(TenantStatus::Outcome(*outcome).turn().for_operator(), for_operator, "{outcome:?}");
    }
    let owner = |outcome: Outcome| outcome.facts().owner.name();
    assert_eq!([Outcome::Unknown, Outcome::WrongTenant, Outcome::Unsolicited].map(owner), ["operator", "you", "nobody"]);
    assert_eq!([Outcome::LinkExpired, Outcome::LinkDamaged, Outcome::LinkRevoked].map(owner), ["operator"; 3]);
}

#[test]
fn a_reader_with_a_next_step_is_not_sent_away() {
    let (texts, url) = (Texts::plain(), privacy());
    let chain = |continue_href| Some(ChainLine { name: "Onboarding", done: Some(1), total: 2, continue_href });
    let permissions = texts.permissions();
    let codes = ["AADSTS53003", "AADSTS650052", "AADSTS50020", "AADSTS90094", "AADSTS650051", "AADSTS700016"]
        .into_iter()
        .flat_map(|code| [CodeFrom::Callback, CodeFrom::Check].map(|from| Some(reported(code, from))));
    for code in codes.chain([None]) {
        let closings = if code.is_none() { &CLOSINGS[..] } else { &[INFORMED] };
        for (outcome, closing) in Outcome::ALL.iter().flat_map(|outcome| closings.iter().map(|closing| (*outcome, *closing))) {
            for (missing_resource, verified_later) in [(None, false), (Some("Exchange"), false), (None, true)] {
                let page = ResultPage { code, closing, missing_resource, verified_later, ..full(outcome, &texts, &permissions, &url) };
                let html = |chain| result(&ResultPage { chain, ..page.clone() }).into_string();
                let document = parse(&html(None));
                let turn = all(&document, "[data-turn]")[0].value().attr("data-turn").unwrap().to_owned();
                let leaves = text_of(&document).contains("close this page");
                let said = !matches!(closing, Closing::Nothing | Closing::PleaseReload);
                // Another party owns the next step, but the page asks the reader to open the link again or to ask for a new one.
                let waits_to_retry = turn == "microsoft" && outcome == Outcome::BlockedByPolicy;
                let asks = ["nobody", "operator", "microsoft"].contains(&turn.as_str()) && asks_reader(outcome) || waits_to_retry;
                let elsewhere = ["nobody", "operator", "microsoft"].contains(&turn.as_str()) && !asks;
                assert_eq!(leaves, said && elsewhere, "{outcome:?} {closing:?} {turn}");
                assert_eq!(text_of(&parse(&html(chain(None)))).contains("close this page"), leaves, "{outcome:?}");
                assert!(!html(chain(Some("/r/x/chain"))).contains("close this page"), "a step of the chain remains: {outcome:?}");
            }
        }
    }
    for kind in NOTICES {
        assert!(!notice_page(kind, &texts).contains("close this page"));
    }
}

#[test]
fn what_follows_an_approval_is_promised_for_granted_alone() {
    let texts = Texts::plain();
    for outcome in Outcome::ALL {
        let promised = text_of(&parse(&full_page(*outcome, &texts))).contains(&texts.afterwards);
        assert_eq!(promised, *outcome == Outcome::Granted, "{outcome:?}");
    }
}

#[test]
fn an_organisation_is_named_only_where_it_is_given_and_as_whose_word_it_is() {
    let (texts, url) = (Texts::plain(), privacy());
    for outcome in Outcome::ALL {
        let page = full(*outcome, &texts, &[], &url);
        let text_with = |organisation| text_of(&parse(&result(&ResultPage { organisation, ..page.clone() }).into_string()));
        let named_by = |named_by| Some(Organisation { name: &texts.organisation, named_by });
        assert!(text_with(named_by(NamedBy::Operator)).contains("Contoso GmbH (as named by Fabrikam IT)"));
        let from_graph = text_with(named_by(NamedBy::Graph));
        assert!(from_graph.contains("Contoso GmbH") && !from_graph.contains("as named by"));
        assert!(!text_with(None).contains("Contoso"));
        assert!(result_json(&ResultPage { organisation: None, ..page.clone() })["organisation"].is_null());
    }
}

#[test]
fn the_same_link_is_a_button_where_another_attempt_helps() {
    use Outcome::{
        BlockedByPolicy, Declined, GrantedInPart, NotAnAdmin, NotFound, Pending, Reduced, Revoked, Unknown, WrongAccount, WrongTenant,
    };
    let (texts, url) = (Texts::plain(), privacy());
    let primary = [GrantedInPart, NotFound, Declined, NotAnAdmin, WrongAccount, Unknown, WrongTenant, Revoked, Reduced];
    for outcome in Outcome::ALL {
        let page = ResultPage { code: None, provisional: false, missing_resource: None, ..full(*outcome, &texts, &[], &url) };
        let given = ResultPage { again_href: Some("/i/again"), ..page.clone() };
        let document = parse(&result(&given).into_string());
        let offered = primary.contains(outcome) || [BlockedByPolicy, Pending].contains(outcome);
        assert_eq!(all(&document, ".cta a[href='/i/again']").len(), usize::from(offered), "{outcome:?}");
        assert_eq!(!all(&document, "a.primary[href='/i/again']").is_empty(), primary.contains(outcome), "{outcome:?}");
        assert!(all(&document, "a.primary").len() <= 1, "{outcome:?}");
        assert_eq!(result_json(&given)["again"].is_string(), offered, "{outcome:?}");
        // Another browser gets no link, but a person to ask.
        let document = parse(&result(&page).into_string());
        assert_eq!(text_of(&document).contains("If you no longer have the link, ask Fabrikam IT: help@"), offered, "{outcome:?}");
        let asks = offered || matches!(outcome, Outcome::LinkExpired | Outcome::LinkRevoked | Outcome::LinkDamaged | Outcome::TenantGone);
        assert_eq!(all(&document, ".cta a[href^='mailto:help@fabrikam.example?subject=']").len(), usize::from(asks), "{outcome:?}");
        assert_eq!(all(&document, ".cta a[href='tel:+4930901820']").len(), usize::from(asks), "{outcome:?}");
    }
    let set_up = ResultPage {
        code: Some(reported("AADSTS650052", CodeFrom::Callback)),
        again_href: Some("/i/again"),
        ..full(Outcome::AppMisconfigured, &texts, &[], &url)
    };
    assert_eq!(all(&parse(&result(&set_up).into_string()), "a.primary[href='/i/again']").len(), 1);
    let soon = ResultPage { again_href: Some("/i/again"), refresh: None, ..full(GrantedInPart, &texts, &[], &url) };
    assert_eq!(text_of_all(&soon, "a.primary"), ["Check again"]);
}

#[test]
fn an_approval_that_was_there_says_that_nothing_changed() {
    let (texts, url) = (Texts::plain(), privacy());
    for outcome in Outcome::ALL {
        let page = ResultPage { already_approved: true, ..full(*outcome, &texts, &[], &url) };
        let says = text_of(&parse(&result(&page).into_string())).contains("we did not send you to Microsoft");
        assert_eq!(says, matches!(outcome, Outcome::Granted | Outcome::GrantedInExcess), "{outcome:?}");
    }
}

fn text_of_all(page: &ResultPage<'_>, selector: &str) -> Vec<String> {
    all(&parse(&result(page).into_string()), selector).iter().map(|element| element.text().collect()).collect()
}

#[test]
fn the_details_for_support_are_one_block_that_keys_reach() {
    let (texts, url) = (Texts::plain(), privacy());
    for outcome in Outcome::ALL {
        let page = ResultPage { again_href: Some("/i/again"), address: Some("/r/token"), ..full(*outcome, &texts, &[], &url) };
        let block = text_of_all(&page, "details.support pre[tabindex='0']").concat();
        let lines: Vec<&str> = block.lines().map(|line| line.split_once(": ").unwrap().1).collect();
        let [code, record] = ["AADSTS53003 (answered to our check)", "6f1c1f0e-0d0a-4a36-9f64-0d1c9a0b7b11"];
        let [correlation, trace] = [2, 1].map(|id| TraceId::from_u128(id).to_string());
        assert_eq!(lines, [outcome.name(), code, record, "T-20261120-7", "2026-11-20T13:03:22Z", &correlation, &trace]);
        let sends = text_of_all(&page, ".next").concat().contains("details for support below");
        assert!(!sends || text_of_all(&page, "details[open] pre").len() == 1, "{outcome:?}");
    }
}

#[test]
fn a_granted_page_lists_what_the_app_can_do_and_how_to_undo_it() {
    let (texts, url) = (Texts::plain(), privacy());
    let granted = texts.permissions();
    for outcome in Outcome::ALL {
        let page = ResultPage { granted: &granted, ..full(*outcome, &texts, &[], &url) };
        let can = text_of_all(&page, "[data-list=granted] li");
        let undo = text_of_all(&page, "details.centre li").concat();
        if *outcome == Outcome::Granted {
            assert!(can.len() == 2 && can[0].starts_with("Reads") && can[0].contains("Mail.Read"), "{can:?}");
            assert!(undo.contains("choose Fabrikam Mail Sync.") && undo.contains("choose Delete"), "{undo}");
        } else {
            assert!(can.is_empty() && undo.contains("Delete") == (*outcome == Outcome::WrongTenant), "{outcome:?}");
        }
        let opens = matches!(outcome, Outcome::Granted | Outcome::Disabled | Outcome::ApprovalRequested | Outcome::WrongTenant);
        assert_eq!(text_of_all(&page, &format!("a[href='{CENTRE}']")).len(), usize::from(opens), "{outcome:?}");
    }
}

/// The text nodes of the body that contain foreign text.
fn marked_nodes(document: &Html) -> Vec<(String, Vec<String>)> {
    let body = all(document, "body")[0];
    let texts = body.descendants().filter_map(|node| node.value().as_text().map(|text| (node, text.to_string())));
    texts
        .filter(|(_, text)| text.contains('\u{2603}'))
        .map(|(node, text)| {
            let around = node.ancestors().filter_map(|node| node.value().as_element().map(|element| element.name().to_owned())).collect();
            (text, around)
        })
        .collect()
}

#[test]
fn foreign_text_is_isolated_and_cannot_reverse_other_text() {
    let texts = Texts::each(|name| format!("\u{2603}{name}\u{2603}"));
    let mut seen = BTreeSet::new();
    for html in every_page(&texts) {
        for (text, around) in marked_nodes(&parse(&html)) {
            assert!(text.starts_with('\u{2603}') && text.ends_with('\u{2603}'), "{text}");
            assert!(around.first().is_some_and(|name| name == "bdi" || name == "code"), "{text} in {around:?}");
            seen.insert(text);
        }
    }
    assert_eq!(seen.len(), 11, "not every text was shown: {seen:?}");
}

fn hostile() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "</style><script>x</script>",
        "</title><h1>x",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "\"><img src=x onerror=y>",
        "' onmouseover='x",
        "&lt;b&gt;&amp;&#60;&NotEqualTilde;",
        "</bdi></main></body></html>",
        "<svg/onload=x>",
        "<plaintext>",
        "</textarea><noscript>",
        "{app}{operator}{",
        "javascript:x",
        "\u{202e}\u{2066}evil",
        "\u{0}\r\n\t",
        "\u{fffe}\u{feff}",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>(), "[<>&\"'{}/!\\-=a-z ]{0,40}"].prop_map(|mut text| {
        // A page without a text has its own template, which this test does not cover.
        text.push('x');
        text
    })
}

fn hostile_texts() -> impl Strategy<Value = Texts> {
    prop::collection::vec(hostile(), 11).prop_map(|texts| {
        let next = std::cell::RefCell::new(texts.into_iter());
        Texts::each(|_| next.borrow_mut().next().unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_of_others_becomes_part_of_the_document(texts in hostile_texts(), outcome in prop::sample::select(Outcome::ALL)) {
        // A page has links to addresses that it knows, and words for permissions that it knows.
        let plain = Texts { support: "the help desk".into(), resource: "Contoso API".into(), ..Texts::plain() };
        prop_assert_eq!(skeleton(&full_page(outcome, &texts)), skeleton(&full_page(outcome, &plain)));
        for kind in NOTICES {
            prop_assert_eq!(skeleton(&notice_page(kind, &texts)), skeleton(&notice_page(kind, &plain)));
        }
    }
}

#[test]
fn json_and_page_agree() {
    let (texts, url) = (Texts::plain(), privacy());
    let permissions = texts.permissions();
    for outcome in Outcome::ALL {
        let page = full(*outcome, &texts, &permissions, &url);
        let json = result_json(&page);
        let text = text_of(&parse(&result(&page).into_string()));
        assert_eq!(json["outcome"], outcome.name());
        for told in ["title", "sentence", "next_step", "hint", "app", "reference", "record_id", "support"] {
            if let Some(words) = json[told].as_str() {
                assert!(text.contains(words), "{outcome:?} {told}: {words}");
            }
        }
        assert_eq!(text.contains("Microsoft answered our check with"), json["code"]["meaning"].is_string(), "{outcome:?}");
        for list in ["missing", "unseen", "unexpected", "forbidden", "optional_absent"] {
            assert_eq!(json["permissions"][list].as_array().unwrap().len(), 2);
        }
        assert_eq!(json["looked_at"], "2026-11-20T13:03:22Z");
    }
    let branding = Branding { operator: &texts.operator, support: &texts.support, privacy_url: &url, look: None };
    assert_eq!(notice_json(branding, Notice::NothingArrived)["outcome"], "unsolicited");
    assert!(notice_json(branding, Notice::NoSuchPage)["outcome"].is_null());
}

#[test]
fn every_json_field_is_documented() {
    let document = include_str!("../../docs/outcomes.md");
    let (texts, url) = (Texts::plain(), privacy());
    let page = full(Outcome::Granted, &texts, &[], &url);
    for json in [result_json(&page), notice_json(page.branding, Notice::Root)] {
        for field in json.as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{field}`")), "{field}");
        }
    }
}

#[test]
fn a_long_list_is_cut_with_a_count_and_json_has_it_whole() {
    let (texts, url) = (Texts::plain(), privacy());
    let permissions: Vec<_> = std::iter::repeat_n(texts.permissions(), 50).flatten().collect();
    let page = ResultPage { missing: &permissions, ..full(Outcome::GrantedInPart, &texts, &[], &url) };
    let document = parse(&result(&page).into_string());
    assert_eq!(all(&document, "[data-list=missing] li").len(), 40);
    assert!(text_of(&document).contains("and 60 more"));
    assert_eq!(result_json(&page)["permissions"]["missing"].as_array().unwrap().len(), 100);
}

#[test]
fn what_could_not_be_seen_is_named_with_the_right_that_would_show_it() {
    let (texts, url) = (Texts::plain(), privacy());
    let both = texts.permissions();
    for (unseen, right) in [(&both[..1], "Application.Read.All"), (&both[1..], "Directory.Read.All"), (&both[..], "Directory.Read.All")] {
        let page = ResultPage { unseen, ..full(Outcome::GrantedUnseen, &texts, &[], &url) };
        assert!(text_of(&parse(&result(&page).into_string())).contains(&format!("{right} would show them")));
        assert_eq!(result_json(&page)["right_to_see_unseen"], right);
    }
}

#[test]
fn only_a_forbidden_permission_looks_alarming() {
    let (texts, url) = (Texts::plain(), privacy());
    let permissions = texts.permissions();
    for outcome in Outcome::ALL {
        for forbidden in [&permissions[..], &[]] {
            let html = result(&ResultPage { forbidden, ..full(*outcome, &texts, &permissions, &url) }).into_string();
            let alarming = !all(&parse(&html), "main.alarm").is_empty();
            assert_eq!(alarming, !forbidden.is_empty(), "{outcome:?}");
            let has_action = html.contains("href=\"mailto:help@fabrikam.example");
            assert!(has_action || !alarming, "{outcome:?}: an alarm says what to do");
        }
    }
}

#[test]
fn the_gallery_has_a_page_of_every_kind_no_two_alike() {
    let mut gallery = std::collections::BTreeMap::new();
    let (texts, url) = (Texts::plain(), privacy());
    let permission = |kind, value: &str| NamedPermission { resource: "Microsoft Graph".into(), kind, value: value.into() };
    let one = [permission(PermissionKind::Application, "Calendars.ReadWrite")];
    let two = [permission(PermissionKind::Application, "Mail.Send"), permission(PermissionKind::Delegated, "Files.ReadWrite.All")];
    for outcome in Outcome::ALL {
        let page = ResultPage {
            missing: &[],
            unseen: &[],
            unexpected: &[],
            forbidden: &[],
            optional_absent: &[],
            refresh: None,
            check_again_href: None,
            closing: Closing::Nothing,
            provisional: false,
            code: None,
            missing_resource: None,
            ..full(*outcome, &texts, &[], &url)
        };
        let code = |code, from| Some(reported(code, from));
        let page = match outcome {
            Outcome::Granted => ResultPage { optional_absent: &one, closing: INFORMED, ..page },
            Outcome::GrantedInPart | Outcome::Reduced => {
                ResultPage { missing: &two, provisional: true, check_again_href: Some("/r/x"), ..page }
            }
            Outcome::GrantedInExcess => ResultPage { unexpected: &two, forbidden: &one, closing: INFORMED, ..page },
            Outcome::Enlarged => ResultPage { unexpected: &two, closing: INFORMED, ..page },
            Outcome::GrantedUnseen => ResultPage { unseen: &two, provisional: true, closing: Closing::KeepsLooking, ..page },
            Outcome::Pending | Outcome::Unavailable => ResultPage {
                provisional: true,
                refresh: Some(RefreshPlan { seconds: 15, stop_href: "?reload=off" }),
                closing: Closing::KeepsLooking,
                ..page
            },
            Outcome::WrongAccount => ResultPage { code: code("AADSTS50020", CodeFrom::Callback), check_again_href: Some("/r/x"), ..page },
            Outcome::BlockedByPolicy => ResultPage { code: code("AADSTS53003", CodeFrom::Check), ..page },
            Outcome::AppMisconfigured => {
                ResultPage { code: code("AADSTS650052", CodeFrom::Check), missing_resource: Some(&texts.missing_resource), ..page }
            }
            Outcome::WrongTenant => ResultPage { looked_at: None, ..page },
            Outcome::LinkDamaged | Outcome::Unsolicited | Outcome::LinkExpired => ResultPage::new(page.branding, *outcome),
            _ => page,
        };
        gallery.insert(outcome.name().to_owned(), result(&page).into_string());
    }
    for (name, closing) in [("later", Closing::WillConfirm), ("not_arranged", Closing::PleaseReload)] {
        let page = ResultPage {
            verified_later: true,
            closing,
            missing: &[],
            unexpected: &[],
            unseen: &[],
            forbidden: &[],
            optional_absent: &[],
            refresh: None,
            check_again_href: None,
            code: None,
            missing_resource: None,
            looked_at: None,
            age: None,
            ..full(Outcome::Pending, &texts, &[], &url)
        };
        let html = result(&page).into_string();
        assert!(page.provisional && !html.contains("can still change"), "no check was made, so there is no result: {html}");
        gallery.insert(format!("pending-{name}"), html);
    }
    let hostile = Texts::each(|name| format!("<b>{name}</b> {} \u{5d0}\u{5d1}\u{202e}abc", "W".repeat(120)));
    gallery.insert("hostile".to_owned(), full_page(Outcome::GrantedInPart, &hostile));
    for kind in NOTICES {
        let name = notice_json(full(Outcome::Granted, &texts, &[], &url).branding, kind)["notice"].as_str().unwrap().to_owned();
        gallery.insert(format!("notice-{name}"), notice_page(kind, &texts));
    }
    let pages = Outcome::ALL.len() + NOTICES.len() + 3;
    assert_eq!(gallery.len(), pages);
    let words: BTreeSet<String> =
        gallery.values().map(|html| all(&parse(html), "h1, .lead, .next").iter().flat_map(ElementRef::text).collect()).collect();
    assert_eq!(words.len(), pages);
}
