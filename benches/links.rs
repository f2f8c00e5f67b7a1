//! The cost of links for a table of customers: `entra-consent link --from … --to … --offline`, the real program from table to table, and
//! its peak memory for a thousand to a million rows.
//!
//! The baseline reads the same table with the same CSV library, signs a string of the same length with the same HMAC-SHA256, and writes a
//! table of the same size. The program also checks every cell, generates an ID, composes the token, escapes formulas and detects duplicate
//! tenants. The bench compares the processor time of all threads, user and system, because other work on the machine affects only
//! wall-clock time.

#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use setting::{Failure, Kept};

const ROWS: u64 = 200_000;
const ROUNDS: usize = 5;
const MEMORY: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// The unit in which Linux reports processor time to programs, on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// The cost of a run.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    clock: Duration,
    /// Processor time in seconds.
    processor: f64,
    /// Peak memory in KiB. Only for a separate process.
    memory: u64,
}

/// A folder for the tables, deleted on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // The folder is a temporary one, so a leftover is harmless.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new() -> Result<Self, Failure> {
        let folder = Self(std::env::temp_dir().join(format!("entra-consent-bench-links-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        std::fs::write(folder.0.join("consent.toml"), setting::config_text(["http://127.0.0.1:9"; 2], Kept::InEnvironment, None))?;
        Ok(folder)
    }

    fn table(&self, rows: u64) -> Result<PathBuf, Failure> {
        let path = self.0.join(format!("tenants-{rows}.csv"));
        if !path.exists() {
            let mut file = BufWriter::new(File::create(&path)?);
            writeln!(file, "tenant,label,reference,contact,language,note")?;
            for row in 0..rows {
                let tenant = setting::tenant(row);
                writeln!(file, "{tenant},\"Customer {row}, Inc.\",T-{row},admin{row}@customer.example,de-AT,=1+{row}")?;
            }
            file.flush()?;
        }
        Ok(path)
    }
}

/// One run of the program.
fn ours(folder: &Folder, rows: u64) -> Result<(Cost, PathBuf), Failure> {
    let (from, to) = (folder.table(rows)?, folder.0.join("links.csv"));
    let _ = std::fs::remove_file(&to);
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_entra-consent"))
        .args(["link", "--app", "mail-backup", "--offline", "--from"])
        .arg(&from)
        .arg("--to")
        .arg(&to)
        .current_dir(&folder.0)
        .env_clear()
        .env("BENCH_KEYS", setting::KEYS)
        .stderr(Stdio::null())
        .spawn()?;
    let mut cost = Cost::default();
    // The system reports the times of an ended process until the parent waits for it.
    loop {
        if let Some(peak) = peak_memory(child.id()) {
            cost.memory = peak;
        }
        let (state, processor) = times(&format!("/proc/{}/stat", child.id()))?;
        if state == "Z" {
            (cost.clock, cost.processor) = (started.elapsed(), processor);
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if !child.wait()?.success() {
        return Err("the program did not make all links".into());
    }
    Ok((cost, to))
}

fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// The state and processor seconds of a process (proc(5)). The name in parentheses may contain any character.
fn times(path: &str) -> Result<(String, f64), Failure> {
    let stat = std::fs::read_to_string(path)?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).ok_or("no times in /proc");
    Ok((fields.first().copied().unwrap_or_default().to_owned(), (ticks(11)? + ticks(12)?) / TICKS_A_SECOND))
}

/// Reads the same table, signs a string of `message` bytes for each row, and adds `cells` bytes to each written row.
fn bare(from: &Path, to: &Path, message: usize, cells: usize) -> Result<Cost, Failure> {
    let document: serde_json::Value = serde_json::from_str(setting::KEYS)?;
    let key = EncodingKey::from_secret(document.get("key").and_then(|key| key.as_str()).unwrap_or_default().as_bytes())?;
    let (message, filler) = (vec![b'm'; message], "x".repeat(cells));
    let (_, before) = times("/proc/self/stat")?;
    let started = Instant::now();
    let (mut reader, mut writer) = (csv::Reader::from_path(from)?, csv::Writer::from_path(to)?);
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row)? {
        for cell in &row {
            writer.write_field(cell)?;
        }
        writer.write_field(jsonwebtoken::crypto::sign(&message, &key, Algorithm::HS256)?)?;
        writer.write_field(&filler)?;
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()?;
    let clock = started.elapsed();
    let (_, after) = times("/proc/self/stat")?;
    Ok(Cost { clock, processor: after - before, memory: 0 })
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes, far below 2^52")]
fn main() -> Result<(), Failure> {
    let folder = Folder::new()?;
    let (_, table) = ours(&folder, 10)?;
    let mut rows = csv::Reader::from_path(&table)?;
    let first = rows.records().next().ok_or("no row")??;
    let link = first.get(7).ok_or("no link")?;
    let (message, signature) = link.rsplit_once('.').ok_or("no token")?;
    let message = message.rsplit('/').next().unwrap_or_default().len();
    let cells: usize = first.iter().skip(6).map(str::len).sum::<usize>() - URL_SAFE_NO_PAD.decode(signature)?.len();
    println!("links for a table: {ROWS} rows, {ROUNDS} rounds; a link has {} characters, {message} of them signed", link.len());

    let (mut program, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        program.push(ours(&folder, ROWS)?.0);
        baseline.push(bare(&folder.table(ROWS)?, &folder.0.join("bare.csv"), message, cells)?);
    }
    let rows = ROWS as f64;
    println!("\n  {:<44} {:>14} {:>14} {:>12}", "", "a cpu second", "a second", "cpu µs each");
    for (name, costs) in [("entra-consent link --from --to --offline", &program), ("bare: read, HMAC-SHA256, write", &baseline)] {
        let (processor, clock) = (median(costs, |cost| cost.processor), median(costs, |cost| cost.clock.as_secs_f64()));
        println!("  {name:<44} {:>14.0} {:>14.0} {:>12.2}", rows / processor, rows / clock, processor / rows * 1e6);
    }
    let ratios: Vec<f64> = program.iter().zip(&baseline).map(|(ours, bare)| ours.processor / bare.processor).collect();
    let (least, most) = ratios.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), ratio| (least.min(*ratio), most.max(*ratio)));
    let ratio = median(&program, |cost| cost.processor) / median(&baseline, |cost| cost.processor);
    println!("  ratio of the medians {ratio:.2} (rounds: {least:.2} to {most:.2}); target none; ≥ 100 000 links a cpu second");

    println!("\n  {:<44} {:>14} {:>14}", "peak memory", "KiB", "of the first");
    let mut least = None;
    for rows in MEMORY {
        let (cost, _) = ours(&folder, rows)?;
        let first = *least.get_or_insert(cost.memory as f64);
        println!("  {:<44} {:>14} {:>14.2}", format!("{rows} rows"), cost.memory, cost.memory as f64 / first);
    }
    Ok(())
}
