//! How long an administrator waits, with an upstream that takes 200 ms for each call, and with services that do not answer at all. The
//! bench runs the release `callback` binary under a Runtime API, and measures from the event's delivery to the answer.

#[path = "common/deployed.rs"]
mod deployed;
#[path = "common/function.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod function;
#[path = "common/http.rs"]
mod http;
#[path = "common/relay.rs"]
mod relay;
#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;
#[path = "common/stats.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod stats;
#[path = "common/upstream.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod upstream;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use deployed::Deployed;
use function::Function;
use setting::{Failure, Kept};
use stats::Samples;
use upstream::{Endpoint, Pace};

const PAGES: u64 = 20;
const WAITS: u64 = 3;
const SLOW: Pace = Pace::After(Duration::from_millis(200));
/// The time that SQS and EventBridge of the same region take.
const NEARBY: Pace = Pace::After(Duration::from_millis(20));
/// Just below the time limit of one attempt to read a secret.
const ALMOST_TOO_LATE: Duration = Duration::from_millis(900);

fn start(callback: &Path, deployed: &Deployed) -> Result<Function, Failure> {
    let environment = deployed.environment_with_queue();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // The warnings about services that do not answer would appear between the figures, so the log is dropped.
    Function::start(callback, &environment, Stdio::null())
}

fn pages(callback: &Path) -> Result<(), Failure> {
    let deployed = Deployed::prepare(Kept::InSecretsManager)?;
    deployed.microsoft.pace(Endpoint::Token, SLOW);
    deployed.microsoft.pace(Endpoint::Batch, SLOW);
    deployed.aws.pace(Endpoint::Queue, NEARBY);
    deployed.aws.pace(Endpoint::Bus, NEARBY);
    let (mut cold, mut redirect, mut page) = (Samples::default(), Samples::default(), Samples::default());
    for run in 0..PAGES / 2 {
        cold.push(start(callback, &deployed)?.first(deployed::callback_event(setting::tenant(run))?)?.took);
    }
    let function = start(callback, &deployed)?;
    function.first(deployed::callback_event(setting::tenant(0))?)?;
    for run in 1..=PAGES {
        let callback = function.invoke(deployed::callback_event(setting::tenant(run))?)?;
        let (location, _) = deployed::led_to(&callback.answer)?;
        let shown = function.invoke(deployed::receipt_event(&location)?)?;
        let body = shown.answer.pointer("/body").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !body.contains(r#"data-outcome="granted""#) {
            return Err(format!("not the page of a grant but {}", shown.answer).into());
        }
        redirect.push(callback.took);
        page.push(callback.took + shown.took);
    }
    stats::heading("an upstream of 200 ms a call; target ≤ 500 ms a page");
    stats::row("callback, warm, new token, new tenant", &redirect);
    stats::row("callback and the page it leads to", &page);
    stats::row("callback, cold, from the process's start", &cold);
    Ok(())
}

/// The time of a service that is this far away, and what it needs for one answer.
const ROUND_TRIP: Duration = Duration::from_millis(20);
const SERVICE: Duration = Duration::from_millis(100);

