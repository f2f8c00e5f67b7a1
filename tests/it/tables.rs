//! Tables that people really have, through the real program: exports of Microsoft's portals and of other tools, and our own tables after a
//! spreadsheet.

use crate::support::northwind::KEY;
use crate::support::terminal::{Terminal, Told};

const CONFIG: &str = include_str!("../../consent.example.toml");
/// `home_tenant` of that configuration.
const HOME: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const A: &str = "50000000-0000-4000-8000-00000000000a";
const B: &str = "50000000-0000-4000-8000-00000000000b";

fn test() -> Terminal {
    let terminal = Terminal::new();
    terminal.write("consent.toml", &CONFIG.replace("secret = { aws = \"entra-consent/keys\" }", "secret = { file = \"keys.json\" }"));
    terminal.write("keys.json", KEY);
    terminal
}

/// Makes links for a table. The rows of `links.csv`, as tenant, label and reference of each link, and what was said.
fn linked(terminal: &Terminal, table: &str, more: &[&str]) -> (Told, Vec<[String; 3]>) {
    for old in ["links.csv", "links.csv.part"] {
        let _ = std::fs::remove_file(terminal.path(old));
    }
    terminal.write("t.csv", table);
    let told = terminal.run(&[&["link", "--app", "user-sync", "--from", "t.csv", "--to", "links.csv", "--offline"], more].concat());
    let rows = if terminal.path("links.csv").exists() { in_links(terminal, "links.csv") } else { Vec::new() };
    (told, rows)
}

/// What the links of a table are about, read out of the links themselves.
fn in_links(terminal: &Terminal, name: &str) -> Vec<[String; 3]> {
    let text = terminal.read(name);
    let text = text.strip_prefix('\u{feff}').expect("a table that goes to a spreadsheet has a byte order mark");
    let header = text.lines().next().unwrap();
    let delimiter = [',', ';', '\t', '|', '~'].into_iter().find(|cut| header.contains(&format!("{cut}link{cut}"))).unwrap();
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter as u8).from_reader(text.as_bytes());
    let link = reader.headers().unwrap().iter().position(|name| name == "link").unwrap();
    let links: Vec<String> = reader.records().map(|row| row.unwrap()[link].to_owned()).filter(|link| !link.is_empty()).collect();
    let read = |link: &String| {
        let told = terminal.run(&["inspect", link, "--output", "json"]);
        let read: serde_json::Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
        ["tenant", "label", "reference"].map(|name| read[name].as_str().unwrap_or_default().to_owned())
    };
    links.iter().map(read).collect()
}

fn row(tenant: &str, label: &str, reference: &str) -> [String; 3] {
    [tenant, label, reference].map(str::to_owned)
}

#[test]
fn headings_of_common_exports_are_known() {
    let terminal = test();
    for table in [
        format!("displayName,defaultDomainName,customerId\nA Ltd,a.example,{A}\n"),
        format!("Company name,Primary domain name,Microsoft ID\nA Ltd,a.example,{A}\n"),
        format!("Tenant ID,label\n{A},A Ltd\n"),
        format!(
            "\"Microsoft ID\",\"Company name\",\"Primary domain name\",\"Relationship\",\"Tags\"\n\"{A}\",\"A Ltd\",\"a.example\",\"CSP\",\"\"\n"
        ),
        format!("ContractType,CustomerId,DefaultDomainName,DisplayName,Id\nBreadth,{A},a.example,A Ltd,{B}\n"),
        format!("tenant-id;Display Name\n{A};A Ltd\n"),
        format!("customerId,TenantId,name\n4711,{A},A Ltd\n"),
        format!("sep=~\ntenant~label\n{A}~A Ltd\n"),
        format!("sep=;;;\ntenant;label;\n{A};A Ltd;\n"),
        format!("\"sep=|\"\r\ntenant|label\r\n{A}|A Ltd\r\n"),
        format!("tenant|label\n{A}|A Ltd\n"),
        format!("Notes, and more~tenant~label\nx, y~{A}~A Ltd\n"),
        format!("#TYPE System.Management.Automation.PSCustomObject\r\n\"tenant\",\"label\"\r\n\"{A}\",\"A Ltd\"\r\n"),
        format!("\u{feff}#TYPE Selected.X\nsep=;\n\u{feff}TenantId;DisplayName\n{A};A Ltd\n"),
        format!("te\u{200b}nant\u{a0},\u{feff}label\n\u{a0}{A}\u{200b},A\u{200b} Ltd\u{a0}\n\u{a0},\u{200b}\n"),
        format!("tenant,label\n\"{{{A}}}\",A Ltd\n"),
        format!("tenant,label\n'{A}',A Ltd\n"),
        format!("Tenant,Tenant ID\nA Ltd,=\"{A}\"\n"),
    ] {
        let (told, rows) = linked(&terminal, &table, &[]);
        assert_eq!((told.status, rows), (0, vec![row(A, "A Ltd", "")]), "{table}\n{told:?}");
    }
    // Other columns of the operator's own table go into no link.
    let (told, rows) = linked(&terminal, &format!("tenant,displayName\n{A},A Ltd\n"), &[]);
    assert_eq!((told.status, rows), (0, vec![row(A, "", "")]), "{told:?}");
}

