//! `entra-consent completions`: a script for the shell.

use std::io::Write;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::exit::{CommandError, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  entra-consent completions bash \\
    > ~/.local/share/bash-completion/completions/entra-consent
  entra-consent completions zsh > ~/.zfunc/_entra-consent
  entra-consent completions fish > ~/.config/fish/completions/entra-consent.fish
  entra-consent completions powershell >> $PROFILE

A new shell knows them. For zsh the folder has to stand in fpath before
compinit: `fpath=(~/.zfunc $fpath)` in ~/.zshrc.")]
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
