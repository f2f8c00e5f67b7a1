//! Reads secrets from AWS Secrets Manager, from files and from the environment, each at its first use, and caches them for 10 minutes.

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
use crate::env::Clock;
use crate::secret::Secret;
use crate::sync::locked;

/// How long a cached secret is used before it is read again. With this limit, a rotation takes effect within 10 minutes, and a busy process
/// asks AWS six times an hour.
const AGE: Duration = Duration::from_secs(600);
/// Shortest time between two reads of one secret for callers that doubt it. A stranger's token with an unknown key raises such a doubt, and
/// must not make us flood Secrets Manager (threats reference S25).
const REFRESH_PAUSE: Duration = Duration::from_secs(60);
/// Shortest time between an attempt that failed and the next one. Each attempt delays a caller by up to 2 s, so not every request may make
/// one.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// Largest secret in bytes: Secrets Manager's own limit, applied to every source.
const LARGEST: usize = 64 * 1024;

crate::consent::named! {
    /// The staging label of a secret's version in Secrets Manager. Files and variables have only the current version.
    #[derive(Hash)]
    pub enum SecretStage {
        /// `AWSCURRENT`: the version in use.
        Current = "AWSCURRENT",
        /// `AWSPENDING`: a rotation's new version, before it comes into use.
        Pending = "AWSPENDING",
        /// `AWSPREVIOUS`: the version before the current one.
        Previous = "AWSPREVIOUS",
    }
}

/// Why a secret is asked for, which decides how often it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadReason {
    Use,
    /// A peer refused the cached secret, or a key was missing from it.
    Doubt,
    /// A stranger's probe.
    Probe,
}

/// Reads one environment variable; programs pass [`crate::config::environment`].
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The cache of all secrets in the process.
pub struct Secrets {
    clock: Clock,
    aws: Arc<AwsClients>,
    environment: Environment,
    kept: Mutex<HashMap<(SecretSource, SecretStage), Arc<CachedSecret>>>,
}

/// The last value of one secret, if it is still in use, and the time of the last attempt to read it.
#[derive(Default)]
struct CachedSecret {
    state: Mutex<SecretState>,
    /// The task that reads holds this lock, so that a hundred requests cause one read.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct SecretState {
    value: Option<(Arc<Secret>, OffsetDateTime)>,
    last_attempt: Option<OffsetDateTime>,
    failure: Option<Reason>,
    /// Whether the last definite answer about this secret withdrew it. Later attempts without an answer do not change this.
    is_withdrawn: bool,
}

impl Secrets {
    /// Starts with an empty cache.
    pub fn new(
        clock: Clock,
        aws: impl Into<Arc<AwsClients>>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { clock, aws: aws.into(), environment: Box::new(environment), kept: Mutex::default() }
    }

    /// Writes a new current version of a secret that already exists in Secrets Manager.
    ///
    /// # Errors
    /// [`SecretUnavailable`] says why the write failed.
    #[cfg(feature = "cli")]
    pub(crate) async fn put(&self, name: &str, secret: &Secret) -> Result<(), SecretUnavailable> {
        let client = self.aws.secrets_manager().await;
        let written = client.put_secret_value().secret_id(name).secret_string(secret.expose()).send().await;
        written
            .map(|_| ())
            .map_err(|error| SecretUnavailable { kept_in: SecretSource::SecretsManager(name.into()), reason: Reason::of(&error) })
    }

    /// The secret, at most 10 minutes old. If its source gives no answer, it may be older, and each such failure is logged.
    ///
    /// If the secret is deleted, emptied or forbidden to us, we stop using it. For the current version, this takes a second answer at least
    /// 10 s after the first, so that a policy that is just being replaced does not stop the service. We stop using a pending or previous
    /// version at once.
    ///
    /// # Errors
    /// [`SecretUnavailable`] if no read ever found the secret, or if it no longer exists for us.
    pub async fn get(&self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.get_staged(source, SecretStage::Current).await
    }

    /// Like [`Self::get`], for one stage.
    ///
    /// # Errors
    /// As [`Self::get`]; also [`Reason::NotFound`] if no version has the stage now.
    pub async fn get_staged(&self, source: &SecretSource, stage: SecretStage) -> Result<Arc<Secret>, SecretUnavailable> {
        self.obtain(source, stage, ReadReason::Use).await
    }

