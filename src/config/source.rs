//! Where the configuration is: a file, or a text that no build has to carry.

use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::{ConfigError, Problem};
use super::sections::{is_secret_name, variable};
use super::{CONFIG_VARIABLE, Config};

const TEXT_VARIABLE: &str = "ENTRA_CONSENT_CONFIG_TEXT";
const SECRET_PREFIX: &str = "secret:";

/// Lambda limits all variables of a function to 4 KB together.
const LONGEST_TEXT: usize = 3 * 1024;

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// The text itself, from the environment.
    Text(String),
    /// A secret in AWS Secrets Manager, by name or ARN.
    Secret(Box<str>),
}

impl ConfigSource {
    /// The source that the environment names. Without a name, it is `consent.toml` in the working directory.
    ///
    /// # Errors
    /// [`ConfigError`] if the environment names two sources, or one that cannot exist.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let refuse = |name: &str, what: &str, remedy: &str| {
            Err(ConfigError::new(vec![Problem::new(&format!("environment variable {name}"), None, "", what, remedy)]))
        };
        // Not trimmed: problems name lines.
        let text = env(TEXT_VARIABLE).filter(|text| !text.trim().is_empty());
        match (variable(env, CONFIG_VARIABLE), text) {
            (Some(_), Some(_)) => {
                let what = format!("{CONFIG_VARIABLE} is set as well, and only one of the two can be the configuration");
                refuse(TEXT_VARIABLE, &what, "remove one of the two variables")
            }
            (None, Some(text)) if text.len() > LONGEST_TEXT => {
                let remedy = format!("store the text as a secret in AWS Secrets Manager, and set {CONFIG_VARIABLE}={SECRET_PREFIX}NAME");
                refuse(TEXT_VARIABLE, "the text has more than 3 KB", &remedy)
            }
            (None, Some(text)) => Ok(Self::Text(text)),
            (named, None) => match named.as_deref().and_then(|named| named.strip_prefix(SECRET_PREFIX)) {
                Some(name) if is_secret_name(name) => Ok(Self::Secret(name.into())),
                Some(_) => {
                    let what = "no secret of AWS Secrets Manager can have this name";
                    refuse(CONFIG_VARIABLE, what, &format!("write the name or the ARN of the secret behind {SECRET_PREFIX}"))
                }
                None => Ok(Self::File(named.unwrap_or_else(|| "consent.toml".into()).into())),
            },
        }
    }

    /// Parses the text that was read from this source. Relative paths in it begin at the folder of the file, or at the working directory.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse(&self, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let origin = self.to_string();
        Config::parse(text, if let Self::File(path) = self { path } else { Path::new(&origin) }, env)
    }

    /// The error of a source that gives no text.
    #[must_use]
    pub(crate) fn unavailable(&self, reason: &str, remedy: &str) -> ConfigError {
        ConfigError::new(vec![Problem::new(&self.to_string(), None, "", reason, remedy)])
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => write!(f, "environment variable {TEXT_VARIABLE}"),
            // Without the name: a slash in it would look like a folder.
            Self::Secret(_) => write!(f, "the secret that {CONFIG_VARIABLE} names"),
        }
    }
}