#[test]
fn a_column_can_be_chosen_for_each_field() {
    let terminal = test();
    let table = format!("Kunde,Ticket,Ident,Ident\nA Ltd,T-1,{HOME},{A}\nB Ltd,T-2,{HOME},{B}\n");
    let chosen = ["--column", "tenant=4", "--column", "label=kunde", "--column", "Reference=Ticket"];
    let (told, rows) = linked(&terminal, &table, &chosen);
    assert_eq!((told.status, rows), (0, vec![row(A, "A Ltd", "T-1"), row(B, "B Ltd", "T-2")]), "{told:?}");
    let told = terminal
        .run(&[&["link", "--app", "user-sync", "--from", "t.csv", "--to", "links.csv", "--offline", "--resume"], &chosen[..]].concat());
    assert_eq!((told.status, told.err.as_str()), (0, "2 links (2 made before).\n"));
    // The headings are still unclear in the table of links, and there only its own columns count.
    assert_eq!(terminal.run(&["keys", "rotate"]).status, 0);
    let told = terminal.run(&["keys", "revoke", "k1", "--links", "links.csv"]);
    assert!(terminal.path("links.again.csv").exists(), "{told:?}");
    for (choice, words) in [
        ("tenant=Ident", "columns 3 and 4. Column 3 has your own tenant in every row. Add --column tenant=4, or rename"),
        ("tenant=Nowhere", "no column is called `Nowhere`. It has: `Kunde`, `Ticket`, `Ident`, `Ident`"),
        ("tenant=5", "no column is called `5`"),
        ("tenant=0", "no column is called `0`"),
        ("tenant", "FIELD=NAME"),
        ("tenant=", "FIELD=NAME"),
        ("owner=Kunde", "the fields are tenant, label, reference, contact, language"),
    ] {
        let (told, rows) = linked(&terminal, &table, &["--column", choice]);
        assert!(told.status == 2 && rows.is_empty() && told.err.contains(words), "{choice}: {told:?}");
    }
    let told = terminal.run(&["link", "--app", "user-sync", "--tenant", A, "--offline", "--column", "tenant=x"]);
    assert!(told.status == 2 && told.err.contains("cannot be used with"), "{told:?}");
}

#[test]
fn a_table_that_leaves_the_tenant_unclear_names_the_remedy() {
    let terminal = test();
    let gdap = "Id,CustomerDelegatedAdminRelationshipId,DisplayName,TenantId,DisplayName,TenantId,Duration,Status\n";
    for (table, words) in [
        (
            format!("{gdap}1,x,Northwind,{HOME},A Ltd,{A},P1D,active\n2,y,Northwind,{HOME},B Ltd,{B},P1D,active\n"),
            vec![
                "two columns are called `TenantId`: columns 4 and 6. Column 4 has your own tenant in every row. Add --column tenant=6, or rename",
                "two columns are called `DisplayName`: columns 3 and 5. Column 3 has one value only in every row. Add --column label=5",
            ],
        ),
        (format!("tenant,Tenant\n{A},{B}\n"), vec!["two columns are called `Tenant`: columns 1 and 2. Add --column tenant=1"]),
        (
            "Kunde,Primary dns,Nr\nA,a.example,1\nB,b.example,2\n".to_owned(),
            vec!["`Primary dns` looks like domains: add --column \"tenant=Primary dns\""],
        ),
        (
            format!("who,dom,guid\nA,a.example,{A}\n"),
            vec!["`guid` looks like ids of tenants: add --column tenant=guid, or rename it to `tenant`"],
        ),
        (format!("MSP,$(who),x\n{HOME},{A},y\n{HOME},{B},y\n"), vec!["looks like ids of tenants: add --column tenant=2,"]),
        ("Kunde,Nr\nA,1.5\n".to_owned(), vec!["no column is called `tenant`", "It has: `Kunde`, `Nr`\ntry: --column tenant=NAME"]),
    ] {
        let (told, rows) = linked(&terminal, &table, &[]);
        assert!(told.status == 2 && rows.is_empty(), "{told:?}");
        assert!(words.iter().all(|words| told.err.contains(words)), "{words:?}: {}", told.err);
    }
}

