//! `entra-consent sandbox`: the commands that it prints, as a person pastes them into a shell.

use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::terminal::{PROGRAM, Terminal};

/// A program that runs until the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts the command, and returns its standard error up to the line that names Ctrl-C.
    fn start(command: &mut Command) -> (Self, Vec<String>) {
        let mut child = command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stderr.as_mut().unwrap()).lines().map(Result::unwrap) {
            lines.push(line);
            if lines.last().unwrap().contains("Ctrl-C") {
                break;
            }
        }
        (Self(child), lines)
    }
}

/// A command line in a shell that finds the program by its name.
fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    command.arg("-c").arg(format!("PATH={programs}:$PATH; {line}"));
    command
}

fn two_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[test]
fn each_command_that_sandbox_prints_works_as_printed() {
    let terminal = Terminal::new();
    let [port, serve_port] = two_ports();
    let flags = format!("--port {port} --serve-port {serve_port}");
    let to = terminal.path("a folder");
    let (sandbox, lines) = Running::start(&mut shell(&format!("exec entra-consent sandbox {flags} --to '{}'", to.display())));
    let printed: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' ')).collect();
    let folder = printed.iter().find(|line| line.starts_with("cd ")).unwrap();
    let paste = |line: &str| shell(&format!("{folder} && exec {line}"));

    let (mut served, mut ended) = (Vec::new(), Vec::new());
    for line in printed.iter().filter(|line| line.starts_with("entra-consent ")) {
        if line.contains(" serve") {
            served.push(Running::start(&mut paste(line)));
            continue;
        }
        let output = paste(line).env_clear().stdin(Stdio::null()).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        ended.push((line.split(' ').nth(1).unwrap(), output.status.code().unwrap(), out, err));
    }
    assert_eq!(served.len(), 1, "{printed:?}");
    let [doctor, tenants, plan, link, verify, status] = ended.as_slice() else { panic!("{printed:?}") };

    assert_eq!((doctor.0, doctor.1), ("doctor", 3), "{doctor:?}");
    assert!(doctor.2.contains("WARNING") && !doctor.2.contains("WRONG"), "{}", doctor.2);
    assert_eq!((tenants.0, tenants.1, tenants.2.lines().count()), ("tenants", 0, 11), "{tenants:?}");
    assert_eq!((plan.0, plan.1), ("plan", 3), "{plan:?}");
    assert!(plan.2.contains("GDAP role Application Administrator") && plan.3.contains("6 users may approve themselves"), "{plan:?}");
    assert_eq!((link.0, link.1), ("link", 3), "{link:?}");
    let read = |file: &str| std::fs::read_to_string(to.join(file)).unwrap();
    assert_eq!(read("links.csv").matches("/i/").count(), 10, "{}", link.3);
    assert_eq!((verify.0, verify.1), ("verify", 3), "{verify:?}");
    assert_eq!((status.0, status.1), ("status", 3), "{status:?}");
    assert!(status.3.contains("Customers: 11 (") && status.2.contains("Tailspin Toys"), "{}", status.2);
    assert!(read("report.html").contains("Adventure Works"));
    let mut results = csv::Reader::from_reader(read("results.csv").as_bytes().to_vec().leak() as &[u8]);
    let columns = results.headers().unwrap().clone();
    let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = results.records().map(Result::unwrap).collect();
    for (label, app, outcome) in [
        ("Contoso Ltd", "mail-backup", "absent"),
        ("Contoso Ltd", "apple-internet-accounts", "verifier_missing"),
        ("Adventure Works", "apple-internet-accounts", "granted"),
        ("Tailspin Toys", "apple-internet-accounts", "absent"),
        ("Litware, Inc.", "mail-backup", "granted_in_part"),
        ("Proseware GmbH", "mail-backup", "disabled"),
        ("Wingtip Toys", "apple-internet-accounts", "approval_requested"),
        ("Fourth Coffee", "mail-backup", "granted_in_excess"),
        ("Lucerne Publishing", "reader", "tenant_not_found"),
        ("Margie's Travel", "reader", "granted"),
    ] {
        let row = rows.iter().find(|row| &row[at("label")] == label && &row[at("app")] == app).unwrap();
        assert_eq!(&row[at("outcome")], outcome, "{label}, {app}");
    }

    // A second one changes nothing, and says why it does not start.
    let written = read("consent.toml");
    for (flags, status, why) in [
        (flags.clone(), 1, format!("Port {port} is in use")),
        (format!("--port {serve_port} --serve-port {port}"), 2, "overwrites nothing.\ntry: another folder with --to".to_owned()),
    ] {
        let line = format!("entra-consent sandbox {flags} --to '{}'", to.display());
        let output = shell(&line).env_clear().stdin(Stdio::null()).output().unwrap();
        let lines = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{lines}");
        assert!(lines.contains(&why), "{lines}");
    }
    assert_eq!(read("consent.toml"), written);

    // Another folder's key stays as it is, and gets no configuration.
    let other = Terminal::new();
    other.write("keys.json", "theirs");
    let refused = other.run(&["sandbox", "--to", "."]);
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains("keys.json is there already"), "{}", refused.err);
    assert_eq!((other.read("keys.json").as_str(), std::fs::read_dir(&other.folder).unwrap().count()), ("theirs", 1));

    // After Ctrl-C, the same command uses the same folder again.
    let mut sandbox = sandbox;
    assert!(shell(&format!("kill -INT {}", sandbox.0.id())).status().unwrap().success());
    assert!(sandbox.0.wait().unwrap().success());
    let mut rest = String::new();
    sandbox.0.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest.trim(), "");
    let keys = read("keys.json");
    let (_again, lines_again) = Running::start(&mut shell(&format!("exec entra-consent sandbox {flags} --to '{}'", to.display())));
    assert_eq!(lines_again, lines);
    assert_eq!(read("keys.json"), keys);
}
