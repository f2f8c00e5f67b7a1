//! What people see at a terminal: how much is printed, how an error reads, and which width a table has.

use entra_sandbox::{Change, PartnerCustomer, PermissionSet, TenantSetup, demo};

use super::verify_command::{Lab, PROGRAM, READER, tenant};
use crate::status_command::terminal;

const LINK: [&str; 6] = ["link", "--app=mail-backup", "--tenant", "12345678-0000-4000-8000-000000000001", "--offline", "--direct"];

#[test]
fn quiet_leaves_results_and_errors() {
    let terminal = terminal();
    let told = terminal.run(&LINK);
    assert!(told.status == 0 && told.err.contains("Id of this link"), "{told:?}");
    for quiet in ["--quiet", "-q"] {
        let told = terminal.run(&[&LINK[..], &[quiet]].concat());
        assert!(told.status == 0 && told.err.is_empty() && told.out.lines().count() == 1, "{told:?}");
    }
    let told = terminal.run(&["--quiet", "keys", "new", "--to", "other.json"]);
    assert_eq!((told.status, told.out.as_str(), told.err.as_str()), (0, "", ""));
    let told = terminal.run(&["--quiet", "keys", "new", "--to", "other.json"]);
    assert!(told.status == 2 && told.err.starts_with("error: other.json is there already"), "{told:?}");
}

#[test]
fn quiet_keeps_what_a_person_has_to_act_on() {
    let terminal = terminal();
    terminal.write("customers.csv", "tenant\n12345678-0000-4000-8000-000000000001\nnonsense\n");
    let table = ["link", "--app=mail-backup", "--from=customers.csv", "--to=links.csv", "--offline", "--quiet"];
    let told = terminal.run(&table);
    assert!(told.status == 3 && told.err.contains("see the column problem of links.csv"), "{told:?}");
}

