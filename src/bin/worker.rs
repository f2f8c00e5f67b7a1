//! The Lambda function behind the queue.

// The futures of a look nest deeper than the default.
#![recursion_limit = "256"]

use entra_consent::aws::lambda;
use entra_consent::site::{Site, Surroundings};
use entra_consent::world::Roots;
use entra_consent::{config, telemetry, worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    telemetry::init(config::log_level().as_deref())?;
    let site = Site::from_env(Surroundings::real(Roots::Embedded))?;
    lambda::run_worker(async |batch| worker::handle_batch(&site, batch).await).await?;
    Ok(())
}
