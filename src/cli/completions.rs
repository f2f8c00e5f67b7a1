//! `entra-consent completions`: a script for the shell.

use std::io::Write;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::exit::{CommandError, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/completions.txt"))]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "entra-consent", &mut script);
    super::printed(std::io::stdout().write_all(&script), Exit::Done)
}
