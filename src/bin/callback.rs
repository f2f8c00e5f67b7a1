//! The Lambda function behind the public address.

// The futures of a check nest deeper than the default limit.
#![recursion_limit = "256"]

use std::error::Error;
use std::process::ExitCode;

use entra_consent::env::Roots;
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::lambda::http_event::Incoming;
use entra_consent::lambda::runtime;
use entra_consent::{config, telemetry, web};

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
    runtime::run_callback(async |incoming| match incoming {
        Incoming::Http(request) => web::handle(&installation, request).await,
        Incoming::Refused { request, reason } => web::refuse(&installation, &request, reason.reason()),
        Incoming::NotHttp(kind) => web::refuse_event(&installation, kind.reason()),
    })
    .await?;
    Ok(())
}
