//! A temporary folder in which a test runs the real program, as an engineer does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_entra-consent");

/// A folder that is deleted on drop.
pub(crate) struct Terminal {
    pub(crate) folder: PathBuf,
    environment: Vec<(String, String)>,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Told {
    /// The exit status.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Terminal {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("terminal-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, environment: Vec::new() }
    }

    /// Sets an environment variable for the programs, which get no other variables.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    /// Runs the program with empty standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        self.run_with(arguments, "")
    }

    /// Runs the program with this text on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Told {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program may close its standard input unread, so an error here is no failure.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let told = Told { status: status.code().unwrap(), out: text(stdout), err: text(stderr) };
        assert!(!told.out.contains("canary") && !told.err.contains("canary"), "a secret was printed: {told:?}");
        assert!(!told.out.contains('\u{1b}') && !told.err.contains('\u{1b}'), "no terminal, and escape sequences: {told:?}");
        told
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
