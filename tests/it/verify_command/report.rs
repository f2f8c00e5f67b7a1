//! The report: one file, safe to open, with everything in words.

use scraper::{Html, Selector};

use super::*;

fn all<'h>(html: &'h Html, selector: &str) -> Vec<scraper::ElementRef<'h>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: &scraper::ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_report_lists_missing_permissions_and_the_next_actor() {
    let lab = Lab::with(tenants(5, |number| number < 3));
    lab.change(Change::Grant {
        tenant: tenant(3),
        app: demo::APP,
        permissions: Some(vec![PermissionSet::graph(&["Mail.Read", "Directory.Read.All"], &[])]),
    });
    let mut rows = table(5);
    rows.push_str("anna@contoso.example,<b>Bold</b> & \"co\"\n");
    lab.write("customers.csv", &rows);
    let output = lab.run(&["verify", "--app", "mail-backup", "--from", "customers.csv", "--to", "results.csv", "--report", "report.html"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let page = lab.read("report.html");
    let html = Html::parse_document(&page);
    assert_eq!(text(&all(&html, "h1")[0]), "3 of 6 customers are complete");
    let groups: Vec<_> = all(&html, "nav a").iter().map(|link| format!("{} {}", link.attr("href").unwrap(), text(link))).collect();
    assert_eq!(groups, ["#customer 2 The customer's move", "#operator 1 Your move", "#nobody 3 Complete"]);
    let sections: Vec<_> = all(&html, "section").iter().map(|section| section.attr("id").unwrap()).collect();
    assert_eq!(sections, ["customer", "operator", "nobody"], "complete customers come last");
    let part = all(&html, "#customer tbody tr").into_iter().find(|row| text(row).contains("granted in part")).unwrap();
    for words in [
        "Customer 3",
        "Missing: Microsoft Graph / User.Read.All (application)",
        "Unexpected: Microsoft Graph / Directory.Read.All",
        "Send the link again",
    ] {
        assert!(text(&part).contains(words), "{words}: {}", text(&part));
    }
    assert!(text(&all(&html, "#operator tbody")[0]).contains("<b>Bold</b> & \"co\""));
    assert_eq!(std::fs::read_dir(&lab.folder).unwrap().count(), 5, "no other file remains");
}

#[test]
fn the_report_asks_for_nothing_from_anywhere_and_runs_nothing() {
    let lab = Lab::with(tenants(1, |_| true));
    lab.write("customers.csv", &table(1));
    lab.run(&["verify", "--app", "mail-backup", "--from", "customers.csv", "--report", "report.html"]);
    let page = lab.read("report.html");
    let html = Html::parse_document(&page);
    let policy = all(&html, "meta[http-equiv=Content-Security-Policy]")[0].attr("content").unwrap();
    use base64::Engine as _;
    let style: String = all(&html, "style")[0].text().collect();
    let hash = base64::engine::general_purpose::STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes()));
    assert_eq!(policy, format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"));
    // The empty icon spares the browser a request for /favicon.ico.
    for element in
        ["script", "link:not([rel=icon][href='data:,'])", "img", "iframe", "form", "[style]", "[src]", ":not(link)[href]:not([href^='#'])"]
    {
        assert!(all(&html, element).is_empty(), "{element}");
    }
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("));
    // Every cell of the table has its column's name.
    assert_eq!(all(&html, "th[scope=col]").len(), all(&html, "tbody tr:first-child > *").len());
}

#[cfg(unix)]
#[test]
fn customers_files_are_the_owners_and_no_symbolic_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let lab = Lab::with(tenants(1, |_| true));
    lab.write("customers.csv", &table(1));
    let precious = lab.write("precious", "precious");
    let names = ["report.html", "report.html.open.part", "report.html.granted.part", "report.html.new"];
    for name in names {
        symlink(&precious, lab.folder.join(name)).unwrap();
    }
    let arguments = ["verify", "--app", "mail-backup", "--from", "customers.csv", "--to", "results.csv", "--report", "report.html"];
    let output = lab.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(lab.read("precious"), "precious");
    for name in ["results.csv", "report.html"] {
        let metadata = std::fs::symlink_metadata(lab.folder.join(name)).unwrap();
        assert_eq!((metadata.is_file(), metadata.permissions().mode() & 0o777), (true, 0o600), "{name}");
    }
}

#[test]
fn a_customer_of_several_apps_is_one_row_with_its_contact() {
    let lab = Lab::with(tenants(3, |number| number == 0));
    lab.grant(tenant(0), READER);
    lab.grant(tenant(1), READER);
    let contacts = ["anna@c0.example", "x?bcc=y@c1.example", "o'neil+a@c2.example"];
    let rows: String =
        contacts.iter().zip(0..).map(|(contact, number)| format!("{},=Customer {number},{contact}\n", tenant(number))).collect();
    lab.write("customers.csv", &format!("tenant,label,contact\n{rows}"));
    let apps = ["--app", "mail-backup", "--app", "reader"];
    let output = lab.run(&[&["verify", "--from", "customers.csv", "--to", "results.csv", "--report", "report.html"], &apps[..]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let html = Html::parse_document(&lab.read("report.html"));
    assert_eq!(text(&all(&html, "h1")[0]), "1 of 3 customers are complete");
    let row = text(&all(&html, "#customer tbody tr")[0]);
    assert!(row.contains("mail-backup absent") && row.contains("reader granted"), "{row}");
    assert_eq!(all(&html, "tbody tr").len(), 3);
    let mails: Vec<_> = all(&html, "a[href^=mailto]").iter().map(|link| link.attr("href").unwrap()).collect();
    assert_eq!(mails, ["mailto:x%3Fbcc%3Dy@c1.example", "mailto:o%27neil%2Ba@c2.example", "mailto:anna@c0.example"]);
    // The run goes on, and the report has the rows of both runs.
    let results = lab.read("results.csv");
    lab.write("results.csv", &results[..results.trim_end().rfind('\n').unwrap() + 1]);
    lab.run(&[&["verify", "--from", "customers.csv", "--to", "results.csv", "--resume", "--report", "report.html"], &apps[..]].concat());
    assert_eq!(all(&Html::parse_document(&lab.read("report.html")), "tbody tr").len(), 3);
}
