//! docs/first-customer.md, command by command, as a person types them: `init` at a pseudo terminal, then the others with its files.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use entra_sandbox::{AppRegistration, Change, ClientSecret, PermissionSet, Sandbox, SandboxOptions, Scenario, UserRole, demo};

use super::support::terminal::{PROGRAM, Terminal};

const GUIDE: &str = include_str!("../../docs/first-customer.md");

/// The command lines of the guide, in their order.
fn lines() -> Vec<&'static str> {
    let blocks = GUIDE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).collect()
}

/// A program at a pseudo terminal, and what it printed so far.
struct Typist {
    child: Child,
    printed: Receiver<u8>,
    seen: String,
}

impl Typist {
    fn start(terminal: &Terminal, line: &str) -> Self {
        let mut command = Command::new("/usr/bin/script");
        let programs = std::path::Path::new(PROGRAM).parent().unwrap().display();
        // Nothing listens there: no request leaves this machine.
        command.env_clear().env("HTTPS_PROXY", "http://127.0.0.1:1").env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.env("PATH", format!("{programs}:/usr/bin:/bin")).current_dir(&terminal.folder);
        command.args(["-qec", line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (sender, printed) = channel();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while matches!(out.read(&mut byte), Ok(1)) && sender.send(byte[0]).is_ok() {}
        });
        Self { child, printed, seen: String::new() }
    }

    /// Waits for a question, and types an answer.
    fn answer(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        self.child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(words) {
            match self.printed.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(byte) => bytes.push(byte),
                Err(_) => panic!("no `{words}` in {}\n{}", self.seen, String::from_utf8_lossy(&bytes)),
            }
        }
        self.seen.push_str(&String::from_utf8_lossy(&bytes));
    }

    fn end(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code().unwrap()
    }
}

/// Microsoft with the app that the guide calls user-sync.
fn microsoft() -> Sandbox {
    let mut scenario = Scenario::demo("https://consent.northwind.example/callback");
    let home = scenario.tenants.iter_mut().find(|tenant| tenant.id == demo::HOME).unwrap();
    home.granted.clear();
    scenario.apps = vec![AppRegistration {
        home: Some(demo::HOME),
        redirect_uris: vec!["https://consent.northwind.example/callback".into()],
        secrets: vec![ClientSecret { value: "canary-secret-of-user-sync".into(), expires: None }],
        permissions: vec![PermissionSet::graph(&["User.Read.All", "Application.Read.All"], &[])],
        ..AppRegistration::new(demo::APP, "Northwind User Sync")
    }];
    Sandbox::start(SandboxOptions { scenario, ..SandboxOptions::default() }).unwrap()
}

#[test]
fn the_guide_leads_to_the_first_customer() {
    let guide = lines();
    let [see, init, doctor, rehearse, dry_run, doctor_there, link, inspect] = guide.as_slice() else { panic!("{guide:?}") };
    let terminal = Terminal::new();

    // 1. The demonstration starts, and Ctrl-C ends it.
    let mut typist = Typist::start(&terminal, see);
    typist.answer("http://", "");
    typist.answer("Ctrl-C", "\u{3}");
    assert!([0, 130].contains(&typist.end()), "demo ended by itself");

    // 3. Typed answers. Where Microsoft cannot be asked about a domain, the id does.
    let enter = "\r";
    let mut typist = Typist::start(&terminal, init);
    for (question, answer) in [
        ("A domain of your own tenant", "northwind.example\r"),
        ("A domain of your own tenant", &format!("{}\r", demo::HOME)),
        ("Your name", "Northwind\r"),
        ("Address of this service", "http://wrong.example\r"),
        ("https", "\u{15}https://consent.northwind.example\r"),
        ("How an administrator reaches you", "support@northwind.example\r"),
        ("privacy notice", "https://northwind.example/privacy\r"),
        ("The app's name", "Northwind User Sync\r"),
        ("Application (client) ID", &format!("{}\r", demo::APP)),
        ("Its id in links", "\u{15}user-sync\r"),
        ("File in which", enter),
        ("Address of the queue", enter),
        ("Application permissions", "User.Read.All Application.Read.All\r"),
        ("Delegated permissions", enter),
        ("How the app proves", "\u{1b}[B\r"),
        ("Where it is kept", enter),
        ("Mail apps of other companies", enter),
    ] {
        typist.answer(question, answer);
    }
    typist.wait_for("consent.toml");
    assert_eq!(typist.end(), 0);
    for file in ["consent.toml", "keys.json"] {
        assert!(terminal.path(file).is_file(), "{file}");
    }

    // "Put the credential where the file says." From here on, the simulated Microsoft takes the place of the real one.
    let microsoft = microsoft();
    super::support::installation::write_secret(&terminal.path("user-sync.secret"), "canary-secret-of-user-sync");
    let written = terminal.read("consent.toml");
    let cloud = format!("\n[clouds.here]\nauthority = \"{0}\"\ngraph = \"{0}\"\n", microsoft.url());
    let with_cloud = written.replace("cloud = \"global\"", "cloud = \"here\"");
    let with_cloud = if with_cloud == written { written.replace("[[apps]]\n", "[[apps]]\ncloud = \"here\"\n") } else { with_cloud };
    terminal.write("consent.toml", &(with_cloud + &cloud));
    microsoft.control().apply(Change::Grant { tenant: demo::HOME, app: demo::APP, permissions: None }).unwrap();

    let run = |line: &str| {
        let words: Vec<String> = shell_words(line);
        let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        terminal.run(&arguments)
    };
    // 4. Only the public address is wrong, as the guide says.
    let told = run(doctor);
    assert_eq!(told.status, 3, "{told:?}");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&run(&format!("{doctor} --output json")).out).unwrap();
    let wrong: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "wrong").map(|finding| &finding["check"]).collect();
    assert_eq!(wrong, ["address"], "{findings:#?}");

    // 6. A rehearsal, then a tenant of one's own.
    terminal.write("customers.csv", "tenant,label,contact\ncontoso.example,Contoso,anna@contoso.example\n");
    let told = run(rehearse);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(terminal.path("rehearsal/index.html").is_file() && terminal.path("rehearsal/tickets.csv").is_file());
    let told = run(&dry_run.replace("YOUR-TEST-TENANT", "fabrikam.example"));
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.out.starts_with("https://consent.northwind.example/i/"), "{}", told.out);
    microsoft.control().apply(Change::Grant { tenant: demo::FABRIKAM, app: demo::APP, permissions: None }).unwrap();
    let told = run(&doctor_there.replace("YOUR-TEST-TENANT", "fabrikam.example"));
    assert!(told.out.contains("fabrikam.example") || told.out.contains("Fabrikam"), "{told:?}");

    // 7. The customer.
    let told = run(&link.replace("contoso.com", "contoso.example"));
    assert_eq!(told.status, 0, "{told:?}");
    let told = run(&inspect.replace("https://consent.example/i/eyJ…", told.out.trim()));
    assert_eq!(told.status, 0, "{told:?}");
    assert!(told.out.contains("Contoso GmbH") && told.out.contains("T-4711"), "{}", told.out);
    assert!(microsoft.control().user(demo::CONTOSO, UserRole::Administrator).is_some());
}

/// The words of a command line, as a shell splits them.
fn shell_words(line: &str) -> Vec<String> {
    let mut child = Command::new("/bin/sh").args(["-c", &format!("printf '%s\\n' {line}")]).stdout(Stdio::piped()).spawn().unwrap();
    let words = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    child.wait().unwrap();
    words
}
