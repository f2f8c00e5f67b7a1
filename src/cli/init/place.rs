//! Where a secret is kept, as flags and answers say it.

use std::fmt;

use super::text::quoted;

/// A place. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `file:PATH`.
    File(String),
    /// `env:VARIABLE`.
    Environment(String),
    /// `aws:NAME`.
    Aws(String),
}

impl Place {
    /// Reads a place. What is refused is not repeated: it may be the secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let place = match text.split_once(':') {
            Some(("file", path)) => Self::File(path.to_owned()),
            Some(("env", name)) => Self::Environment(name.to_owned()),
            // An ARN has colons of its own.
            Some(("aws", name)) => Self::Aws(name.to_owned()),
            _ => return Err("write file:PATH, env:VARIABLE or aws:NAME, and never the secret itself".to_owned()),
        };
        let (Self::File(rest) | Self::Environment(rest) | Self::Aws(rest)) = &place;
        if rest.is_empty() { Err("the name of the place is missing".to_owned()) } else { Ok(place) }
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::Environment(_) | Self::Aws(_) => None,
        }
    }

    /// As `consent.toml` writes it.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::File(path) => format!("{{ file = {} }}", quoted(path)),
            Self::Environment(name) => format!("{{ env = {} }}", quoted(name)),
            Self::Aws(name) => format!("{{ aws = {} }}", quoted(name)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {path}"),
            Self::Environment(name) => write!(f, "the variable {name}"),
            Self::Aws(name) => write!(f, "AWS Secrets Manager, as {name}"),
        }
    }
}
