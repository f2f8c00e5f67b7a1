//! Secrets from AWS Secrets Manager, from files and from the environment, each read when it is first needed and kept for a while.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use time::OffsetDateTime;

use super::AwsClients;
use crate::config::SecretSource;
use crate::consent::DisplayText;
use crate::secret::Secret;
use crate::sync::locked;
use crate::world::Clock;

/// How long a secret is used before it is read again: a rotation is noticed within it, and a busy process asks AWS six times
/// an hour.
const AGE: Duration = Duration::from_secs(600);
/// How often a reader who doubts a secret can have it read again: a stranger's token with an unknown key must not make us
/// hammer Secrets Manager (threats reference S25).
const REFRESH_PAUSE: Duration = Duration::from_secs(60);
/// After a failure the next request may try again, but not every one: each costs up to 2 s of somebody's waiting.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// The most that Secrets Manager holds, and so the most that any place may.
const LARGEST: usize = 64 * 1024;

/// Which version of a secret in Secrets Manager: its staging label. Files and variables have the current one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The one in force.
    Current,
    /// A rotation's new one, before it is put in force.
    Pending,
    /// The one before.
    Previous,
}

impl Stage {
    /// The label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// Reads one variable of the environment; [`crate::config::environment`] in a program.
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// All secrets of the process.
pub struct Secrets {
    clock: Clock,
    aws: Arc<AwsClients>,
    environment: Environment,
    kept: Mutex<HashMap<(SecretSource, Stage), Arc<Kept>>>,
}

/// One secret, if it is there, and the last attempt to read it.
#[derive(Default)]
struct Kept {
    state: Mutex<State>,
    /// Held while reading, so that a hundred requests cause one.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct State {
    value: Option<(Arc<Secret>, OffsetDateTime)>,
    last_attempt: Option<OffsetDateTime>,
    failure: Option<Reason>,
    /// Whether the last answer about the secret itself, whatever came after it, was that this value is no longer ours to use.
    is_withdrawn: bool,
}

impl Secrets {
    /// Reads nothing yet.
    pub fn new(
        clock: Clock,
        aws: impl Into<Arc<AwsClients>>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { clock, aws: aws.into(), environment: Box::new(environment), kept: Mutex::default() }
    }

    /// Writes a new current version of a secret that is in Secrets Manager already.
    ///
    /// # Errors
    /// [`SecretUnavailable`] says why it was not written.
    #[cfg(feature = "cli")]
    pub async fn put(&self, name: &str, secret: &Secret) -> Result<(), SecretUnavailable> {
        let client = self.aws.secrets_manager().await;
        let written = client.put_secret_value().secret_id(name).secret_string(secret.expose()).send().await;
        written
            .map(|_| ())
            .map_err(|error| SecretUnavailable { kept_in: SecretSource::SecretsManager(name.into()), reason: Reason::of(&error) })
    }

    /// The secret, at most 10 minutes old; older only while there is no answer about it, which is logged.
    ///
    /// One that is deleted, emptied or forbidden to us is no longer used: the current one once a second answer, at least 10 s after the
    /// first, says the same, so that no policy that is just being replaced stops the service. A pending or previous one at once.
    ///
    /// # Errors
    /// [`SecretUnavailable`] when it was never read, or is no longer there for us.
    pub async fn get(&self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.get_staged(source, Stage::Current).await
    }

    /// As [`Self::get`], of one stage.
    ///
    /// # Errors
    /// As [`Self::get`]; [`Reason::NotFound`] also where nothing has the stage now.
    pub async fn get_staged(&self, source: &SecretSource, stage: Stage) -> Result<Arc<Secret>, SecretUnavailable> {
        self.obtain(source, stage, false).await
    }

    /// The secret, read again now because somebody refused it or a key was not in it: at most once a minute, in between the
    /// one that is kept. It is the same `Arc` when the text has not changed, so that `Arc::ptr_eq` says whether to try again.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn refresh(&self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.refresh_staged(source, Stage::Current).await
    }

    /// As [`Self::refresh`], of one stage.
    ///
    /// # Errors
    /// As [`Self::get_staged`].
    pub async fn refresh_staged(&self, source: &SecretSource, stage: Stage) -> Result<Arc<Secret>, SecretUnavailable> {
        self.obtain(source, stage, true).await
    }

