//! A network that changes during a run over 500 tenants: all connections fall silent, and new ones work.

use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::support::http2::{Failure as Http2Failure, Http2};
use crate::support::relay::{Failure, Relay};

const TENANTS: u32 = 500;
const AT_A_TIME: usize = 8;

/// The number of tenants whose approval a run shows. The others are `unavailable`.
fn granted(output: &Output) -> usize {
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(output)));
    let counts = counted(&rows);
    let count = |outcome: &str| counts.get(outcome).copied().unwrap_or_default();
    assert_eq!(count("granted") + count("unavailable"), TENANTS as usize, "{counts:?}");
    count("granted")
}

/// Starts a run. Its output is read while the test does something else, because a full pipe would stop the program.
fn run(lab: &Lab, attempts: &str) -> JoinHandle<Output> {
    let at_a_time = AT_A_TIME.to_string();
    let options = ["--concurrency", &at_a_time, "--attempts", attempts, "--output", "json"];
    let mut command = lab.command(&[&["verify", "--app", "mail-backup", "--from", "customers.csv"], &options[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::spawn(|| checked(child.wait_with_output().unwrap()))
}

/// Half of the tenants are named by a domain, so that discovery meets the silent connections as well.
#[test]
fn verify_over_http_1_loses_no_more_than_the_checks_under_way() {
    let lab = Lab::with(tenants(TENANTS, |_| true));
    let name = |number: u32| if number.is_multiple_of(2) { tenant(number).to_string() } else { format!("c{number}.example") };
    lab.write("customers.csv", &(0..TENANTS).fold("tenant\n".to_owned(), |table, number| table + &name(number) + "\n"));
    let relay = Relay::before(lab.sandbox.url());
    lab.write("consent.toml", &lab.read("consent.toml").replace(lab.sandbox.url(), &relay.url));
    for (attempts, most_unavailable) in [("1", AT_A_TIME), ("2", 0)] {
        lab.control().forget_requests();
        let run = run(&lab, attempts);
        while lab.control().upstream_calls() < u64::from(TENANTS) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let silent = relay.fail(Failure::Silent);
        let granted = granted(&run.join().unwrap());
        println!("HTTP/1.1, {attempts} attempts: {silent} silent connections, {granted} of {TENANTS} granted");
        assert!(silent > 0, "without silent connections the test proves nothing");
        assert!(granted >= TENANTS as usize - most_unavailable, "{granted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_over_http_2_loses_no_more_than_the_checks_under_way() {
    let lab = Lab::new();
    lab.write("customers.csv", &table(TENANTS));
    let config = lab.read("consent.toml");
    for (failure, attempts, most_unavailable) in [(Http2Failure::NoFlag, "1", AT_A_TIME), (Http2Failure::Stalled, "2", 0)] {
        let upstream = Http2::start().await;
        lab.write("ca.pem", std::str::from_utf8(upstream.endpoints.extra_ca.as_ref().unwrap()).unwrap());
        let authority = upstream.endpoints.authority.as_str().trim_end_matches('/');
        let clouds = format!("[clouds.lab]\nextra_ca = \"ca.pem\"\nauthority = \"{authority}\"\ngraph = \"{authority}\"\n");
        let (before, after) = config.split_once("[clouds.lab]").unwrap();
        let (_, after) = after.split_once("[[apps]]").unwrap();
        lab.write("consent.toml", &format!("{before}{clouds}[[apps]]{after}"));
        upstream.fail_after(TENANTS as usize, failure);
        let run = run(&lab, attempts);
        let granted = granted(&tokio::task::spawn_blocking(|| run.join().unwrap()).await.unwrap());
        println!("HTTP/2, {failure:?}, {attempts} attempts: {} connections, {granted} of {TENANTS} granted", upstream.connections());
        assert!(granted >= TENANTS as usize - most_unavailable, "{granted}");
        assert!((2..=2 * AT_A_TIME).contains(&upstream.connections()), "{}", upstream.connections());
    }
}