#[test]
fn a_table_whose_every_row_is_one_tenant_stops() {
    let mut terminal = test();
    terminal.set("ENTRA_CONSENT_GRAPH_TOKEN", "x");
    let objects = "[object Object]";
    let own = format!("Tenant,displayName,customer\n{}", format!("{HOME},{objects},{objects}\n").repeat(5));
    for (table, words) in [
        (own, "all 5 rows name one tenant, and it is your own (`home_tenant` in consent.toml): `Tenant` is probably the wrong column"),
        (format!("tenant\n{HOME}\n"), "the only row names one tenant, and it is your own"),
        (
            format!("tenant,other\n{A},{A}\n\"{{{A}}}\",{B}\n,\n"),
            "all 2 rows name one tenant: `tenant` is probably the wrong column. Choose another with --column tenant=other;",
        ),
        (format!("tenant\n{}", "a.example\nA.Example.\n".repeat(50)), "the first 64 rows name one tenant"),
    ] {
        let (told, rows) = linked(&terminal, &table, &[]);
        assert!(told.status == 3 && rows.is_empty() && told.err.contains(words) && told.err.trim().lines().count() == 2, "{told:?}");
        assert!(!terminal.path("links.csv.part").exists());
        let told = terminal.run(&["verify", "--app", "user-sync", "--from", "t.csv", "--to", "results.csv", "--token-from", "env"]);
        assert!(told.status == 3 && told.err.contains(words) && told.err.trim().lines().count() == 2, "{told:?}");
        assert!(!terminal.path("results.csv").exists());
    }
    for table in [format!("tenant\n{A}\n"), format!("tenant\n{HOME}\n{A}\n"), format!("tenant\n{A}\n{B}\n")] {
        assert_eq!(linked(&terminal, &table, &[]).0.status, 0, "{table}");
    }
}

#[test]
fn an_id_of_zeros_is_a_wrong_row() {
    let terminal = test();
    let (told, rows) = linked(&terminal, &format!("tenant\n00000000-0000-0000-0000-000000000000\n{A}\n"), &[]);
    assert_eq!((told.status, rows.len()), (3, 1), "{told:?}");
    assert!(told.err.contains("row 2: column tenant: the id of zeros is no tenant's"), "{told:?}");
    assert!(terminal.read("links.csv").contains("wrong_row"));
}

#[test]
fn references_that_a_spreadsheet_ruined_draw_a_warning() {
    let terminal = test();
    let table = format!("tenant,reference\n{A},1.00E+05\n{B},7\n50000000-0000-4000-8000-00000000000c,0007\n");
    let (told, rows) = linked(&terminal, &table, &[]);
    assert_eq!((told.status, rows.len()), (0, 3), "{told:?}");
    assert!(told.err.contains("2 rows with a remark (rows 2, 3)"), "{told:?}");
    let links = terminal.read("links.csv");
    for words in ["column reference: a spreadsheet has rounded it as a number", "column reference: others have leading zeros"] {
        assert!(links.contains(words), "{links}");
    }
}

