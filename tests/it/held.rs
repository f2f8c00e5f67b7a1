//! Attacks that must fail, one test for each: forged and misplaced tokens, ambiguous HTTP, hostile cells and names. `docs/proof.md` lists
//! all attacks, with the tests in other files too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::approval::follow_up::{Delivery, Handled, carry_out};
use entra_consent::consent::Outcome;
use entra_sandbox::{Change, demo};
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::northwind::KEY;
use crate::support::order::signed_order;
use crate::support::stage::{Options, Stage};
use crate::verify_command::{Lab, tenant, told};

/// The token, which is the last part of an address.
fn token_of(address: &str) -> String {
    address.rsplit(['/', '=']).next().unwrap().to_owned()
}

#[tokio::test]
async fn each_kind_of_token_opens_in_its_own_places_alone() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let order = signed_order(&stage.installation, &ticket, Outcome::Pending, 0).await;
    let invitation = token_of(&stage.invite("mail-backup", demo::CONTOSO).await);
    let answer = stage.get(&format!("{}/callback?admin_consent=True&state={ticket}", stage.base)).await;
    let receipt = token_of(answer.header("location").unwrap());
    let calls = stage.control.upstream_calls();
    for (kind, token, opens) in [
        ("invitation", &invitation, &["GET /i/", "POST /i/"][..]),
        ("ticket", &ticket, &["GET /callback?admin_consent=True&state="]),
        ("receipt", &receipt, &["GET /r/", "GET /w/"]),
        ("order", &order, &[]),
    ] {
        for place in ["GET /i/", "POST /i/", "GET /callback?admin_consent=True&state=", "GET /r/", "GET /w/"] {
            if opens.contains(&place) {
                continue;
            }
            let (method, path) = place.split_once(' ').unwrap();
            let request = stage.http.request(method.parse().unwrap(), format!("{}{path}{token}", stage.base));
            let page = stage.read(request.send().await.unwrap()).await;
            assert_eq!((page.status, page.outcome().as_str()), (StatusCode::BAD_REQUEST, "link_damaged"), "{kind} at {place}");
        }
        let handled = carry_out(&stage.worker, Delivery { id: "message", body: token, received: 1, receipt: None }).await;
        assert_eq!(handled, if kind == "order" { Handled::Done } else { Handled::Failed }, "{kind} in the queue");
        if kind != "order" {
            assert_eq!(stage.last_record()["event"], "rejected", "{kind} in the queue");
            assert_eq!(stage.control.upstream_calls(), calls, "{kind}");
        }
    }
    // We accept each token at the address of its own kind.
    assert_eq!(stage.get(&format!("{}/i/{invitation}", stage.base)).await.status, StatusCode::OK);
    assert_eq!(stage.get(&format!("{}/r/{receipt}", stage.base)).await.outcome(), "pending");
}

/// Signs any header and payload with the installation's key.
fn signed(header: &str, payload: &str) -> String {
    let document: Value = serde_json::from_str(KEY).unwrap();
    let key = EncodingKey::from_secret(document["key"].as_str().unwrap().as_bytes()).unwrap();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn decoded(part: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Replaces the last character of a signature by one that differs only in bits that a decoder may ignore.
fn malleated(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).unwrap() + 1;
    format!("{rest}{}", ALPHABET.get(at..=at).unwrap())
}

#[tokio::test]
async fn forged_tickets_of_every_shape_get_one_answer() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(demo::CONTOSO).await;
    let parts: Vec<&str> = ticket.split('.').collect();
    let (header, payload) = (decoded(parts[0]), decoded(parts[1]));
    let now = serde_json::from_str::<Value>(&payload).unwrap()["iat"].as_u64().unwrap();
    let with = |text: &str, member: &str, value: Value| {
        let mut all: Value = serde_json::from_str(text).unwrap();
        all[member] = value;
        all.to_string()
    };
    let headers = [
        ("alg", json!("none")),
        ("alg", json!("HS512")),
        ("kid", json!("../k1")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(["k1"])),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jku", json!("https://evil.example/keys")),
    ];
    let claims = [
        ("aud", json!(["callback", "receipt"])),
        ("iss", json!([stage.base, "https://evil.example"])),
        ("iss", json!("https://other.example")),
        ("nbf", json!(now)),
        ("iat", json!(now + 86_400)),
        ("exp", json!(now + 200 * 86_400)),
        ("exp", json!(1.8e9)),
        ("exp", json!("1800007200")),
        ("exp", json!(18_446_744_073_709_551_616.0_f64)),
        ("lbl", json!("\u{1b}[31mContoso")),
        ("lbl", json!("x".repeat(5_000))),
    ];
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{\"{member}\":\"other\","), 1);
    let mut forged = vec![
        ("no signature".to_owned(), format!("{}.{}.", URL_SAFE_NO_PAD.encode(with(&header, "alg", json!("none"))), parts[1])),
        ("a header member twice".into(), signed(&twice(&header, "kid"), &payload)),
        ("a claim twice".into(), signed(&header, &twice(&payload, "app"))),
        ("a byte order mark".into(), signed(&format!("\u{feff}{header}"), &payload)),
        ("padding".into(), format!("{}=.{}.{}", parts[0], parts[1], parts[2])),
        ("another last character".into(), malleated(&ticket)),
    ];
    forged.extend(headers.map(|(name, value)| (format!("header {name} {value}"), signed(&with(&header, name, value), &payload))));
    forged.extend(claims.map(|(name, value)| (format!("claim {name} {value}"), signed(&header, &with(&payload, name, value)))));
    assert_eq!(forged.len(), 25);

    let mut bodies = std::collections::BTreeSet::new();
    for (what, token) in &forged {
        // A minute between two rejections, so that each gets its own record.
        stage.advance(60);
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("state", token).finish();
        let page = stage.get(&format!("{}/callback?admin_consent=True&tenant={}&{query}", stage.base, demo::CONTOSO)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{what}");
        assert_eq!(stage.last_record()["event"], "rejected", "{what}");
        bodies.insert(page.body);
    }
    assert_eq!((bodies.len(), stage.records().len()), (1, forged.len()));
    assert!(bodies.first().unwrap().contains("data-outcome=\"link_damaged\""));
    assert_eq!(stage.control.upstream_calls(), 0);
    assert_eq!(stage.get(&format!("{}/callback?admin_consent=True&state={}", stage.base, signed(&header, &payload))).await.status, 303);
}

