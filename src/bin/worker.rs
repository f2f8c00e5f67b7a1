//! The Lambda function behind the queue and behind the daily schedule.

// The futures of a check nest deeper than the default limit.
#![recursion_limit = "256"]

use std::error::Error;
use std::process::ExitCode;

use entra_consent::env::Roots;
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::lambda::queue_batch::handle_batch;
use entra_consent::lambda::runtime;
use entra_consent::{config, expiry, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    telemetry::init(config::log_level().as_deref())?;
    let installation = Installation::from_env(Dependencies::real(Roots::Embedded)).await?;
    let batch = async |batch| handle_batch(&installation, batch).await;
    let daily = async || expiry::warn(&installation, expiry::WITHIN_FUNCTION).await.map(|_| ());
    runtime::run_worker(batch, daily).await?;
    Ok(())
}