#[test]
fn the_guard_comes_off_when_our_table_is_read() {
    let terminal = test();
    let table = format!("tenant,label,reference\n{A},=A;-1,-12\n{B},O'Neil,'x\n");
    let expected = vec![row(A, "=A;-1", "-12"), row(B, "O'Neil", "'x")];
    let (told, rows) = linked(&terminal, &table, &[]);
    assert_eq!((told.status, &rows), (0, &expected), "{told:?}");
    assert!(terminal.read("links.csv").contains(",'=A;'-1,'-12,"));
    let told = terminal.run(&["link", "--app", "user-sync", "--from", "links.csv", "--to", "again.csv", "--offline"]);
    assert_eq!((told.status, in_links(&terminal, "again.csv")), (0, expected), "{told:?}");
    let printed = terminal.run(&["link", "--app", "user-sync", "--from", "links.csv", "--offline"]);
    assert!(printed.out.starts_with("tenant,"), "standard output gets no byte order mark: {printed:?}");
}

#[test]
fn a_table_of_results_gives_each_tenant_one_link() {
    let terminal = test();
    let header = "row,tenant,tenant_id,name,label,reference,app,outcome,before,who,missing,unseen,unexpected,forbidden,checked_at,problem";
    let line = |number: u32, tenant: &str, app: &str| {
        format!("{number},{tenant},{tenant},,Customer {number},'-{number},{app},absent,,you,,,,,,\n")
    };
    let table = format!("\u{feff}{header}\n{}{}{}", line(2, A, "user-sync"), line(2, A, "mail"), line(3, B, "user-sync"));
    let (told, rows) = linked(&terminal, &table, &[]);
    assert_eq!((told.status, rows), (0, vec![row(A, "Customer 2", "-2"), row(B, "Customer 3", "-3")]), "{told:?}");
    let links = terminal.read("links.csv");
    assert!(links.starts_with("\u{feff}tenant,name,label,reference,tenant_id,link,"), "{links}");
    let told = terminal.run(&["link", "--app", "user-sync", "--from", "t.csv", "--to", "links.csv", "--offline", "--resume"]);
    assert_eq!((told.status, told.err.as_str()), (0, "2 links (2 made before).\n"));
}

#[test]
fn mails_are_files_word_for_word_next_to_the_table() {
    let terminal = test();
    let table = format!(
        "tenant,label,reference,contact,language\n{A},\"x;=1\",-12,\"Anna <anna@a.example>; it@münchen.example\",de\n\n{B},B Ltd,,\"x\nBcc: y\",en\n,,,,\nwrong,,,,\n"
    );
    let (told, rows) = linked(&terminal, &table, &["--mail"]);
    assert_eq!((told.status, rows.len()), (3, 2), "{told:?}");
    let json: serde_json::Value = serde_json::from_str(&terminal.read("links.mails/row-2.json")).unwrap();
    assert_eq!(json["to"], serde_json::json!(["anna@a.example", "it@xn--mnchen-3ya.example"]));
    assert_eq!((&json["row"], &json["tenant_id"], &json["language"]), (&2.into(), &A.into(), &"de".into()));
    let text = json["text"].as_str().unwrap();
    assert!(text.contains("x;=1") && text.contains(" -12\n") && !text.contains("'="), "{text}");
    assert!(terminal.read("links.csv").contains("x;'=1"));
    let draft = terminal.read("links.mails/row-2.eml");
    assert!(draft.contains("X-Unsent: 1\r\n") && draft.contains("anna@a.example") && draft.contains("\r\nSubject: "), "{draft}");
    let draft = terminal.read("links.mails/row-3.eml");
    assert!(!draft.contains("To:") && !draft.contains("Bcc"), "{draft}");
    assert!(!terminal.path("links.mails/row-4.eml").exists());

    // A second run for other customers must not mix its mails with these; the same one goes on with them.
    let arguments = ["link", "--app", "user-sync", "--from", "t.csv", "--to", "links.csv", "--offline", "--mail"];
    std::fs::remove_file(terminal.path("links.csv")).unwrap();
    let told = terminal.run(&arguments);
    assert!(told.status == 2 && told.err.contains("links.mails is there already"), "{told:?}");
    std::fs::remove_dir_all(terminal.path("links.mails")).unwrap();
    assert_eq!(terminal.run(&arguments).status, 3);
    terminal.write("t.csv", &table.replace("wrong", "50000000-0000-4000-8000-00000000000c"));
    let before = terminal.read("links.mails/row-2.json");
    assert_eq!(terminal.run(&[&arguments[..], &["--resume"]].concat()).status, 0);
    assert!(terminal.path("links.mails/row-4.eml").exists() && terminal.read("links.mails/row-2.json") == before);
}