#[test]
fn a_cell_that_is_no_tenant_causes_no_call() {
    let lab = Lab::new();
    let cells = [
        "https://evil.example/",
        "//evil.example",
        "user:pass@evil.example",
        "127.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "::1",
        "localhost",
        "169.254.169.254",
        "metadata",
        "..",
        "../common",
        "%2f..%2fcommon",
        "contoso.example/..",
        "contoso.example%2f",
        "contoso.example?x",
        "contoso.example#",
        "\"contoso.example\r\nHost: evil.example\"",
        "common",
        "organizations",
    ];
    lab.write("cells.csv", &format!("tenant\n{}\n", cells.join("\n")));
    let rows = lab.rows(&["--app", "mail-backup", "--from", "cells.csv"], 3);
    assert_eq!(rows.len(), cells.len());
    for row in &rows {
        assert_eq!(row["outcome"], "not_asked", "{row}");
    }
    assert_eq!(lab.control().requests().len(), 0, "{:?}", lab.control().requests());
}

#[test]
fn hostile_names_stay_text_in_every_output() {
    const NAME: &str = "\u{1b}]0;evil\u{7}\u{1b}[31m\u{202e}<script>alert(1)</script>\r\n=cmd|'/C calc'!A0";
    let lab = Lab::new();
    lab.grant(demo::CONTOSO, demo::APP);
    lab.grant(demo::CONTOSO, crate::verify_command::READER);
    lab.change(Change::RenameTenant { tenant: demo::CONTOSO, name: NAME.into() });
    lab.write("customers.csv", &format!("tenant,label,reference\n{},\"{NAME}\",=1+1\n{},x;=cmd|x;y,-1\n", demo::CONTOSO, tenant(1)));
    for output in ["table", "csv", "json"] {
        let run = lab.run(&["verify", "--app", "reader", "--from", "customers.csv", "--output", output, "--report", "report.html"]);
        let shown = String::from_utf8(run.stdout.clone()).unwrap() + &told(&run);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output}: {shown:?}");
        assert!(shown.contains("evil"), "{output}: {shown}");
        if output == "csv" {
            let mut rows = csv::Reader::from_reader(run.stdout.as_slice());
            for cell in rows.records().map(Result::unwrap).flat_map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>()) {
                let starts = cell.split([';', '\n', '\r', '\t']).any(|part| part.starts_with(['=', '+', '-', '@']));
                assert!(!starts, "{cell:?}");
            }
        }
        let page = lab.read("report.html");
        assert!(!page.contains("<script") && !page.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output}");
        std::fs::remove_file(lab.folder.join("report.html")).unwrap();
    }
}

/// The texts in backquotes that could be names of tests.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |text: &&str| {
        text.matches('_').count() >= 3 && text.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'0'..=b'9' | b'_'))
    };
    text.split('`').skip(1).step_by(2).filter(is_name)
}

fn sources(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, text);
        } else if entry.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            text.push_str(&std::fs::read_to_string(&entry).unwrap());
        }
    }
}

#[test]
fn each_test_that_a_document_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["src", "tests", "crates"] {
        sources(&root.join(folder), &mut text);
    }
    for document in ["docs/proof.md", "docs/incidents.md"] {
        let page = std::fs::read_to_string(root.join(document)).unwrap();
        let missing: Vec<_> =
            names_in(&page).filter(|name| !["fn", "def"].iter().any(|word| text.contains(&format!("{word} {name}(")))).collect();
        assert!(missing.is_empty() && names_in(&page).next().is_some(), "{document}: {missing:?}");
    }
}
