//! What people see at a terminal: how much is printed, how an error reads, and which width a table has.

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
