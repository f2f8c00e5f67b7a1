//! The command line.

fn main() -> std::process::ExitCode {
    entra_consent::cli::run()
}
