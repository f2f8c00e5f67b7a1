//! Secrets through the real SDK against moto, from files and from the environment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Credentials;
use aws_sdk_secretsmanager::primitives::Blob;
use entra_consent::aws::AwsClients;
use entra_consent::aws::secrets::{Reason, SecretStage, Secrets};
use entra_consent::config::SecretSource;
use entra_consent::env::{Clock, Roots};
use time::OffsetDateTime;

use crate::support::moto::Moto;

const CANARY: &str = "canary-51d8";

pub(crate) async fn settings(url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .load()
        .await
}

/// The wall clock of these tests, which moves only when a test advances it.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_800_000_000 + seconds.load(Ordering::SeqCst)))
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn unset(_: &str) -> Option<String> {
    None
}

fn in_aws(name: &str) -> SecretSource {
    SecretSource::SecretsManager(name.into())
}

async fn secrets(url: &str, hands: &Hands) -> Secrets {
    Secrets::new(hands.clock(), AwsClients::with_settings(settings(url).await), unset)
}

/// The reason of a refusal. Asserts that the refusal names the secret's source without any part of its value.
async fn reason(secrets: &Secrets, source: &SecretSource) -> Reason {
    let error = secrets.get(source).await.expect_err("unavailable");
    assert_eq!(&error.kept_in, source);
    assert!(error.to_string().contains(&source.to_string()), "{error}");
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    error.reason
}

#[tokio::test]
async fn a_rotated_secret_is_seen_after_ten_minutes_and_is_always_the_current_one() {
    let moto = Moto::start();
    let (hands, aws) = (Hands::default(), Client::new(&settings(&moto.url).await));
    let secrets = secrets(&moto.url, &hands).await;
    let first = aws.create_secret().name("app").secret_string("first").send().await.unwrap().version_id.unwrap();
    assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), "first");

    // This rotation moves the stage label. Without a label in the request, moto would keep returning the old version.
    let pending = aws.put_secret_value().secret_id("app").secret_string("second").version_stages("AWSPENDING").send().await.unwrap();
    let stage = aws.update_secret_version_stage().secret_id("app").version_stage("AWSCURRENT");
    stage.move_to_version_id(pending.version_id.unwrap()).remove_from_version_id(first).send().await.unwrap();
    hands.advance(599);
    assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), "first", "kept for ten minutes");
    hands.advance(1);
    assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), "second");
}

#[tokio::test]
async fn a_doubted_secret_is_read_again_at_most_once_a_minute() {
    let moto = Moto::start();
    let (hands, aws) = (Hands::default(), Client::new(&settings(&moto.url).await));
    let secrets = secrets(&moto.url, &hands).await;
    aws.create_secret().name("app").secret_string("first").send().await.unwrap();
    let first = secrets.get(&in_aws("app")).await.unwrap();
    aws.put_secret_value().secret_id("app").secret_string("second").send().await.unwrap();
    hands.advance(59);
    assert_eq!(secrets.refresh(&in_aws("app")).await.unwrap().expose(), "first");
    hands.advance(1);
    let second = secrets.refresh(&in_aws("app")).await.unwrap();
    assert_eq!(second.expose(), "second");
    assert!(!Arc::ptr_eq(&first, &second));

    aws.put_secret_value().secret_id("app").secret_string("third").send().await.unwrap();
    assert_eq!(secrets.refresh(&in_aws("app")).await.unwrap().expose(), "second", "just read");
    assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), "second", "for the others too");
    aws.put_secret_value().secret_id("app").secret_string("second").send().await.unwrap();
    hands.advance(60);
    assert!(Arc::ptr_eq(&second, &secrets.refresh(&in_aws("app")).await.unwrap()), "the same text is the same secret");
}

#[tokio::test]
async fn a_secret_stays_in_use_while_secrets_manager_is_down() {
    let moto = Moto::start();
    let hands = Hands::default();
    let secrets = secrets(&moto.url, &hands).await;
    let aws = Client::new(&settings(&moto.url).await);
    aws.create_secret().name("app").secret_string("kept").send().await.unwrap();
    let kept = secrets.get(&in_aws("app")).await.unwrap();
    drop(moto);
    for seconds in [0, 61, 600, 86_400] {
        hands.advance(seconds);
        assert!(Arc::ptr_eq(&kept, &secrets.get(&in_aws("app")).await.unwrap()), "after {seconds} s");
        assert!(Arc::ptr_eq(&kept, &secrets.refresh(&in_aws("app")).await.unwrap()), "after {seconds} s, doubted");
    }
    assert!(matches!(reason(&secrets, &in_aws("never-read")).await, Reason::Unreachable(_)));
}

