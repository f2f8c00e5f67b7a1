//! Starts of the release `callback` binary compared with a bare `lambda_http` hello-world, both as processes under a Runtime API. Measures
//! the time from the process's start to the first request for an event, and to the first answer, then memory and size.

#[path = "common/deployed.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod deployed;
#[path = "common/function.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod function;
#[path = "common/http.rs"]
mod http;
#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;
#[path = "common/stats.rs"]
mod stats;
#[path = "common/upstream.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod upstream;

use std::path::Path;
use std::process::{Command, Stdio};

use deployed::Deployed;
use entra_consent::consent::Outcome;
use function::Function;
use setting::{Failure, Kept};
use stats::Samples;

const STARTS: u64 = 40;
const CALLBACKS: u64 = 100;

#[derive(Default)]
struct Starts {
    asked: Samples,
    answered: Samples,
    spent: Samples,
}

impl Starts {
    /// Adds one start, up to the answer to the first event.
    fn add(&mut self, program: &Path, environment: &[(String, String)], event: Vec<u8>) -> Result<serde_json::Value, Failure> {
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let function = Function::start(program, &environment, Stdio::inherit())?;
        self.asked.push(function.asked()?);
        let first = function.first(event)?;
        self.answered.push(first.took);
        self.spent.push(function.cpu_time()?);
        Ok(first.answer)
    }
}

fn granted(answer: &serde_json::Value) -> Result<(), Failure> {
    match deployed::led_to(answer)? {
        (_, Outcome::Granted) => Ok(()),
        (_, other) => Err(format!("not granted but {other:?}").into()),
    }
}

/// The size of a zip archive that contains only the binary, as uploaded to Lambda.
fn zipped(program: &Path) -> Result<u64, Failure> {
    const ZIP: &str = "import io,sys,zipfile\nb=io.BytesIO()\n\
        zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED,compresslevel=9).write(sys.argv[1],'bootstrap')\nprint(len(b.getvalue()))";
    let output = Command::new("python3").args(["-c", ZIP]).arg(program).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn main() -> Result<(), Failure> {
    let callback = function::binary("callback", option_env!("CARGO_BIN_EXE_callback"))?;
    let hello = function::binary("hello_lambda", None)?;

    let (near, far) = (Deployed::prepare(Kept::InEnvironment)?, Deployed::prepare(Kept::InSecretsManager)?);
    let (mut bare, mut ours, mut ours_far) = (Starts::default(), Starts::default(), Starts::default());
    for run in 0..STARTS {
        let event = deployed::callback_event(setting::tenant(run))?;
        bare.add(&hello, &[], event.clone())?;
        granted(&ours.add(&callback, &near.environment(), event.clone())?)?;
        granted(&ours_far.add(&callback, &far.environment(), event)?)?;
    }
    stats::heading("start: from the process's start to the first event asked for");
    stats::row("hello-world", &bare.asked);
    stats::row("callback function", &ours.asked);
    stats::ratio(&ours.asked, &bare.asked, "≤ 1.3");
    stats::row("callback function, secrets in Secrets Manager", &ours_far.asked);
    stats::ratio(&ours_far.asked, &bare.asked, "≤ 1.3");
    stats::heading("cold: from the process's start to the first answer (ours: a verified callback, over TLS)");
    stats::row("hello-world", &bare.answered);
    stats::row("callback function, secrets in the environment", &ours.answered);
    stats::ratio(&ours.answered, &bare.answered, "≤ 3");
    stats::row("callback function, secrets in Secrets Manager", &ours_far.answered);
    stats::ratio(&ours_far.answered, &bare.answered, "≤ 3");
    stats::heading("cold: what that costs of a processor, all threads");
    stats::row("hello-world", &bare.spent);
    stats::row("callback function, secrets in the environment", &ours.spent);
    stats::ratio(&ours.spent, &bare.spent, "none");
    stats::row("callback function, secrets in Secrets Manager", &ours_far.spent);
    stats::ratio(&ours_far.spent, &bare.spent, "none");

    let environment = far.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let function = Function::start(&callback, &environment, Stdio::inherit())?;
    granted(&function.first(deployed::callback_event(setting::tenant(0))?)?.answer)?;
    for run in 1..CALLBACKS {
        granted(&function.invoke(deployed::callback_event(setting::tenant(run))?)?.answer)?;
    }
    let baseline = Function::start(&hello, &[], Stdio::inherit())?;
    baseline.first(deployed::callback_event(setting::tenant(0))?)?;
    println!("\npeak memory (VmHWM)");
    println!("  {:<44} {:>6} KiB; target ≤ 11264", format!("callback function, {CALLBACKS} verified callbacks"), function.peak_memory()?);
    println!("  {:<44} {:>6} KiB", "hello-world, one answer", baseline.peak_memory()?);

    println!("\nsize of the stripped binary, in a zip archive of its own and as it is");
    for (name, program) in [("callback", &callback), ("hello_lambda", &hello)] {
        let plain = std::fs::metadata(program)?.len();
        match zipped(program) {
            Ok(zipped) => println!("  {name:<44} {zipped:>10} bytes zipped, {plain:>10} plain; target ≤ 5000000 zipped"),
            Err(error) => println!("  {name:<44} not zipped ({error}), {plain:>10} plain"),
        }
    }
    Ok(())
}