/// Cold starts, with every service far away. What a page costs then is the time of the services and of the ways to them: to the token
/// endpoint a round trip each for TCP, TLS and the request, and to Graph one for the request, because that connection is open by then.
fn far_away(callback: &Path) -> Result<(), Failure> {
    let microsoft = 2 * SERVICE + 4 * ROUND_TRIP;
    // Over plain HTTP. Two calls at the same time take as long as one.
    let secrets = SERVICE + 2 * ROUND_TRIP;
    stats::heading("cold, with services 20 ms away that take 100 ms; from the process's start to the page");
    for (name, kept, least) in [
        ("secrets in the environment", Kept::InEnvironment, microsoft),
        ("both secrets in Secrets Manager", Kept::InSecretsManager, microsoft + secrets),
    ] {
        let deployed = Deployed::prepare_behind(kept, |service| relay::start(service, ROUND_TRIP))?;
        for (service, endpoint) in
            [(&deployed.microsoft, Endpoint::Token), (&deployed.microsoft, Endpoint::Batch), (&deployed.aws, Endpoint::Secret)]
        {
            service.pace(endpoint, Pace::After(SERVICE));
        }
        let environment = deployed.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (mut page, mut ideal) = (Samples::default(), Samples::default());
        for run in 0..PAGES {
            let function = Function::start(callback, &environment, Stdio::inherit())?;
            let redirect = function.first(deployed::callback_event(setting::tenant(run))?)?;
            let (location, outcome) = deployed::led_to(&redirect.answer)?;
            if outcome != entra_consent::consent::Outcome::Granted {
                return Err(format!("not granted but {outcome:?}").into());
            }
            page.push(redirect.took + function.invoke(deployed::receipt_event(&location)?)?.took);
            ideal.push(least);
        }
        stats::row(name, &page);
        stats::row("the services and the ways to them", &ideal);
        stats::ratio(&page, &ideal, "≤ 1.05");
    }
    Ok(())
}

fn ceiling(callback: &Path) -> Result<(), Failure> {
    use Endpoint::{Batch, Bus, Queue, Secret, Token};
    let silent = [(Token, Pace::Never), (Batch, Pace::Never)];
    let late = [(Secret, Pace::After(ALMOST_TOO_LATE)), silent[0], silent[1]];
    let lost = [(Secret, Pace::SecondTime(Duration::from_millis(200))), silent[0], silent[1]];
    let unsent = [(Queue, Pace::Never), (Bus, Pace::Never)];
    let alone = [silent[0], silent[1], unsent[0], unsent[1]];
    let faults: [(&str, &[(Endpoint, Pace)]); 11] = [
        ("token endpoint never answers", &[(Token, Pace::Never)]),
        ("Graph never answers", &[(Batch, Pace::Never)]),
        ("token endpoint: a byte every 100 ms", &[(Token, Pace::Trickling)]),
        ("Graph: a byte every 100 ms", &[(Batch, Pace::Trickling)]),
        ("Secrets Manager never answers", &[(Secret, Pace::Never)]),
        ("Secrets Manager: a byte every 100 ms", &[(Secret, Pace::Trickling)]),
        ("Microsoft never; Secrets Manager after 900 ms", &late),
        ("Microsoft never; Secrets Manager at the 2nd try", &lost),
        ("SQS and EventBridge never answer", &unsent),
        ("SQS and EventBridge: a byte every 100 ms", &[(Queue, Pace::Trickling), (Bus, Pace::Trickling)]),
        ("neither Microsoft nor SQS nor EventBridge answers", &alone),
    ];
    stats::heading("something does not answer; each time a new process and its first callback; target ≤ 4 s");
    for (name, paces) in faults {
        let deployed = Deployed::prepare(Kept::InSecretsManager)?;
        for (endpoint, pace) in paces {
            let side = if matches!(endpoint, Secret | Queue | Bus) { &deployed.aws } else { &deployed.microsoft };
            side.pace(*endpoint, *pace);
        }
        let mut waits = Samples::default();
        let mut told = String::new();
        for run in 0..WAITS {
            let answered = start(callback, &deployed)?.first(deployed::callback_event(setting::tenant(run))?)?;
            let status = answered.answer.pointer("/statusCode").and_then(serde_json::Value::as_u64).unwrap_or_default();
            told = match deployed::led_to(&answered.answer) {
                Ok((_, outcome)) => format!("{status} to a receipt: {outcome:?}"),
                Err(_) => status.to_string(),
            };
            waits.push(answered.took);
        }
        stats::row(name, &waits);
        println!("    answered with {told}");
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let callback = function::binary("callback", option_env!("CARGO_BIN_EXE_callback"))?;
    far_away(&callback)?;
    pages(&callback)?;
    ceiling(&callback)
}
