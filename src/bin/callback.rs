//! The Lambda function behind the public address.

// The futures of a check nest deeper than the default limit.
#![recursion_limit = "256"]

use std::error::Error;
use std::process::ExitCode;

use entra_consent::aws::event::Incoming;
use entra_consent::aws::lambda;
use entra_consent::site::{Site, Surroundings};
use entra_consent::world::Roots;
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
    let site = Site::from_env(Surroundings::real(Roots::Embedded))?;
    lambda::run_callback(async |incoming| match incoming {
        Incoming::Http(request) => web::handle(&site, request).await,
        Incoming::Refused { request, reason } => web::refuse(&site, &request, reason.reason()),
        Incoming::NotHttp(kind) => web::refuse_event(&site, kind.reason()),
    })
    .await?;
    Ok(())
}
