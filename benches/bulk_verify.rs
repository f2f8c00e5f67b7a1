//! `verify` over a very large table: the release binary, with an upstream that takes 50 ms for each call. Measures how close the program
//! gets to the limit that the concurrency sets, how its memory grows, and whether every tenant gets a result if Microsoft throttles and
//! fails.

#[path = "common/http.rs"]
mod http;
#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;
#[path = "common/upstream.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod upstream;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use setting::{APP_SECRET, Failure, KEYS, Kept};
use upstream::{Endpoint, Pace, Trouble, Upstream};

const LATENCY: Duration = Duration::from_millis(50);
const CONCURRENCY: u32 = 64;
const FEW: u64 = 1_000;
const MANY: u64 = 100_000;

/// The cost of one run of the program.
struct Run {
    took: Duration,
    /// Peak resident memory, in KiB.
    memory: u64,
    calls: u64,
    outcomes: BTreeMap<String, u64>,
    /// The number of different rows in the results.
    rows: usize,
}

fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}

fn run(upstream: &Upstream, folder: &Path, tenants: u64) -> Result<Run, Failure> {
    let (table, results) = (folder.join("customers.csv"), folder.join("results.csv"));
    let mut out = BufWriter::new(std::fs::File::create(&table)?);
    writeln!(out, "tenant,label")?;
    for number in 0..tenants {
        writeln!(out, "{},Customer {number}", setting::tenant(number))?;
    }
    out.into_inner()?.sync_all()?;
    let _ = std::fs::remove_file(&results);
    let before = upstream.calls();
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_entra-consent"))
        .args(["verify", "--app", "mail-backup", "--concurrency", &CONCURRENCY.to_string(), "--from"])
        .arg(&table)
        .arg("--to")
        .arg(&results)
        .env("ENTRA_CONSENT_CONFIG", folder.join("consent.toml"))
        .env("BENCH_KEYS", KEYS)
        .env("BENCH_APP_SECRET", APP_SECRET)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak_memory(child.id()).unwrap_or_default());
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let took = started.elapsed();
    if !matches!(status.code(), Some(0 | 3)) {
        return Err(format!("verify ended with {status}").into());
    }
    let mut outcomes = BTreeMap::new();
    let mut rows = HashSet::new();
    for row in csv::Reader::from_path(&results)?.records() {
        let row = row?;
        *outcomes.entry(row.get(7).unwrap_or_default().to_owned()).or_default() += 1;
        rows.insert(row.get(1).unwrap_or_default().to_owned());
    }
    Ok(Run { took, memory, calls: upstream.calls() - before, outcomes, rows: rows.len() })
}

fn told(name: &str, tenants: u64, run: &Run) {
    let ideal = LATENCY.as_secs_f64() * 2.0 * tenants as f64 / f64::from(CONCURRENCY);
    let by_calls = LATENCY.as_secs_f64() * run.calls as f64 / f64::from(CONCURRENCY);
    let took = run.took.as_secs_f64();
    println!(
        "  {name:<32} {tenants:>7} tenants {took:>8.2} s   ÷ (tenants × 2 × latency ÷ concurrency) {:.3}   ÷ (calls × latency ÷ concurrency) {:.3}",
        took / ideal,
        took / by_calls
    );
    println!("  {:<32} {:>7} calls, peak memory {} KiB, {} rows: {:?}", "", run.calls, run.memory, run.rows, run.outcomes);
}

fn folder() -> Result<PathBuf, Failure> {
    let folder = std::env::temp_dir().join(format!("entra-consent-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn main() -> Result<(), Failure> {
    let (tls, authority) = upstream::certificate()?;
    let upstream = Upstream::start(Some(tls))?;
    for endpoint in [Endpoint::Token, Endpoint::Batch] {
        upstream.pace(endpoint, Pace::After(LATENCY));
    }
    let folder = folder()?;
    let pem = folder.join("authority.pem");
    std::fs::write(&pem, authority)?;
    let config = setting::config_text([&upstream.url; 2], Kept::InEnvironment, pem.to_str());
    std::fs::write(folder.join("consent.toml"), config)?;

    println!("\nverify, {LATENCY:?} a call over TLS, {CONCURRENCY} tenants at a time; target ≤ 1.15");
    let few = run(&upstream, &folder, FEW)?;
    told("all granted", FEW, &few);
    let many = run(&upstream, &folder, MANY)?;
    told("all granted", MANY, &many);
    println!("  memory, {MANY} tenants ÷ {FEW} tenants: {:.3}", many.memory as f64 / few.memory as f64);
    upstream.trouble(Trouble { throttled_once: 20, failing: 100 });
    let troubled = run(&upstream, &folder, MANY)?;
    told("5 % throttled, 1 % failing", MANY, &troubled);
    println!("  memory, the same ÷ {FEW} tenants: {:.3}", troubled.memory as f64 / few.memory as f64);
    let sum: u64 = troubled.outcomes.values().sum();
    println!("  accounted for: {sum} of {MANY}, {} different", troubled.rows);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