#[tokio::test]
async fn a_deleted_secret_is_used_no_more_once_a_second_answer_confirms_it() {
    let moto = Moto::start();
    let hands = Hands::default();
    let secrets = secrets(&moto.url, &hands).await;
    let aws = Client::new(&settings(&moto.url).await);
    aws.create_secret().name("app").secret_string(CANARY).send().await.unwrap();
    let kept = secrets.get(&in_aws("app")).await.unwrap();
    aws.delete_secret().secret_id("app").send().await.unwrap();
    hands.advance(60);
    assert!(Arc::ptr_eq(&kept, &secrets.refresh(&in_aws("app")).await.unwrap()), "one answer may be an error");
    hands.advance(9);
    assert!(Arc::ptr_eq(&kept, &secrets.get(&in_aws("app")).await.unwrap()), "the next request follows a pause");
    hands.advance(1);
    assert_eq!(reason(&secrets, &in_aws("app")).await, Reason::NotFound, "not after ten minutes more");

    aws.restore_secret().secret_id("app").send().await.unwrap();
    hands.advance(10);
    assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), CANARY);
}

#[tokio::test]
async fn a_denied_secret_is_dropped_despite_an_outage_in_between() {
    let answers = Answers::default();
    let (url, hands) = (answers.play(), Hands::default());
    let secrets = secrets(&url, &hands).await;
    answers.now(200, r#"{"SecretString":"canary-51d8"}"#);
    secrets.get(&in_aws("app")).await.unwrap();
    for (wait, status, body) in [
        // An expired session says nothing about the secret.
        (600, 400, r#"{"__type":"ExpiredTokenException"}"#),
        (10, 400, r#"{"__type":"ExpiredTokenException"}"#),
        (10, 400, r#"{"__type":"AccessDeniedException"}"#),
        (10, 400, r#"{"__type":"InvalidParameterException"}"#),
    ] {
        hands.advance(wait);
        answers.now(status, body);
        assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), CANARY, "{body}");
    }
    hands.advance(10);
    answers.now(400, r#"{"__type":"AccessDeniedException"}"#);
    assert_eq!(reason(&secrets, &in_aws("app")).await, Reason::Denied("AccessDeniedException".into()));
}

#[tokio::test]
async fn a_denial_takes_a_secret_away_and_a_doubt_about_who_we_are_does_not() {
    for (body, is_withdrawn) in [
        (r#"{"__type":"AccessDeniedException"}"#, true),
        (r#"{"__type":"DecryptionFailure"}"#, true),
        (r#"{"__type":"InvalidClientTokenId"}"#, true),
        (r#"{"__type":"UnrecognizedClientException"}"#, true),
        (r#"{"__type":"ExpiredTokenException"}"#, false),
        (r#"{"__type":"IncompleteSignature"}"#, false),
        (r#"{"__type":"InvalidSignatureException"}"#, false),
        (r#"{"__type":"MissingAuthenticationTokenException"}"#, false),
    ] {
        let (answers, hands) = (Answers::default(), Hands::default());
        let secrets = secrets(&answers.play(), &hands).await;
        answers.now(200, r#"{"SecretString":"canary-51d8"}"#);
        secrets.get(&in_aws("app")).await.unwrap();
        answers.now(400, body);
        hands.advance(600);
        secrets.get(&in_aws("app")).await.expect("one answer may be an error");
        hands.advance(10);
        assert_eq!(secrets.get(&in_aws("app")).await.is_err(), is_withdrawn, "{body}");
        assert!(matches!(reason(&secrets, &in_aws("another")).await, Reason::Denied(_)), "{body}");
    }
}

#[tokio::test]
async fn a_secret_that_was_denied_once_and_read_again_needs_two_denials_again() {
    let answers = Answers::default();
    let (url, hands) = (answers.play(), Hands::default());
    let secrets = secrets(&url, &hands).await;
    let (fine, denied) = ((200, r#"{"SecretString":"canary-51d8"}"#), (403, "no"));
    for (status, body) in [fine, denied, fine, denied] {
        answers.now(status, body);
        assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), CANARY);
        hands.advance(600);
    }
    assert_eq!(reason(&secrets, &in_aws("app")).await, Reason::Denied("HTTP 403".into()));
}

#[tokio::test]
async fn a_stage_that_nothing_has_any_more_is_used_no_more_at_once() {
    let moto = Moto::start();
    let (hands, aws) = (Hands::default(), Client::new(&settings(&moto.url).await));
    let secrets = secrets(&moto.url, &hands).await;
    aws.create_secret().name("app").secret_string("first").send().await.unwrap();
    let pending = aws.put_secret_value().secret_id("app").secret_string("second").version_stages("AWSPENDING").send().await.unwrap();
    assert_eq!(secrets.get_staged(&in_aws("app"), SecretStage::Pending).await.unwrap().expose(), "second");
    let stage = aws.update_secret_version_stage().secret_id("app").version_stage("AWSPENDING");
    stage.remove_from_version_id(pending.version_id.unwrap()).send().await.unwrap();
    hands.advance(600);
    let refused = secrets.get_staged(&in_aws("app"), SecretStage::Pending).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
}

#[tokio::test]
async fn each_answer_of_secrets_manager_has_its_meaning() {
    let moto = Moto::start();
    let hands = Hands::default();
    let secrets = secrets(&moto.url, &hands).await;
    let aws = Client::new(&settings(&moto.url).await);
    let text = |name: &'static str, text: &str| aws.create_secret().name(name).secret_string(text).send();
    let bytes = |name: &'static str, bytes: Vec<u8>| aws.create_secret().name(name).secret_binary(Blob::new(bytes)).send();
    text("blank", "\n").await.unwrap();
    bytes("binary-text", CANARY.into()).await.unwrap();
    bytes("binary", vec![0xff, b'c']).await.unwrap();

    assert_eq!(reason(&secrets, &in_aws("unknown")).await, Reason::NotFound);
    assert_eq!(reason(&secrets, &in_aws("blank")).await, Reason::Empty);
    assert_eq!(reason(&secrets, &in_aws("binary")).await, Reason::NotText);
    assert_eq!(secrets.get(&in_aws("binary-text")).await.unwrap().expose(), CANARY);
    text("deleted", CANARY).await.unwrap();
    aws.delete_secret().secret_id("deleted").send().await.unwrap();
    assert_eq!(reason(&secrets, &in_aws("deleted")).await, Reason::NotFound);

    // From here on, moto checks identities, and does not know this identity.
    enforce_identities(&moto.url);
    let refused = reason(&secrets, &in_aws("binary-text-2")).await;
    assert!(matches!(refused, Reason::Denied(_)), "{refused:?}");
}

#[tokio::test]
async fn no_answer_of_aws_is_quoted() {
    let denied = |code: &str| Reason::Denied(code.into());
    let unreachable = |what: &str| Reason::Unreachable(what.into());
    let cases = [
        (400, r#"{"__type":"AccessDeniedException","Message":"canary-51d8"}"#, denied("AccessDeniedException")),
        (400, r#"{"__type":"DecryptionFailure","Message":"canary-51d8"}"#, denied("DecryptionFailure")),
        (403, "<html>canary-51d8</html>", denied("HTTP 403")),
        (400, r#"{"__type":"InvalidParameterException","Message":"canary-51d8"}"#, unreachable("InvalidParameterException")),
        (500, r#"{"__type":"InternalServiceError","Message":"canary-51d8"}"#, unreachable("InternalServiceError")),
        (502, "canary-51d8", unreachable("an answer that cannot be read, HTTP 502")),
        (200, r#"{"SecretString":["canary-51d8"]}"#, unreachable("an answer that cannot be read, HTTP 200")),
        (200, r#"{"SecretString":"canary-51d8"#, unreachable("an answer that cannot be read, HTTP 200")),
        (200, r#"{"Name":"canary-51d8"}"#, Reason::Empty),
        (200, r#"{"SecretString":"  "}"#, Reason::Empty),
    ];
    for (status, body, expected) in cases {
        let secrets = secrets(&answering(status, body), &Hands::default()).await;
        assert_eq!(reason(&secrets, &in_aws("app")).await, expected, "{status} {body}");
    }
}

/// Simulates an AWS service that gives every request the same answer.
pub(crate) fn answering(status: u16, body: &'static str) -> String {
    let answers = Answers::default();
    answers.now(status, body);
    answers.play()
}

/// The answer of a simulated AWS service, and its last request.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    answer: Arc<Mutex<(u16, &'static str)>>,
    asked: Arc<Mutex<String>>,
}

impl Answers {
    /// Sets the answer.
    pub(crate) fn now(&self, status: u16, body: &'static str) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// The body of the last request.
    pub(crate) fn asked(&self) -> String {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn play(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = self.clone();
        std::thread::spawn(move || answers.give(&listener));
        url
    }

    fn give(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut asked = String::new();
            (&mut reader).take(length).read_to_string(&mut asked).unwrap();
            *self.asked.lock().unwrap() = asked;
            let (status, body) = *self.answer.lock().unwrap();
            let head = format!("HTTP/1.1 {status} Any\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            write!(reader.get_mut(), "{head}{body}").unwrap();
        }
    }
}

/// Makes moto check identities: `POST /moto-api/reset-auth` with the number of calls that moto still allows without a check.
fn enforce_identities(url: &str) {
    let address = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "POST /moto-api/reset-auth HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1\r\nConnection: close\r\n\r\n0").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

/// A server that counts connections and never answers.
fn silent() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

fn connections(listener: &TcpListener) -> usize {
    std::iter::from_fn(|| listener.accept().ok()).count()
}

#[tokio::test]
async fn a_silent_secrets_manager_is_given_up_and_not_asked_again_at_once() {
    let (url, listener) = silent();
    let hands = Hands::default();
    let secrets = Arc::new(secrets(&url, &hands).await);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let secrets = Arc::clone(&secrets);
            tokio::spawn(async move { reason(&secrets, &in_aws("app")).await })
        })
        .collect();
    for answer in all {
        assert!(matches!(answer.await.unwrap(), Reason::Unreachable(_)));
    }
    let asked = connections(&listener);
    assert!((1..=2).contains(&asked), "one operation of at most two attempts, not {asked}");
    hands.advance(9);
    secrets.refresh(&in_aws("app")).await.unwrap_err();
    assert_eq!(connections(&listener), 0, "the failure is cached");
    hands.advance(1);
    secrets.get(&in_aws("app")).await.unwrap_err();
    assert!(connections(&listener) > 0);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_secret_immortal() {
    let hands = Hands::default();
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let secrets =
        Secrets::new(hands.clock(), AwsClients::new(Roots::Platform), move |_| Some(counted.fetch_add(1, Ordering::SeqCst).to_string()));
    let source = SecretSource::Environment("ANY".into());
    assert_eq!(secrets.get(&source).await.unwrap().expose(), "0");
    hands.advance(-86_400);
    assert_eq!(secrets.get(&source).await.unwrap().expose(), "1");
    assert_eq!(secrets.get(&source).await.unwrap().expose(), "1");
}

#[tokio::test]
async fn aws_is_never_asked_for_what_is_in_files_and_variables() {
    let (url, listener) = silent();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("secrets");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, content: &[u8]| {
        std::fs::write(folder.join(name), content).unwrap();
        SecretSource::File(folder.join(name))
    };
    let aws = AwsClients::with_settings(settings(&url).await);
    let secrets = Secrets::new(Hands::default().clock(), aws, |name| (name == "SET").then(|| format!("{CANARY}\n")));

    assert_eq!(secrets.get(&SecretSource::Environment("SET".into())).await.unwrap().expose(), CANARY);
    assert_eq!(reason(&secrets, &SecretSource::Environment("UNSET".into())).await, Reason::NotFound);
    assert_eq!(secrets.get(&file("key", b" canary-51d8 \r\n\n")).await.unwrap().expose(), " canary-51d8 ");
    assert_eq!(secrets.get(&file("of-windows", "\u{feff}canary-51d8\r\n".as_bytes())).await.unwrap().expose(), "canary-51d8");
    assert_eq!(reason(&secrets, &SecretSource::File(folder.join("nowhere"))).await, Reason::NotFound);
    assert_eq!(reason(&secrets, &file("blank", b"\n")).await, Reason::Empty);
    assert_eq!(reason(&secrets, &file("binary", b"canary-51d8\xff")).await, Reason::NotText);
    assert_eq!(reason(&secrets, &file("large", &[b'a'; 64 * 1024 + 1])).await, Reason::TooLarge);
    assert_eq!(secrets.get(&file("largest", &[b'a'; 64 * 1024])).await.unwrap().expose().len(), 64 * 1024);
    assert!(matches!(reason(&secrets, &SecretSource::File(folder.clone())).await, Reason::Unreachable(_)));
    assert_eq!(connections(&listener), 0);
}

const CHILD: &str = "ENTRA_CONSENT_TEST_SECRETS_CHILD";

/// The client as the Lambda builds it (embedded roots, everything else from the environment). This needs a separate process, because all
/// tests in this process share its environment.
#[tokio::test]
async fn the_client_of_a_lambda_takes_its_settings_from_the_environment() {
    if std::env::var_os(CHILD).is_some() {
        let secrets = Secrets::new(Clock::system(), AwsClients::new(Roots::Embedded), unset);
        assert_eq!(secrets.get(&in_aws("app")).await.unwrap().expose(), "from moto");
        return;
    }
    let moto = Moto::start();
    let aws = Client::new(&settings(&moto.url).await);
    aws.create_secret().name("app").secret_string("from moto").send().await.unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "secrets::the_client_of_a_lambda_takes_its_settings_from_the_environment"])
        .envs([(CHILD, "1"), ("AWS_ENDPOINT_URL", &moto.url), ("AWS_REGION", "eu-central-1")])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}
