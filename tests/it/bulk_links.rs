//! Links for a table of customers, through the real command line, with the sandbox as Microsoft.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use entra_consent::approval::admission;
use entra_consent::consent::ExpectedTenant;
use entra_consent::token::{Invitation, Ticket};
use entra_sandbox::{Change, Effect, Fault, FaultAt, Kind, RetryAfter, TenantId, TenantSetup, demo};

use super::support::installation::{BASE_URL, TestInstallation};
use crate::support::same_id;

const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");
const NOBODY: &str = "99990000-aaaa-bbbb-cccc-1111dddd2222";

fn command(test: &TestInstallation, arguments: &[&str]) -> Command {
    let folder = test.path("consent.toml").parent().unwrap().to_owned();
    let mut command = Command::new(PROGRAM);
    command.args(["link", "--app", "mail-backup"]).args(arguments).current_dir(folder).env_clear().envs(test.environment());
    command
}

fn link(test: &TestInstallation, arguments: &[&str]) -> Output {
    command(test, arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A CSV table with its cells keyed by column name.
struct Sheet {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    fn parse(text: &[u8], delimiter: u8) -> Self {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
        Self { names, rows: reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect() }
    }

    fn read(path: &Path, delimiter: u8) -> Self {
        Self::parse(&std::fs::read(path).unwrap(), delimiter)
    }

    fn cell(&self, row: usize, name: &str) -> &str {
        &self.rows[row][self.names.iter().position(|known| known == name).unwrap()]
    }

    fn column(&self, name: &str) -> Vec<&str> {
        (0..self.rows.len()).map(|row| self.cell(row, name)).collect()
    }
}

async fn opened(test: &TestInstallation, link: &str) -> Invitation {
    let token = link.strip_prefix(&format!("{BASE_URL}/i/")).unwrap().to_owned();
    admission::open(&test.installation, &token, Invitation::open).await.unwrap().0.unwrap()
}

/// A table of rows whose tenants do not exist in the sandbox, for `--offline`.
fn offline_table(rows: std::ops::Range<u32>) -> String {
    let row =
        |at: u32| format!("{},Customer {at},T-{at}\n", TenantId::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + u128::from(at)));
    rows.map(row).collect()
}

#[tokio::test]
async fn a_messy_table_gets_a_link_for_every_row_that_can_have_one() {
    let test = TestInstallation::new();
    let munich = TenantSetup::new(TenantId::from_u128(78), "München", "xn--mnchen-3ya.example");
    test.sandbox.control().apply(Change::AddTenant(Box::new(munich))).unwrap();
    let table = format!(
        "\u{feff} Tenant ;LABEL;=cmd|' /C calc'!A0;Contact;language;reference\r\n\
         contoso.example;Contoso Ltd;=1+1;anna@contoso.example;en;T-1\r\n\
         \r\n\
         MÜNCHEN.example;\"Müller; Söhne\";\"two\r\nlines\";+49 89 1234;de-AT;\r\n\
         ;;;;;\r\n\
         anna@contoso.example;anna@contoso.example;x;;;\r\n\
         {};Fabrikam, Inc.;\"say \"\"hi\"\"\";;klingon;@ref\r\n\
         nowhere.example;Nowhere;;;;\r\n\
         {};=HYPERLINK(\"x\");;;fr-CA;T-7\r\n\
         {};;;;tlh;\r\n\
         woodgrove.example;a;b;c;d;e;f\r\n",
        demo::FABRIKAM,
        demo::WOODGROVE,
        demo::CONTOSO.to_string().to_uppercase(),
    );
    std::fs::write(test.path("tenants.csv"), table).unwrap();
    let output = link(&test, &["--from", "tenants.csv", "--to", "links.csv", "--mail", "--language", "nl"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(output.stdout.is_empty());
    insta::assert_snapshot!(told(&output), @r"
    row 6: column tenant: it is the address of a person: give only what follows the '@'; column label: it has an '@': addresses of people do not go into links; leave the address out, or put it into the column contact
    row 7: column reference: it has an '@': addresses of people do not go into links; leave the address out, or put it into the column contact
    row 8: column tenant: no tenant with this name or id exists in the cloud that was asked. Check the spelling, and the cloud: a tenant is found only in its own.
    row 11: it has 7 cells and the header 6: a cell with a delimiter in it has to stand in quotes
    4 links, 4 rows without a link (rows 6, 7, 8, 11), 1 row with a remark (row 10): see the column problem of links.csv.
    Once tenants.csv is corrected, or Microsoft answers, run the same command with --resume: links that were made stay as they are.
    ");

    let bytes = std::fs::read(test.path("links.csv")).unwrap();
    assert!(bytes.starts_with("\u{feff}".as_bytes()), "a byte order mark for a byte order mark");
    assert!(!test.path("links.csv.part").exists());
    let sheet = Sheet::parse(&bytes, b';');
    assert_eq!(
        sheet.names,
        [
            "Tenant",
            "LABEL",
            "'=cmd|' /C calc'!A0",
            "Contact",
            "language",
            "reference",
            "tenant_id",
            "link",
            "link_id",
            "expires",
            "status",
            "problem",
            "mail_subject",
            "mail_text"
        ]
    );
    let seen: String = (0..sheet.rows.len())
        .map(|row| {
            let cells = ["Tenant", "tenant_id", "status", "problem"].map(|name| sheet.cell(row, name));
            format!("{}\n", cells.join(" | ").trim_end())
        })
        .collect();
    insta::assert_snapshot!(seen, @r"
    contoso.example | 0a1b0000-0000-4000-8000-000000000002 | made |
    MÜNCHEN.example | 00000000-0000-0000-0000-00000000004e | made |
    anna@contoso.example |  | wrong_row | column tenant: it is the address of a person: give only what follows the '@'; column label: it has an '@': addresses of people do not go into links; leave the address out, or put it into the column contact
    0a1b0000-0000-4000-8000-000000000003 |  | wrong_row | column reference: it has an '@': addresses of people do not go into links; leave the address out, or put it into the column contact
    nowhere.example |  | unknown_tenant | column tenant: no tenant with this name or id exists in the cloud that was asked. Check the spelling, and the cloud: a tenant is found only in its own.
    0a1b0000-0000-4000-8000-000000000004 | 0a1b0000-0000-4000-8000-000000000004 | made |
    0A1B0000-0000-4000-8000-000000000002 | 0a1b0000-0000-4000-8000-000000000002 | made | row 2 has the same tenant; column language: the languages are de, en, es, fr, it, nl and pt; a region may follow, as in de-AT. The mail is in the language of --language
    woodgrove.example |  | wrong_row | it has 7 cells and the header 6: a cell with a delimiter in it has to stand in quotes
    ");

    assert_eq!(sheet.column("'=cmd|' /C calc'!A0"), ["'=1+1", "two\nlines", "x", "say \"hi\"", "", "", "", "b"]);
    assert_eq!(sheet.column("Contact")[..2], ["anna@contoso.example", "'+49 89 1234"]);
    assert_eq!(sheet.cell(1, "Tenant"), "MÜNCHEN.example");
    for (row, tenant, label, reference) in [
        (0, demo::CONTOSO, Some("Contoso Ltd"), Some("T-1")),
        (1, TenantId::from_u128(78), Some("Müller; Söhne"), None),
        (5, demo::WOODGROVE, Some("=HYPERLINK(\"x\")"), Some("T-7")),
        (6, demo::CONTOSO, None, None),
    ] {
        let invitation = opened(&test, sheet.cell(row, "link")).await;
        assert_eq!(invitation.tenant, ExpectedTenant::Tenant(same_id(tenant)));
        assert_eq!(invitation.label.as_ref().map(|label| label.as_str()), label);
        assert_eq!(invitation.reference.as_ref().map(|reference| reference.as_str()), reference);
        assert_eq!(sheet.cell(row, "link_id"), invitation.id.to_string());
        assert_eq!(sheet.cell(row, "tenant_id"), tenant.to_string());
        let expires = time::OffsetDateTime::parse(sheet.cell(row, "expires"), &time::format_description::well_known::Rfc3339).unwrap();
        assert_eq!(u64::try_from(expires.unix_timestamp()).unwrap(), invitation.expires_at);
        assert!(sheet.cell(row, "mail_text").contains(&format!("\n\n{}\n\n", sheet.cell(row, "link"))));
    }
    let greetings: Vec<_> = [0, 1, 5, 6].iter().map(|row| sheet.cell(*row, "mail_text").lines().next().unwrap()).collect();
    assert_eq!(greetings, ["Hello,", "Guten Tag,", "Bonjour,", "Goedendag,"]);
    for row in &sheet.rows {
        for cell in row {
            let first = cell.trim_start().chars().next();
            assert!(!first.is_some_and(|first| "=+-@\t\r＝＋－＠".contains(first)), "{cell:?}");
        }
    }
    assert_eq!(test.sandbox.control().upstream_calls(), test.sandbox.control().count(Kind::Discovery));
}

#[tokio::test]
async fn a_contact_never_goes_into_a_link() {
    use base64::Engine as _;
    let test = TestInstallation::new();
    let table = "contact,tenant,label,mail of the boss\nanna@contoso.example,contoso.example,Contoso,boss@contoso.example\n";
    std::fs::write(test.path("tenants.csv"), table).unwrap();
    for direct in [false, true] {
        let mut arguments = vec!["--from", "tenants.csv"];
        if direct {
            arguments.push("--direct");
        }
        let output = link(&test, &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let sheet = Sheet::parse(&output.stdout, b',');
        assert_eq!(sheet.cell(0, "contact"), "anna@contoso.example");
        let link = sheet.cell(0, "link");
        let token = if direct {
            let url = url::Url::parse(link).unwrap();
            assert_eq!(url.path(), format!("/{}/v2.0/adminconsent", demo::CONTOSO));
            let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            assert!(admission::open(&test.installation, &state, Ticket::open).await.unwrap().0.is_ok());
            state
        } else {
            link.rsplit('/').next().unwrap().to_owned()
        };
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        assert!(payload.contains("Contoso"), "{payload}");
        for text in [&payload, link] {
            for word in ["@", "%40", "anna", "boss", "contact"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }
}

#[test]
fn rows_stay_in_order_although_lookups_finish_out_of_order() {
    let test = TestInstallation::new();
    let slow = Fault::new(FaultAt::Discovery, Effect::Slow { millis: 300 }).on_path("contoso.example");
    test.sandbox.control().fault(slow).unwrap();
    std::fs::write(test.path("t.csv"), "tenant\ncontoso.example\nfabrikam.example\nwoodgrove.example\n").unwrap();
    let output = link(&test, &["--from", "t.csv", "--concurrency", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let ids = [demo::CONTOSO, demo::FABRIKAM, demo::WOODGROVE].map(|id| id.to_string());
    assert_eq!(Sheet::parse(&output.stdout, b',').column("tenant_id"), ids);
    assert_eq!(told(&output), "3 links.\n");
}

#[test]
fn a_wish_to_be_left_alone_is_granted_and_the_row_asked_about_again() {
    let test = TestInstallation::new();
    let control = test.sandbox.control();
    let throttled = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(1)) };
    control.fault(Fault::new(FaultAt::Discovery, throttled).times(2)).unwrap();
    std::fs::write(test.path("t.csv"), "tenant\ncontoso.example\nfabrikam.example\nwoodgrove.example\n").unwrap();
    let output = link(&test, &["--from", "t.csv", "--to", "links.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(control.count(Kind::Discovery), 5, "three answers after two refusals");
}

#[test]
fn resume_retries_a_row_with_a_long_retry_after() {
    let test = TestInstallation::new();
    let control = test.sandbox.control();
    let throttled = Effect::Status { status: 429, code: None, retry_after: Some(RetryAfter::Seconds(3600)) };
    control.fault(Fault::new(FaultAt::Discovery, throttled).times(1)).unwrap();
    std::fs::write(test.path("t.csv"), "tenant\ncontoso.example\nfabrikam.example\nwoodgrove.example\n").unwrap();
    let arguments = ["--from", "t.csv", "--to", "links.csv", "--resume", "--concurrency", "1"];
    let output = link(&test, &arguments);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("row 2: column tenant: Microsoft does not answer"), "{}", told(&output));
    assert_eq!(control.count(Kind::Discovery), 1, "no request before the end of Retry-After");
    let output = link(&test, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn resume_retries_a_tenant_that_could_not_be_looked_up() {
    let test = TestInstallation::new();
    let control = test.sandbox.control();
    let unwell = Effect::Status { status: 503, code: None, retry_after: None };
    control.fault(Fault::new(FaultAt::Discovery, unwell).on_path("fabrikam.example")).unwrap();
    std::fs::write(test.path("t.csv"), "tenant,note\ncontoso.example,a\nfabrikam.example,b\nwodgrove.example,c\n").unwrap();
    let arguments = ["--from", "t.csv", "--to", "links.csv", "--resume"];
    let output = link(&test, &arguments);
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(told(&output), @r"
    row 3: column tenant: Microsoft does not answer (the service is not well). Check the network, and try again.
    row 4: column tenant: no tenant with this name or id exists in the cloud that was asked. Check the spelling, and the cloud: a tenant is found only in its own.
    1 link, 2 rows without a link (rows 3, 4): see the column problem of links.csv.
    Once t.csv is corrected, or Microsoft answers, run the same command with --resume: links that were made stay as they are.
    ");
    let before = Sheet::read(&test.path("links.csv"), b',');
    assert_eq!(before.column("status"), ["made", "unreachable", "unknown_tenant"]);

    control.clear_faults();
    control.forget_requests();
    // This table corrects one row, adds one at the end and changes a note.
    let table = "tenant,note\ncontoso.example,new note\nfabrikam.example,b\nwoodgrove.example,c\nnorthwind.example,d\n";
    std::fs::write(test.path("t.csv"), table).unwrap();
    let output = link(&test, &arguments);
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "4 links (1 made before).\n"));
    let after = Sheet::read(&test.path("links.csv"), b',');
    assert_eq!(after.column("status"), ["made"; 4]);
    assert_eq!(after.cell(0, "link"), before.cell(0, "link"));
    assert_eq!(after.column("note"), ["new note", "b", "c", "d"]);
    assert_eq!(control.count(Kind::Discovery), 3, "no request for existing links");

    control.forget_requests();
    let bytes = std::fs::read(test.path("links.csv")).unwrap();
    let output = link(&test, &arguments);
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "4 links (4 made before).\n"));
    assert_eq!((std::fs::read(test.path("links.csv")).unwrap(), control.count(Kind::Discovery)), (bytes, 0), "no row is processed twice");
}

/// A run that reads rows from the test, so that the test can stop it at any row.
fn fed(test: &TestInstallation, table: &str) -> Child {
    let arguments = ["--from", "-", "--to", "links.csv", "--offline", "--resume"];
    let mut child = command(test, &arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(table.as_bytes()).unwrap();
    let part = test.path("links.csv.part");
    let send_deadline = Instant::now();
    while std::fs::read_to_string(&part).unwrap_or_default().lines().count() < 200 {
        assert!(send_deadline.elapsed() < Duration::from_secs(30), "rows are written while it works");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn resume_keeps_whole_rows_and_cuts_a_torn_line() {
    let test = TestInstallation::new();
    let header = "tenant,label,reference\n";
    let mut child = fed(&test, &format!("{header}{}", offline_table(0..600)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!test.path("links.csv").exists(), "a partial table has another name than a complete one");
    let part = test.path("links.csv.part");
    let mut whole = std::fs::read(&part).unwrap();
    whole.truncate(whole.iter().rposition(|byte| *byte == b'\n').unwrap() + 1);

    let table = format!("{header}{}", offline_table(0..700));
    std::fs::write(test.path("tenants.csv"), table).unwrap();
    // A crash can cut the last line anywhere: within a cell, within a quote, or right before its end.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for torn in
        [&whole[..], &whole[..last + 60], &whole[..last + 3], &whole[..whole.len() - 1], &[&whole[..], b"\"half a quoted\ncell"].concat()]
    {
        std::fs::write(&part, torn).unwrap();
        let _ = std::fs::remove_file(test.path("links.csv"));
        let output = link(&test, &["--from", "tenants.csv", "--to", "links.csv", "--offline", "--resume"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let bytes = std::fs::read(test.path("links.csv")).unwrap();
        assert!(bytes.starts_with(&whole[..last]), "every whole row is kept to the byte");
        let sheet = Sheet::parse(&bytes, b',');
        let expected: Vec<String> = (0..700).map(|at| format!("T-{at}")).collect();
        assert_eq!(sheet.column("reference"), expected, "each row once, in order");
        let mut ids = sheet.column("link_id");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 700);
        assert!(!part.exists());
    }
    assert_eq!(test.sandbox.control().upstream_calls(), 0, "--offline makes no call to Microsoft");
}

#[test]
fn ctrl_c_keeps_what_was_done_and_says_how_to_go_on() {
    let test = TestInstallation::new();
    let header = "tenant,label,reference\n";
    let child = fed(&test, &format!("{header}{}", offline_table(0..600)));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told_then = told(&output);
    assert!(told_then.contains("links.csv.part keeps what was done; run the same command with --resume to go on."), "{told_then}");
    let part = std::fs::read(test.path("links.csv.part")).unwrap();
    assert!(part.ends_with(b"\n"), "no torn line");
    let done = part.iter().filter(|byte| **byte == b'\n').count() - 1;
    assert!(told_then.starts_with(&format!("{done} links.\n")), "{told_then}");

    std::fs::write(test.path("tenants.csv"), format!("{header}{}", offline_table(0..600))).unwrap();
    let output = link(&test, &["--from", "tenants.csv", "--to", "links.csv", "--offline", "--resume"]);
    assert_eq!((output.status.code(), told(&output)), (Some(0), format!("600 links ({done} made before).\n")));
    assert!(std::fs::read(test.path("links.csv")).unwrap().starts_with(&part));
}

#[test]
fn resume_goes_on_with_nothing_but_its_own_table_and_nothing_is_overwritten() {
    let test = TestInstallation::new();
    let write = |name: &str, text: &str| std::fs::write(test.path(name), text).unwrap();
    let header = "tenant,label,reference\n";
    write("tenants.csv", &format!("{header}{}", offline_table(0..3)));
    let first = ["--from", "tenants.csv", "--to", "links.csv", "--offline"];
    assert_eq!(link(&test, &first).status.code(), Some(0));
    let links = std::fs::read_to_string(test.path("links.csv")).unwrap();
    write("swapped.csv", &format!("{header}{}{}", offline_table(1..2), offline_table(0..1)));
    write("renamed.csv", &format!("{header}{}", offline_table(0..3).replace("Customer 1", "Customer One")));
    write("shorter.csv", &format!("{header}{}", offline_table(0..2)));
    write("foreign.csv", "tenant,x\na.example,b\n");
    write("noheader.csv", &offline_table(0..2));
    write("own.csv", "tenant, Status\na.example,gold\n");
    write("half.csv.part", "tenant,other,columns,link,status\nx,");
    let direct = [&first[..], &["--resume", "--direct"]].concat();
    let resumed = |from: &'static str| vec!["--from", from, "--to", "links.csv", "--offline", "--resume"];
    for (arguments, words) in [
        (first.to_vec(), vec!["links.csv is there already", "--resume"]),
        (vec!["--from", "tenants.csv", "--to", "half.csv", "--offline"], vec!["half.csv.part is there already"]),
        (vec!["--from", "tenants.csv", "--to", "half.csv", "--offline", "--resume"], vec!["half.csv.part has other columns"]),
        (resumed("swapped.csv"), vec!["row 2: tenant is not what it was when links.csv was written"]),
        (resumed("renamed.csv"), vec!["row 3: label is not what it was"]),
        (resumed("shorter.csv"), vec!["links.csv has more rows"]),
        (direct, vec!["row 2: the link in links.csv is not one that this command makes"]),
        (vec!["--from", "tenants.csv", "--to", "foreign.csv", "--resume"], vec!["foreign.csv is no table that this command wrote"]),
        (vec!["--from", "tenants.csv", "--to", "tenants.csv", "--resume"], vec!["are the same file"]),
        (vec!["--from", "noheader.csv", "--to", "x.csv"], vec!["noheader.csv: no column is called `tenant`", "looks like a customer"]),
        (vec!["--from", "own.csv", "--to", "x.csv"], vec!["own.csv: the column `status` is called as one that this command writes"]),
        (vec!["--from", "tenants.csv", "--tenant", NOBODY], vec!["cannot be used with"]),
        (vec!["--from", "tenants.csv", "--resume"], vec!["--to"]),
        (vec!["--tenant", NOBODY, "--mail", "--language", "klingon"], vec!["the languages are de, en"]),
    ] {
        let output = link(&test, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(words.iter().all(|words| told(&output).contains(words)), "{arguments:?}: {}", told(&output));
        assert_eq!(std::fs::read_to_string(test.path("links.csv")).unwrap(), links, "{arguments:?}");
    }
    let output = link(&test, &["--from", "absent.csv", "--to", "x.csv"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).starts_with("error: absent.csv: "), "{}", told(&output));
}

#[test]
fn the_table_with_links_can_be_the_table_of_customers_of_another_run() {
    let test = TestInstallation::new();
    std::fs::write(test.path("tenants.csv"), format!("tenant,label,reference\n{}", offline_table(0..2))).unwrap();
    assert_eq!(link(&test, &["--from", "tenants.csv", "--to", "a.csv", "--offline", "--mail"]).status.code(), Some(0));
    assert_eq!(link(&test, &["--from", "a.csv", "--to", "b.csv", "--offline"]).status.code(), Some(0));
    let (a, b) = (Sheet::read(&test.path("a.csv"), b','), Sheet::read(&test.path("b.csv"), b','));
    assert_eq!(b.names, ["tenant", "label", "reference", "tenant_id", "link", "link_id", "expires", "status", "problem"]);
    assert_ne!(a.cell(0, "link_id"), b.cell(0, "link_id"));
}

#[test]
fn one_link_comes_as_a_mail_and_as_a_code_to_photograph() {
    let test = TestInstallation::new();
    let arguments = ["--tenant", "contoso.example", "--label", "Contoso Ltd", "--mail", "--language", "de-CH", "--qr"];
    let output = link(&test, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let address = text.lines().find(|line| line.starts_with(BASE_URL)).unwrap().to_owned();
    let mail = text.split("\n\n  ").next().unwrap();
    assert!(
        mail.starts_with(
            "Subject: Northwind Managed Services bittet um Ihre Zustimmung für Contoso Ltd: Northwind Mail Backup\n\nGuten Tag,\n"
        ),
        "{mail}"
    );
    assert!(text.contains('\u{2588}') && !text.contains('\u{1b}'), "no colours where there is no terminal");
    let code = qrcode::QrCode::with_error_correction_level(&address, qrcode::EcLevel::L).unwrap();
    let widest = text.lines().filter(|line| line.contains('\u{2588}')).map(|line| line.chars().count()).max();
    let widest = widest.unwrap();
    assert!(widest > code.width() && widest <= 80, "{widest} of {}", code.width());
    assert!(told(&output).contains(&format!("a window of {widest} columns")), "{}", told(&output));
}

#[test]
fn resume_redoes_rows_without_a_link_and_changed_rows() {
    let test = TestInstallation::new();
    let write = |name: &str, text: &str| std::fs::write(test.path(name), text).unwrap();
    let [first, second, third] = [1, 2, 3].map(|at| TenantId::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + at));
    let header = "tenant,label,note\n";
    write("tenants.csv", &format!("{header}{first},A,old\n{second},who@b.example,b\n"));
    let arguments = ["--from", "tenants.csv", "--to", "links.csv", "--offline", "--mail"];
    assert_eq!(link(&test, &arguments).status.code(), Some(3));
    let before = Sheet::read(&test.path("links.csv"), b',');
    // The partial file after the early stop.
    let part = std::fs::read_to_string(test.path("links.csv")).unwrap();
    let interrupted = || {
        let _ = std::fs::remove_file(test.path("links.csv"));
        write("links.csv.part", &part);
    };
    let corrected = format!("{header}{first},A,new\n{second},B,b\n{third},C,c\n");
    write("tenants.csv", &corrected);
    interrupted();
    let output = link(&test, &[&arguments[..], &["--resume"]].concat());
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "3 links (1 made before).\n"));
    let after = Sheet::read(&test.path("links.csv"), b',');
    assert_eq!(after.column("status"), ["made"; 3]);
    assert_eq!((after.column("label"), after.column("note")), (vec!["A", "B", "C"], vec!["new", "b", "c"]));
    assert_eq!(after.cell(0, "link"), before.cell(0, "link"));
    assert!(!test.path("links.csv.part").exists());

    // The rows after an unclosed quote are more than one incomplete row, so the program removes nothing.
    let spoilt = format!("{part}\"{}", "x,y,z\n".repeat(50_000));
    interrupted();
    write("links.csv.part", &spoilt);
    let output = link(&test, &[&arguments[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("row 4 of links.csv.part cannot be read"), "{}", told(&output));
    assert_eq!(std::fs::read_to_string(test.path("links.csv.part")).unwrap(), spoilt);

    // `--resume` also compares the columns that go into links.
    write("tenants.csv", &corrected.replace(",A,", ",Another,"));
    interrupted();
    let output = link(&test, &[&arguments[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("row 2: label is not what it was when links.csv.part was written"), "{}", told(&output));

    // The program cannot read a pipe twice, so it lists the rows that are left.
    interrupted();
    let piped = ["--from", "-", "--to", "links.csv", "--offline", "--mail", "--resume"];
    let mut child = command(&test, &piped).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(corrected.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("came through a pipe: rows 2, 3."), "{}", told(&output));
}

#[test]
fn a_possibly_mailed_link_is_never_replaced() {
    let test = TestInstallation::new();
    let long = "x".repeat(64_000);
    let row = offline_table(1..2);
    std::fs::write(test.path("tenants.csv"), format!("tenant,label,reference,note\n{},{long}\n", row.trim_end())).unwrap();
    let arguments = ["--from", "tenants.csv", "--to", "links.csv", "--offline", "--mail"];
    let resumed = [&arguments[..], &["--resume"]].concat();
    assert_eq!(link(&test, &arguments).status.code(), Some(0));
    let links = std::fs::read_to_string(test.path("links.csv")).unwrap();
    assert!(links.len() > 66_000, "without this the test proves nothing");
    let output = link(&test, &resumed);
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "1 link (1 made before).\n"));
    assert_eq!(std::fs::read_to_string(test.path("links.csv")).unwrap(), links);

    let second = links.split_inclusive('\n').nth(1).unwrap();
    for spoilt in [links.replace(second, &format!("\"{second}")), links.replace(&long, &format!("{long},one more"))] {
        std::fs::write(test.path("links.csv"), &spoilt).unwrap();
        let output = link(&test, &resumed);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains("row 2 of links.csv cannot be read"), "{}", told(&output));
        assert_eq!(std::fs::read_to_string(test.path("links.csv")).unwrap(), spoilt);
        assert!(!test.path("links.csv.part").exists());
    }

    // A user's editor removed the final line break, and the table has fewer customers now.
    std::fs::write(test.path("links.csv"), links.trim_end()).unwrap();
    std::fs::write(test.path("tenants.csv"), "tenant,label,reference,note\n").unwrap();
    let output = link(&test, &resumed);
    assert!(output.status.code() == Some(2) && told(&output).contains("has more rows"), "{}", told(&output));
}

#[tokio::test]
async fn a_dead_link_is_reported_and_replaced_only_on_request() {
    let test = TestInstallation::new();
    std::fs::write(test.path("tenants.csv"), format!("tenant,label,reference\n{}", offline_table(0..3))).unwrap();
    let arguments = ["--from", "tenants.csv", "--to", "links.csv", "--offline", "--mail"];
    let resumed = [&arguments[..], &["--resume"]].concat();
    assert_eq!(link(&test, &arguments).status.code(), Some(0));
    let made = Sheet::read(&test.path("links.csv"), b',');

    let keys = test.installation.keys().await.unwrap();
    let over = Invitation { issued_at: 1_700_000_000, expires_at: 1_700_086_400, ..opened(&test, made.cell(1, "link")).await };
    let over = over.address(test.installation.signer(&keys)).unwrap();
    let links = std::fs::read_to_string(test.path("links.csv")).unwrap().replace(made.cell(1, "link"), &over);
    std::fs::write(test.path("links.csv"), links).unwrap();
    let config = std::fs::read_to_string(test.path("consent.toml")).unwrap();
    let revoked = format!("{config}\n[links]\nrevoked = [\"{}\"]\n", made.cell(0, "link_id"));
    std::fs::write(test.path("consent.toml"), &revoked).unwrap();

    // The second run shows that a dead link stays in its row. The third run starts from the rows of an interrupted run.
    for part in [false, false, true] {
        if part {
            std::fs::rename(test.path("links.csv"), test.path("links.csv.part")).unwrap();
        }
        let output = link(&test, &resumed);
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        let said = told(&output);
        assert!(said.contains("row 2: `links.revoked`") && said.contains("row 3: the link ended on 2023-11-15"), "{said}");
        assert!(said.contains("3 links (3 made before), 2 rows with a link that is of no use any more (rows 2, 3)"), "{said}");
        let sheet = Sheet::read(&test.path("links.csv"), b',');
        assert_eq!(sheet.column("status"), ["revoked", "expired", "made"]);
        assert_eq!(sheet.column("link"), [made.cell(0, "link"), &over, made.cell(2, "link")]);
        assert_eq!(sheet.column("mail_text")[..2], ["", ""], "a dead link has no mail");
        assert!(sheet.cell(1, "problem").contains("empty the cell `status`"), "{}", sheet.cell(1, "problem"));
    }

    // The operator corrects the configuration and asks for a new link for the second row.
    std::fs::write(test.path("consent.toml"), &config).unwrap();
    let links = std::fs::read_to_string(test.path("links.csv")).unwrap().replace(",expired,", ",,");
    std::fs::write(test.path("links.csv"), links).unwrap();
    let output = link(&test, &resumed);
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "3 links (2 made before).\n"));
    let sheet = Sheet::read(&test.path("links.csv"), b',');
    assert_eq!((sheet.column("status"), sheet.cell(0, "link")), (vec!["made"; 3], made.cell(0, "link")));
    assert_ne!(sheet.cell(1, "link"), over);
}

#[test]
fn a_cell_is_no_formula_in_a_spreadsheet_that_cuts_at_another_delimiter() {
    let test = TestInstallation::new();
    let tenant = offline_table(1..2).split(',').next().unwrap().to_owned();
    let table = format!("tenant,label,reference,note\n{tenant},x;=cmd|'/C calc'!A0;y,T;-1,\"a\n=1\"\n");
    std::fs::write(test.path("tenants.csv"), table).unwrap();
    let arguments = ["--from", "tenants.csv", "--to", "links.csv", "--offline", "--mail"];
    assert_eq!(link(&test, &arguments).status.code(), Some(0));
    let text = std::fs::read_to_string(test.path("links.csv")).unwrap();
    assert!(text.contains("x;'=cmd|'/C calc'!A0;y"), "{text}");
    for piece in text.split([',', ';', '\t', '\n']) {
        assert!(!piece.trim_start_matches([' ', '"']).starts_with(['=', '+', '-', '@']), "{piece:?} in {text}");
    }
    let output = link(&test, &[&arguments[..], &["--resume"]].concat());
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "1 link (1 made before).\n"));
}

#[test]
fn mail_columns_hold_word_for_word_the_mail_of_one_link() {
    let words = [
        ("\"Northwind Managed Services\"", "\"+Northwind, -Services\""),
        ("\"support@northwind.example\"", "\"Service Desk, +49 40 555 0100; @northwind\""),
        ("\"Northwind Mail Backup\"", "\"Backup, =Archive\""),
    ];
    let test = TestInstallation::replacing("", &words);
    std::fs::write(test.path("tenants.csv"), format!("tenant,label,reference\n{NOBODY},+Contoso,-12\n")).unwrap();
    let mail = ["--offline", "--mail", "--language", "de"];
    let output = link(&test, &[&mail[..], &["--from", "tenants.csv"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let sheet = Sheet::parse(&output.stdout, b',');
    let output = link(&test, &[&mail[..], &["--tenant", NOBODY, "--label=+Contoso", "--reference=-12"]].concat());
    let one = String::from_utf8(output.stdout).unwrap();
    let (subject, text) = one.strip_prefix("Subject: ").unwrap().split_once("\n\n").unwrap();
    assert!(text.contains(": Service Desk, +49 40 555 0100; @northwind\n") && text.ends_with("\n\n+Northwind, -Services\n"), "{text}");
    // The two outputs may differ only in the links, and in the minute between the two runs.
    let alike = |text: &str| text.lines().filter(|line| !line.contains("/i/") && !line.contains("(UTC)")).collect::<Vec<_>>().join("\n");
    assert_eq!(alike(sheet.cell(0, "mail_text")), alike(text));
    assert_eq!(sheet.cell(0, "mail_subject"), format!("'{subject}"), "a spreadsheet calculates what a cell begins with");
}

#[test]
fn a_closed_pipe_gives_no_error_message_and_a_non_zero_exit() {
    use std::io::{BufRead as _, BufReader};
    let test = TestInstallation::new();
    std::fs::write(test.path("big.csv"), format!("tenant,label,reference\n{}", offline_table(0..5_000))).unwrap();
    let mut child = command(&test, &["--from", "big.csv", "--offline"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("tenant,"), "{line}");
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(3), ""));
}

#[cfg(unix)]
#[test]
fn links_are_the_owners_and_no_symbolic_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let test = TestInstallation::new();
    std::fs::write(test.path("tenants.csv"), format!("tenant\n{NOBODY}\n")).unwrap();
    let arguments = ["--from", "tenants.csv", "--to", "links.csv", "--offline"];
    symlink(test.path("elsewhere"), test.path("links.csv.part")).unwrap();
    let output = link(&test, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("links.csv.part: it is a symbolic link"), "{}", told(&output));
    assert!(!test.path("elsewhere").exists());
    std::fs::remove_file(test.path("links.csv.part")).unwrap();
    assert_eq!(link(&test, &arguments).status.code(), Some(0));
    let mode = std::fs::metadata(test.path("links.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_code_to_photograph_has_colours_only_where_they_are_wanted() {
    let test = TestInstallation::new();
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = command(&test, &["--tenant", NOBODY, "--offline", "--qr"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        output.stdout.contains(&0x1b)
    };
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&[]));
}
