//! Stopping and resuming: no row is lost or checked twice.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::{Duration, Instant};

use entra_sandbox::{Effect, Fault, FaultAt, Kind};

use super::*;

const COUNT: u32 = 30;
const RUN: [&str; 9] = ["verify", "--app", "mail-backup", "--from", "customers.csv", "--to", "results.csv", "--concurrency", "2"];

fn slow_lab() -> Lab {
    let lab = Lab::with(tenants(COUNT, |number| number != 7));
    lab.write("customers.csv", &table(COUNT));
    lab.control().fault(Fault::new(FaultAt::Token, Effect::Slow { millis: 100 })).unwrap();
    lab
}

fn lines(lab: &Lab) -> Vec<String> {
    std::fs::read_to_string(lab.folder.join("results.csv")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Starts a run, and waits until some rows are written.
fn begun(lab: &Lab) -> Child {
    let child = lab.command(&RUN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while lines(lab).len() < 5 {
        assert!(started.elapsed() < Duration::from_secs(60), "no row was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Asserts that the results contain every row exactly once.
fn all_once(lab: &Lab) {
    let mut table = csv::Reader::from_path(lab.folder.join("results.csv")).unwrap();
    let rows: Vec<u64> = table.records().map(|row| row.unwrap()[0].parse().unwrap()).collect();
    assert_eq!(rows.len(), COUNT as usize);
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), (2..u64::from(COUNT) + 2).collect());
}

/// The tenants that were checked since the request log was last cleared.
fn asked(lab: &Lab) -> BTreeSet<TenantId> {
    lab.control().requests().iter().filter(|request| request.kind == Kind::Token).filter_map(|request| request.tenant).collect()
}

#[test]
fn a_killed_run_resumes_without_repeated_checks() {
    let lab = slow_lab();
    let mut child = begun(&lab);
    child.kill().unwrap();
    child.wait().unwrap();
    let done: BTreeSet<String> = lines(&lab).iter().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect();
    assert!(done.len() < COUNT as usize);
    // A crash of the machine cut off this row.
    let torn = format!("{}\n31,{}", lines(&lab).join("\n"), &tenant(29).to_string()[..20]);
    lab.write("results.csv", &torn);
    lab.control().forget_requests();

    let output = lab.run(&[&RUN[..], &["--resume", "--report", "report.html"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(output.stdout.is_empty());
    all_once(&lab);
    assert!(asked(&lab).iter().all(|tenant| !done.contains(&tenant.to_string())));
    assert!(told(&output).contains("29  granted") && told(&output).contains("30  rows, each accounted for"), "{}", told(&output));
    // The report covers all rows, those of the first run included.
    assert!(lab.read("report.html").contains("29 of 30 customers are complete"));

    lab.control().forget_requests();
    let output = lab.run(&[&RUN[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(lab.control().upstream_calls(), 0);
    all_once(&lab);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_file_that_resume_goes_on_with_and_says_so() {
    let lab = slow_lab();
    let child = begun(&lab);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = checked(child.wait_with_output().unwrap());
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    let rows = lines(&lab).len() - 1;
    assert!(
        told(&output).contains(&format!("Stopped.\ntry: the same command with --resume, which goes on: {rows} rows are in results.csv")),
        "{}",
        told(&output)
    );
    let output = lab.run(&[&RUN[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    all_once(&lab);
}

#[test]
fn a_table_that_changed_since_is_not_mixed_with_the_results_of_the_old_one() {
    let lab = Lab::with(tenants(3, |_| true));
    lab.write("customers.csv", &table(2));
    assert_eq!(lab.run(&RUN).status.code(), Some(0));
    lab.write("customers.csv", &format!("tenant\n{}\n{}\n{}\n", tenant(0), tenant(2), tenant(1)));
    let before = lab.read("results.csv");
    let output = lab.run(&[&RUN[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("row 3 is about another tenant than when"), "{}", told(&output));
    assert!(!told(&output).contains("The same command with --resume goes on"), "{}", told(&output));
    assert_eq!(lab.read("results.csv"), before);
    // Rows at the end may be added between runs.
    lab.write("customers.csv", &table(3));
    let output = lab.run(&[&RUN[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(lines(&lab).len(), 4);
}

#[test]
fn the_results_are_themselves_a_table_of_customers() {
    let lab = Lab::with(tenants(3, |number| number == 1));
    lab.write("customers.csv", &table(3));
    assert_eq!(lab.run(&RUN).status.code(), Some(3));
    let rows = lab.rows(&["--app", "mail-backup", "--from", "results.csv"], 3);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["label"].as_str().unwrap().starts_with("Customer ")));
}

#[test]
fn a_mistyped_table_leaves_no_file_of_results_in_the_way_of_the_right_one() {
    let lab = Lab::with(tenants(2, |_| true));
    lab.write("customers.csv", &table(2));
    let mistyped = RUN.map(|word| if word == "customers.csv" { "custommers.csv" } else { word });
    assert_eq!(lab.run(&mistyped).status.code(), Some(1));
    assert!(!lab.folder.join("results.csv").exists());
    let output = lab.run(&RUN);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    // A missing folder is an I/O error, not a usage error.
    let nowhere = RUN.map(|word| if word == "results.csv" { "nowhere/results.csv" } else { word });
    assert_eq!(lab.run(&nowhere).status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_run_whose_pipe_is_silent() {
    use std::io::Write as _;
    let lab = Lab::with(tenants(70, |_| true));
    let run = RUN.map(|word| if word == "customers.csv" { "-" } else { word });
    let mut child = lab.command(&run).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(table(70).as_bytes()).unwrap();
    let started = Instant::now();
    // The pipe stays open, because its writer could continue later.
    while lines(&lab).len() < 5 {
        assert!(started.elapsed() < Duration::from_secs(60), "no row was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(pipe);
    assert_eq!(status.code(), Some(130));
}