    /// As [`Self::get`], without a read if the last attempt to read it was less than a minute ago: anyone may ask for the health of this
    /// process, at any rate.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn probe(&self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.obtain(source, SecretStage::Current, ReadReason::Probe).await
    }

    /// Reads the secret again now, because a peer refused it or a key was missing from it. The source is asked at most once a minute; in
    /// between, the result is the cached secret. If the text has not changed, the `Arc` is the same, so `Arc::ptr_eq` shows whether a retry
    /// makes sense.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn refresh(&self, source: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.refresh_staged(source, SecretStage::Current).await
    }

    /// Like [`Self::refresh`], for one stage.
    ///
    /// # Errors
    /// As [`Self::get_staged`].
    pub(crate) async fn refresh_staged(&self, source: &SecretSource, stage: SecretStage) -> Result<Arc<Secret>, SecretUnavailable> {
        self.obtain(source, stage, ReadReason::Doubt).await
    }

    /// Makes the next use of every secret read it again, even if the cached one is recent.
    pub(crate) fn expire(&self) {
        for kept in locked(&self.kept).values() {
            locked(&kept.state).last_attempt = None;
        }
    }

    async fn obtain(&self, source: &SecretSource, stage: SecretStage, reason: ReadReason) -> Result<Arc<Secret>, SecretUnavailable> {
        let kept = Arc::clone(locked(&self.kept).entry((source.clone(), stage)).or_default());
        let settled = || Some(locked(&kept.state).clone()).filter(|state| !self.is_due(state, reason));
        if let Some(state) = settled() {
            return state.answer(source);
        }
        let _reading = kept.reading.lock().await;
        // Another task may have read the secret while this one waited for the lock.
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
            // A rotation removes the label of the other stages, so their absence is normal and not logged.
            (None, Some(failure)) if had_one && stage == SecretStage::Current => {
                tracing::error!(secret.kept_in = %source, error = %failure, "a secret is no longer there for us; the old one is used no more");
            }
            _ => {}
        }
        state.clone().answer(source)
    }

    fn is_due(&self, state: &SecretState, reason: ReadReason) -> bool {
        // A secret must expire even if the clock was set back.
        let passed = |since: OffsetDateTime, pause| since > self.clock.now() || self.clock.since(since) >= pause;
        match (&state.value, state.last_attempt) {
            (_, None) => true,
            (_, Some(attempt)) if reason == ReadReason::Probe => passed(attempt, REFRESH_PAUSE) && state.value.is_none(),
            (None, Some(attempt)) => passed(attempt, FAILURE_PAUSE),
            // The next caller after this pause confirms the withdrawal.
            (Some(_), Some(attempt)) if state.is_withdrawn => passed(attempt, FAILURE_PAUSE),
            (Some(_), Some(attempt)) if reason == ReadReason::Doubt => passed(attempt, REFRESH_PAUSE),
            (Some((_, read)), Some(attempt)) => passed(*read, AGE) && (state.failure.is_none() || passed(attempt, FAILURE_PAUSE)),
        }
    }

    async fn read(&self, source: &SecretSource, stage: SecretStage) -> Result<Secret, Reason> {
        match source {
            SecretSource::SecretsManager(name) => self.ask_secrets_manager(name, stage).await,
            SecretSource::File(_) | SecretSource::Environment(_) if stage != SecretStage::Current => Err(Reason::NotFound),
            SecretSource::File(path) => read_file(path),
            SecretSource::Environment(name) => (self.environment)(name).ok_or(Reason::NotFound).and_then(checked),
        }
    }

    async fn ask_secrets_manager(&self, name: &str, stage: SecretStage) -> Result<Secret, Reason> {
        let client = self.aws.secrets_manager().await;
        // The request always names the stage: without a stage, one AWS emulator returned an older version.
        let answer = client.get_secret_value().secret_id(name).version_stage(stage.name()).send().await;
        match answer {
            Ok(GetSecretValueOutput { secret_string: Some(text), .. }) => checked(text),
            Ok(GetSecretValueOutput { secret_binary: Some(bytes), .. }) => text_of(bytes.into_inner()),
            Ok(_) => Err(Reason::Empty),
            Err(error) => Err(Reason::of(&error)),
        }
    }
}

