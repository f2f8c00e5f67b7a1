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