#[test]
fn quiet_and_verbose_contradict_each_other() {
    let terminal = terminal();
    for arguments in [["--quiet", "--verbose", "doctor"], ["--quiet", "doctor", "--verbose"], ["doctor", "-v", "-q"]] {
        let told = terminal.run(&arguments);
        assert!(told.status == 2 && told.err.contains("'--quiet' cannot be used with '--verbose'"), "{told:?}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_what_to_try() {
    let terminal = terminal();
    let tenant = "--tenant=12345678-0000-4000-8000-000000000001";
    terminal.write("no-tenant.csv", "name\nContoso\n");
    terminal.write("empty.csv", "");
    terminal.write("one.csv", "tenant\n12345678-0000-4000-8000-000000000001\n");
    terminal.write("faults.toml", "[site]\nname = 1\nscret = 2\n");
    terminal.write("broken.json", "{}");
    for (arguments, status, what, remedy) in [
        (vec!["lnk"], 2, "unrecognized subcommand 'lnk'", "link; or entra-consent --help"),
        (vec!["link", "--lable=x"], 2, "unexpected argument '--lable' found", "--label; or entra-consent link --help"),
        (vec!["verify", "--output=jsn", tenant], 2, "invalid value 'jsn'", "json; or entra-consent"),
        (vec!["link"], 2, "required arguments were not provided", "entra-consent link --help"),
        (vec!["keys", "rotate", "--links=x"], 2, "required arguments were not provided", "entra-consent keys rotate --help"),
        (vec!["tenant", "https://contoso.com"], 2, "give the domain alone", "entra-consent"),
        (vec!["link", "--app=mail-bakup", tenant], 2, "has no app `mail-bakup`", "did you mean \"mail-backup\"?"),
        (vec!["link", "--chain=nothing", tenant], 2, "has no chain `nothing`", "one of these with --chain"),
        (vec!["link", "--app=apple", "--any-tenant"], 2, "companion app", "--tenant instead of --any-tenant"),
        (vec!["link", "--app=apple", "--direct", tenant], 2, "companion app", "leave --direct out"),
        (vec!["link", "--app=reader", "--tenant=a.example", "--offline"], 2, "--offline goes with", "entra-consent tenant a.example"),
        (vec!["link", "--app=reader", "--from=absent.csv"], 1, "absent.csv: No such file", "check the name"),
        (vec!["link", "--app=reader", "--from=no-tenant.csv"], 2, "no column is called `tenant`", "--column tenant=NAME"),
        (vec!["link", "--app=reader", "--from=empty.csv"], 2, "there is nothing in it", "a first row that names the columns"),
        (vec!["link", "--app=reader", "--from=one.csv", "--to=one.csv"], 2, "are the same file", "another file with --to"),
        (vec!["verify", tenant], 2, "Which app?", "add --app ID, --chain ID or --all-apps"),
        (vec!["verify", "--app=nothing", tenant], 2, "has no app `nothing`", "one of these with --app"),
        (vec!["verify", "--app=reader", tenant, "--token-from=env"], 2, "which is not set", "put a Graph access token"),
        (vec!["verify", "--app=reader", "--from-records=absent"], 1, "absent: No such file", "check the name"),
        (vec!["verify", "--app=reader", "--from=one.csv", "--to=one.csv"], 2, "one.csv exists already", "add --resume"),
        (vec!["tenants"], 2, "which it is", "write its id as home_tenant"),
        (vec!["status", "--from=absent.csv"], 2, "absent.csv: No such file", "check the name"),
        (vec!["status", "--from=one.csv", "--store"], 2, "has neither links nor outcomes", "the table that"),
        (vec!["remind", "--from=absent.csv"], 2, "absent.csv", "check the name"),
        (vec!["renew", "--from=one.csv", "--to=x.csv"], 2, "one.csv", "the table that"),
        (vec!["inspect", "nonsense"], 2, "There is no token in it", "the whole address, in quotes"),
        (vec!["inspect", "https://localhost/callback?admin_consent=True"], 2, "has no `state`", "the link that the customer got"),
        (vec!["keys", "list", "absent.json"], 1, "absent.json is not there", "entra-consent keys new --to absent.json"),
        (vec!["keys", "list", "broken.json"], 1, "broken.json", "entra-consent keys new"),
        (vec!["keys", "new", "--to=keys.json"], 2, "keys.json is there already", "entra-consent keys rotate keys.json"),
        (vec!["keys", "rotate", "--aws"], 2, "--aws goes with keys in AWS", "leave --aws out"),
        (vec!["keys", "revoke", "k9"], 2, "no key of this name", "with one of these names"),
        (vec!["init"], 2, "consent.toml is there already", "entra-consent doctor"),
        (vec!["init", "--to=other"], 2, "no terminal to ask at", "entra-consent init --help"),
        (vec!["serve", "--retry-dead-letters", "--listen=127.0.0.1:0"], 1, "others on this machine may read", "chmod 600"),
        (vec!["rehearse", "--app=reader", "--from=absent.csv", "--to=played"], 2, "absent.csv is not a file", "--from with the table"),
        (vec!["link", "--config=absent.toml", "--app=reader", tenant], 2, "absent.toml", ""),
        (vec!["link", "--config=faults.toml", "--app=reader", tenant], 2, "The configuration has", "entra-consent doctor"),
        (vec!["demo", "--event=absent.json"], 1, "absent.json: No such file", "check the name"),
        (vec!["-q", "-v", "keys", "list"], 2, "'--quiet' cannot be used with '--verbose'", "entra-consent --help"),
    ] {
        let told = terminal.run(&arguments);
        assert_eq!(told.status, status, "{arguments:?}: {told:?}");
        let lines: Vec<&str> = told.err.lines().collect();
        let starts = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
        assert!(lines.first().is_some_and(|line| line.starts_with("error: ")), "{arguments:?}: {}", told.err);
        assert_eq!((starts("error: "), starts("try: "), lines.iter().any(|line| line.is_empty())), (1, 1, false), "{}", told.err);
        let (message, last) = told.err.trim_end().rsplit_once("\ntry: ").unwrap();
        assert!(message.contains(what) && last.contains(remedy) && !last.is_empty(), "{arguments:?}: {}", told.err);
    }
}

/// Three customers with long names, whose apps have several states.
fn lab() -> Lab {
    let customer = |number: u32| PartnerCustomer {
        gdap_roles: vec!["e8611ab8-c189-46e8-94e1-60213ab1f814".into(), "f2ef992c-3afb-46b9-b7cf-a126ee74c451".into()],
        ..PartnerCustomer::new(
            tenant(number),
            &format!("Woodgrove Bank Zürich – Łódź {number}"),
            &format!("customer-number-{number}.example"),
        )
    };
    let mut tenants: Vec<_> = (0..3)
        .map(|number| {
            TenantSetup::new(
                tenant(number),
                &format!("Woodgrove Bank Zürich – Łódź {number}"),
                &format!("customer-number-{number}.example"),
            )
        })
        .collect();
    tenants.push(TenantSetup { customers: (0..3).map(customer).collect(), ..TenantSetup::new(tenant(9), "Partner", "partner.example") });
    let lab = Lab::with(tenants);
    let config = lab.read("consent.toml").replace(&demo::HOME.to_string(), &tenant(9).to_string());
    let companion = "[[companions]]\ncatalogue = \"apple-internet-accounts\"\ncloud = \"lab\"\nverified_by = \"reader\"\n";
    lab.write("consent.toml", &(config + companion));
    let rights = PermissionSet::graph(&["Directory.Read.All", "DelegatedAdminRelationship.Read.All"], &[]);
    lab.change(Change::Grant { tenant: tenant(9), app: READER, permissions: Some(vec![rights]) });
    lab.grant(tenant(1), READER);
    let rows: String = (0..3).map(|number| format!("{},Customer {number}\n", tenant(number))).collect();
    lab.write("customers.csv", &format!("tenant,label\n{rows}"));
    lab
}

const TABLES: [&[&str]; 4] = [
    &["tenants", "--app", "reader", "--output", "table"],
    &["plan", "--all-apps", "--from", "customers.csv"],
    &["verify", "--all-apps", "--from", "customers.csv"],
    &["keys", "list"],
];

#[test]
fn a_table_fits_the_terminal_and_breaks_no_word() {
    let lab = lab();
    for arguments in TABLES {
        let print = |columns: Option<usize>| {
            let mut command = lab.command(arguments);
            let output = command.envs(columns.map(|columns| ("COLUMNS", columns.to_string()))).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let words = |text: &str| {
            // The age of the key grows during the test.
            let mut words: Vec<String> = text.split_whitespace().filter(|word| word.parse::<u32>().is_err()).map(str::to_owned).collect();
            words.sort();
            words
        };
        let whole = print(None);
        for columns in [80, 120] {
            let fitted = print(Some(columns));
            assert_eq!(words(&fitted), words(&whole), "{arguments:?} at {columns}");
            let wide: Vec<_> = fitted.lines().filter(|line| line.chars().count() > columns).collect();
            assert!(wide.is_empty(), "{arguments:?} at {columns}: {wide:#?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_width_is_that_of_the_terminal() {
    let lab = lab();
    let at = |columns: usize| {
        let line = format!("stty rows 40 cols {columns}; {PROGRAM} {}", TABLES[1].join(" "));
        let mut command = std::process::Command::new("/usr/bin/script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(&lab.folder).env_clear().env("SECRET", "canary-secret-of-the-apps");
        command.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("TERM", "xterm").env("NO_COLOR", "1");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let (narrow, wide) = (at(80), at(140));
    assert!(narrow.contains("SEEN BY") && wide.contains("SEEN BY"), "{narrow}\n{wide}");
    assert!(wide.lines().count() < narrow.lines().count(), "{narrow}\n{wide}");
    assert!(wide.contains("GDAP role Privileged Role Administrator"), "{wide}");
}

#[test]
fn marks_and_colours_are_for_terminals() {
    let lab = Lab::new();
    let doctor = |variable: &str| {
        let output = lab.command(&["doctor", "--offline"]).env(variable, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (plain, marked) = (doctor("NO_COLOR"), doctor("CLICOLOR_FORCE"));
    assert!(plain.contains("  OK ") && !plain.contains('✓') && !plain.contains('\u{1b}'), "{plain}");
    assert!(marked.contains("✓") && marked.contains('\u{1b}') && !marked.contains("  OK "), "{marked}");
}