    async fn obtain(&self, source: &SecretSource, stage: Stage, doubted: bool) -> Result<Arc<Secret>, SecretUnavailable> {
        let kept = Arc::clone(locked(&self.kept).entry((source.clone(), stage)).or_default());
        let settled = || Some(locked(&kept.state).clone()).filter(|state| !self.is_due(state, doubted));
        if let Some(state) = settled() {
            return state.answer(source);
        }
        let _reading = kept.reading.lock().await;
        // Somebody else may have read it while we waited.
        if let Some(state) = settled() {
            return state.answer(source);
        }
        let read = self.read(source, stage).await;
        let mut state = locked(&kept.state);
        let had_one = state.value.is_some();
        state.note(read, stage, self.clock.now());
        match (&state.value, &state.failure) {
            (Some((_, since)), Some(failure)) => {
                let age = self.clock.since(*since).as_secs();
                tracing::warn!(secret.kept_in = %source, secret.stage = stage.name(), secret.age_s = age, error = %failure, "a secret could not be read again; the old one stays in use");
            }
            // That a rotation took the label of another stage away is its course.
            (None, Some(failure)) if had_one && stage == Stage::Current => {
                tracing::error!(secret.kept_in = %source, error = %failure, "a secret is no longer there for us; the old one is used no more");
            }
            _ => {}
        }
        state.clone().answer(source)
    }

    fn is_due(&self, state: &State, doubted: bool) -> bool {
        // A clock that was set back must not make a secret immortal.
        let passed = |since: OffsetDateTime, pause| since > self.clock.now() || self.clock.since(since) >= pause;
        match (&state.value, state.last_attempt) {
            (_, None) => true,
            (None, Some(attempt)) => passed(attempt, FAILURE_PAUSE),
            // To be confirmed soon, by whoever comes next.
            (Some(_), Some(attempt)) if state.is_withdrawn => passed(attempt, FAILURE_PAUSE),
            (Some(_), Some(attempt)) if doubted => passed(attempt, REFRESH_PAUSE),
            (Some((_, read)), Some(attempt)) => passed(*read, AGE) && (state.failure.is_none() || passed(attempt, FAILURE_PAUSE)),
        }
    }

    async fn read(&self, source: &SecretSource, stage: Stage) -> Result<Secret, Reason> {
        match source {
            SecretSource::SecretsManager(name) => self.ask_secrets_manager(name, stage).await,
            SecretSource::File(_) | SecretSource::Environment(_) if stage != Stage::Current => Err(Reason::NotFound),
            SecretSource::File(path) => read_file(path),
            SecretSource::Environment(name) => (self.environment)(name).ok_or(Reason::NotFound).and_then(checked),
        }
    }

    async fn ask_secrets_manager(&self, name: &str, stage: Stage) -> Result<Secret, Reason> {
        let client = self.aws.secrets_manager().await;
        // Asked for by its stage, always: a stand-in has been seen to answer with an older version otherwise.
        let answer = client.get_secret_value().secret_id(name).version_stage(stage.name()).send().await;
        match answer {
            Ok(GetSecretValueOutput { secret_string: Some(text), .. }) => checked(text),
            Ok(GetSecretValueOutput { secret_binary: Some(bytes), .. }) => text_of(bytes.into_inner()),
            Ok(_) => Err(Reason::Empty),
            Err(error) => Err(Reason::of(&error)),
        }
    }
}

impl State {
    fn note(&mut self, read: Result<Secret, Reason>, stage: Stage, now: OffsetDateTime) {
        self.last_attempt = Some(now);
        self.failure = None;
        match read {
            Ok(new) => {
                self.is_withdrawn = false;
                let unchanged = self.value.take().map(|(old, _)| old).filter(|old| old.expose() == new.expose());
                self.value = Some((unchanged.unwrap_or_else(|| Arc::new(new)), now));
            }
            Err(reason) => {
                if reason.withdraws() {
                    if self.is_withdrawn || stage != Stage::Current {
                        self.value = None;
                    }
                    self.is_withdrawn = true;
                }
                self.failure = Some(reason);
            }
        }
    }

    fn answer(self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        let Some((secret, _)) = self.value else {
            let reason = self.failure.unwrap_or(Reason::NotFound);
            return Err(SecretUnavailable { kept_in: source.clone(), reason });
        };
        Ok(secret)
    }
}

fn read_file(path: &Path) -> Result<Secret, Reason> {
    let reason = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Reason::NotFound,
        ErrorKind::PermissionDenied => Reason::Denied("no permission to read the file".into()),
        kind => Reason::Unreachable(kind.to_string().into()),
    };
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(reason)?.is_file() {
        return Err(Reason::Unreachable("it is not a regular file".into()));
    }
    let limit = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(reason)?;
    text_of(bytes)
}

