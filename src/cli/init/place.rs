//! The source of a secret as written in flags and answers: `file:PATH`, `env:VARIABLE` or `aws:NAME`.

use std::path::Path;

use crate::config::SecretSource;

/// Parses a source. An error does not repeat the text, because it may be the secret itself.
pub(super) fn parse(text: &str) -> Result<SecretSource, String> {
    // An ARN contains colons too.
    match text.split_once(':') {
        Some(("file" | "env" | "aws", "")) => Err("the name of the place is missing".to_owned()),
        Some(("file", path)) => Ok(SecretSource::File(path.into())),
        Some(("env", name)) => Ok(SecretSource::Environment(name.into())),
        Some(("aws", name)) => Ok(SecretSource::SecretsManager(name.into())),
        _ => Err("write file:PATH, env:VARIABLE or aws:NAME, and never the secret itself".to_owned()),
    }
}

/// The path; `None` for other sources.
pub(super) fn file(place: &SecretSource) -> Option<&Path> {
    match place {
        SecretSource::File(path) => Some(path),
        SecretSource::Environment(_) | SecretSource::SecretsManager(_) => None,
    }
}

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string().trim().to_owned()
}

/// The source in the syntax of `consent.toml`.
pub(super) fn toml(place: &SecretSource) -> String {
    match place {
        SecretSource::File(path) => format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
        SecretSource::Environment(name) => format!("{{ env = {} }}", quoted(name)),
        SecretSource::SecretsManager(name) => format!("{{ aws = {} }}", quoted(name)),
    }
}
