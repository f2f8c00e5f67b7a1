//! `entra-consent serve`: the function on this machine, against real Microsoft.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::exit::Exit;
use super::{complain, server};
use crate::site::Site;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  entra-consent serve --listen 127.0.0.1:8080 >> records.jsonl

Records are written to standard output, one JSON line an event; messages to standard error. Put a reverse proxy with
your certificate in front, and register {base_url}/callback as a Web redirect address of every app.")]
pub(super) struct Args {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    listen: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8080".to_owned())
}

#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
pub(super) async fn run(site: Site, args: &Args) -> ExitCode {
    if let Err(error) = site.keys().await {
        return complain(&error.to_string(), Exit::Failed);
    }
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return complain(&format!("cannot listen on {}: {error}", args.listen), Exit::Failed),
    };
    eprintln!("Listening on http://{}. Redirect address to register: {}", args.listen, site.redirect_address());
    eprintln!("Records go to standard output. Ctrl-C stops.");
    let site = Arc::new(site);
    let served = server::serve(Arc::clone(&site), listener, stop_signal()).await;
    if let Err(error) = site.records.settle() {
        return complain(&format!("the last count of rejections could not be recorded: {error}"), Exit::Failed);
    }
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("the server stopped: {error}"), Exit::Failed),
    }
}

/// Ctrl-C, or the end a service manager asks for.
pub(super) async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}