fn text_of(bytes: Vec<u8>) -> Result<Secret, Reason> {
    if bytes.len() > LARGEST {
        return Err(Reason::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Reason::NotText).and_then(checked)
}

/// Editors and `echo` end a file with a line break that is no part of the secret; those of Windows begin one with a byte order mark.
fn checked(mut text: String) -> Result<Secret, Reason> {
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.len() > LARGEST {
        Err(Reason::TooLarge)
    } else if text.trim().is_empty() {
        Err(Reason::Empty)
    } else {
        Ok(Secret::new(text))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Why there is no secret. Says where it is kept and nothing of what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret kept in {kept_in} is not available: {reason}")]
pub struct SecretUnavailable {
    /// Where it is kept.
    pub kept_in: SecretSource,
    /// Why it could not be read.
    pub reason: Reason,
}

/// What went wrong with reading a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There is no secret, file or variable of this name, or the secret has no current version or is scheduled for deletion.
    #[error("there is nothing of this name")]
    NotFound,
    /// We may not read it, or not decrypt it. Holds AWS's error code or a remark of ours.
    #[error("access is denied ({0})")]
    Denied(Box<str>),
    /// No answer, or one that says nothing about the secret. Holds AWS's error code or what the connection said.
    #[error("it cannot be reached ({0})")]
    Unreachable(Box<str>),
    /// The AWS profile signs in in a way that this program does not speak.
    #[error(
        "the AWS profile signs in through a browser (IAM Identity Center or `aws login`), which this program cannot; run \
         eval \"$(aws configure export-credentials --format env)\" in this shell and try again, see docs/aws-credentials.md"
    )]
    SignInElsewhere,
    /// It is there and holds nothing.
    #[error("it is empty")]
    Empty,
    /// It is not UTF-8.
    #[error("it is not text")]
    NotText,
    /// It has more than 64 KiB.
    #[error("it has more than 64 KiB")]
    TooLarge,
}

impl Reason {
    /// Whether it says that the value read before is in force no more, or not for us. What is only no answer, or an answer about our
    /// own signature, says nothing of the secret.
    fn withdraws(&self) -> bool {
        match self {
            Self::NotFound | Self::Empty | Self::NotText | Self::TooLarge => true,
            Self::Denied(code) => !UNPROVEN.contains(&&**code),
            Self::Unreachable(_) | Self::SignInElsewhere => false,
        }
    }

    fn of<E: std::error::Error + ProvideErrorMetadata + 'static>(error: &SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        match (error, code, status) {
            // The second one is said of a secret that is scheduled for deletion.
            (_, Some("ResourceNotFoundException" | "InvalidRequestException"), _) => Self::NotFound,
            (_, Some(code), _) if DENIALS.contains(&code) => Self::Denied(code.into()),
            (_, _, Some(status @ (401 | 403))) => Self::Denied(format!("HTTP {status}").into()),
            (_, Some(code), _) => Self::Unreachable(readable(code)),
            // Nothing of an answer that cannot be read is repeated: it may hold the secret.
            (_, None, Some(status)) => Self::Unreachable(format!("an answer that cannot be read, HTTP {status}").into()),
            (error, None, None) if wants_browser(error) => Self::SignInElsewhere,
            (SdkError::TimeoutError(_), None, None) => Self::Unreachable("no answer in time".into()),
            (error, None, None) => Self::Unreachable(readable(&innermost(error))),
        }
    }
}

/// Codes that AWS sends with HTTP 400, most of them common to all its services.
const DENIALS: [&str; 8] = [
    "AccessDeniedException",
    "DecryptionFailure",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
];

/// Those of [`DENIALS`] that mean that we could not show who we are: a session that ended, a clock that is wrong.
const UNPROVEN: [&str; 4] =
    ["ExpiredTokenException", "IncompleteSignature", "InvalidSignatureException", "MissingAuthenticationTokenException"];

/// Whether the search for credentials ended at a profile whose kind is not linked into this program: those of IAM Identity Center
/// (`sso_…`) and of `aws login`. The SDK keeps no more of that error than its text.
fn wants_browser(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = innermost(error);
    text.contains("cargo feature(s) enabled") && (text.contains("sso") || text.contains("credentials-login"))
}

/// What the connection or the search for credentials said in the end: no request and no response is part of it.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// What is left of a text from outside once nothing in it can steer a terminal.
pub(super) fn readable(text: &str) -> Box<str> {
    DisplayText::bounded(text, 200).map_or_else(|| "no detail".into(), |text| text.as_str().into())
}
