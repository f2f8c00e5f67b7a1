//! The help page, which explains an error number of Microsoft's page.

use entra_consent::consent::AadstsCode;
use entra_consent::consent::aadsts;
use http::StatusCode;
use scraper::{Html, Selector};

use crate::support::stage::{Page, Stage};

fn known(page: &Page) -> Option<String> {
    let html = Html::parse_document(&page.body);
    let told = html.select(&Selector::parse("[data-known]").unwrap()).next()?;
    Some(told.value().attr("data-known").unwrap().to_owned())
}

async fn ask(stage: &Stage, query: &str) -> Page {
    let page = stage.get(&format!("{}/help{query}", stage.base)).await;
    assert_eq!((page.status, page.body.contains("data-page=\"help\"")), (StatusCode::OK, true), "{query}");
    page
}

#[tokio::test]
async fn the_help_page_explains_a_number_without_repeating_it() {
    let stage = Stage::new().await;
    for (number, is_known) in [("65004", "true"), ("7000112", "true"), ("900941", "true"), ("99999", "false"), ("7000215", "false")] {
        let page = ask(&stage, &format!("?number={number}")).await;
        assert_eq!(known(&page).as_deref(), Some(is_known), "{number}");
        assert!(!page.text().contains(number), "{}", page.text());
        assert!(page.body.contains(&format!("value=\"{number}\"")), "{}", page.body);
    }
    let page = ask(&stage, "?number=65004").await;
    let entry = aadsts::lookup(AadstsCode::parse("AADSTS65004").unwrap());
    assert_eq!(entry.class.name(), "declined");
    assert!(page.text().contains("Northwind Managed Services"));
}

#[tokio::test]
async fn the_help_page_reads_five_to_seven_digits_alone() {
    let stage = Stage::new().await;
    for number in ["", "1234", "65004000", "AADSTS65004", "+65004", " 65004", "65004%20", "065004", "6500a", "%3Cscript%3E1%3C/script%3E"] {
        let page = ask(&stage, &format!("?number={number}")).await;
        assert_eq!(known(&page), None, "{number}");
        assert!(page.body.contains("aria-invalid") && page.body.contains("value=\"\""), "{number}");
    }
    for query in ["", "?", "?other=65004"] {
        let page = ask(&stage, query).await;
        assert!(known(&page).is_none() && !page.body.contains("aria-invalid"), "{query}");
    }
}

#[tokio::test]
async fn the_help_page_changes_nothing_and_asks_no_other_system() {
    let stage = Stage::new().await;
    let before = stage.control.upstream_calls();
    let page = ask(&stage, "?number=65004").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'"), "{policy}");
    let head = stage.http.head(format!("{}/help?number=65004", stage.base)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    let post = stage.http.post(format!("{}/help", stage.base)).body("number=65004").send().await.unwrap();
    assert_eq!((post.status(), post.headers()["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!((stage.records().len(), stage.control.upstream_calls()), (0, before));
}