impl SecretState {
    fn note(&mut self, read: Result<Secret, Reason>, stage: SecretStage, now: OffsetDateTime) {
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
                    if self.is_withdrawn || stage != SecretStage::Current {
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
    // Opening a pipe would wait for the pipe's writer.
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

/// Removes what programs add to a secret. Editors and `echo` end a file with a line break, and Windows editors begin it with a byte order
/// mark.
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

/// Why a secret is missing. Contains its source and no part of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret kept in {kept_in} is not available: {reason}")]
pub struct SecretUnavailable {
    /// The source that was read.
    pub kept_in: SecretSource,
    /// Why the source gave no secret.
    pub reason: Reason,
}

/// What went wrong while reading a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No secret, file or variable has this name, or the secret has no current version or is scheduled for deletion.
    #[error("there is nothing of this name")]
    NotFound,
    /// We have no permission to read the secret or to decrypt it. Contains AWS's error code or our own remark.
    #[error("access is denied ({0})")]
    Denied(Box<str>),
    /// No answer, or an answer that says nothing about the secret. Contains AWS's error code or the connection's error.
    #[error("it cannot be reached ({0})")]
    Unreachable(Box<str>),
    /// The AWS profile uses a sign-in method that this program does not support.
    #[error(
        "the AWS profile signs in through a browser (IAM Identity Center or `aws login`), which this program cannot; run \
         eval \"$(aws configure export-credentials --format env)\" in this shell and try again, see docs/aws-credentials.md"
    )]
    SignInElsewhere,
    /// The source exists and is empty.
    #[error("it is empty")]
    Empty,
    /// The secret is not UTF-8.
    #[error("it is not text")]
    NotText,
    /// The secret has more than 64 KiB.
    #[error("it has more than 64 KiB")]
    TooLarge,
}

impl Reason {
    /// Whether the answer means that the cached value is no longer in use, or that we may no longer read it. A missing answer, or one about
    /// our own signature, says nothing about the secret.
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
            // AWS sends `InvalidRequestException` for a secret that is scheduled for deletion.
            (_, Some("ResourceNotFoundException" | "InvalidRequestException"), _) => Self::NotFound,
            (_, Some(code), _) if DENIALS.contains(&code) => Self::Denied(code.into()),
            (_, _, Some(status @ (401 | 403))) => Self::Denied(format!("HTTP {status}").into()),
            (_, Some(code), _) => Self::Unreachable(readable(code)),
            // An unreadable answer may contain the secret, so the error repeats no part of it.
            (_, None, Some(status)) => Self::Unreachable(format!("an answer that cannot be read, HTTP {status}").into()),
            (error, None, None) if wants_browser(error) => Self::SignInElsewhere,
            (SdkError::TimeoutError(_), None, None) => Self::Unreachable("no answer in time".into()),
            (error, None, None) => Self::Unreachable(readable(&innermost(error))),
        }
    }
}

/// AWS's error codes for a denial. AWS sends them with HTTP 400, and most are common to all its services.
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

/// The codes of [`DENIALS`] that mean that we could not prove our identity: an expired session, or a wrong clock.
const UNPROVEN: [&str; 4] =
    ["ExpiredTokenException", "IncompleteSignature", "InvalidSignatureException", "MissingAuthenticationTokenException"];

/// Whether the search for credentials ended at a profile whose kind is not linked into this program: IAM Identity Center (`sso_…`) or
/// `aws login`. The SDK keeps only the text of that error.
fn wants_browser(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = innermost(error);
    text.contains("cargo feature(s) enabled") && (text.contains("sso") || text.contains("credentials-login"))
}

/// The innermost error of the connection or of the search for credentials. It contains no part of a request or response.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Removes everything from an external text that could control a terminal.
pub(super) fn readable(text: &str) -> Box<str> {
    DisplayText::bounded(text, 200).map_or_else(|| "no detail".into(), |text| text.as_str().into())
}
