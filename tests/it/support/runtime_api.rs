//! A Lambda Runtime API on loopback, and a function that runs against it as a separate process.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

/// The result of an invocation.
#[derive(Debug)]
pub(crate) enum Invocation {
    Response(Value),
    /// The function or its runtime reported an error, which a front door answers with 502.
    Error(Value),
    /// The process exited instead of answering.
    Died(ExitStatus),
}

impl Invocation {
    /// Returns the answer and panics on anything else.
    #[track_caller]
    pub(crate) fn response(self) -> Value {
        match self {
            Self::Response(value) => value,
            Self::Error(error) => panic!("the invocation failed, a front door would answer 502: {error}"),
            Self::Died(status) => panic!("the process ended with {status}"),
        }
    }
}

/// A running function. Dropping it kills the process.
pub(crate) struct Function {
    child: Child,
    events: mpsc::UnboundedSender<(u64, Bytes, oneshot::Sender<Invocation>)>,
    next: u64,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Function {
    /// Starts `program` as Lambda would, with only Lambda's variables and `environment`.
    pub(crate) async fn start(program: impl AsRef<OsStr>, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queue) = mpsc::unbounded_channel();
        tokio::spawn(async move { axum::serve(listener, router(queue)).await });

        static STARTED: AtomicU64 = AtomicU64::new(0);
        let id = format!("function-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        // The output goes to files and not to pipes, because a file already contains everything that was written before the answer.
        let output = |stream: &str| FilePath::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{id}.{stream}"));
        let (stdout, stderr) = (output("out"), output("err"));
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "callback"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_REGION", "eu-west-1"),
            ])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Self { child, events, next: 0, stdout, stderr }
    }

    /// Sends one event and waits for the result.
    pub(crate) async fn invoke(&mut self, event: impl Into<Bytes>) -> Invocation {
        let (sender, mut ended) = oneshot::channel();
        self.next += 1;
        self.events.send((self.next, event.into(), sender)).expect("the Runtime API runs");
        let hung = tokio::time::sleep(Duration::from_secs(60));
        tokio::pin!(hung);
        let mut check = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                biased;
                invocation = &mut ended => return invocation.expect("the Runtime API answers for every event it took"),
                () = &mut hung => panic!("no answer in a minute; the function wrote: {}", self.stderr()),
                _ = check.tick() => {
                    if let Some(status) = self.child.try_wait().unwrap() {
                        return Invocation::Died(status);
                    }
                }
            }
        }
    }

    /// Lambda's request ID of the last event.
    pub(crate) fn last_request_id(&self) -> String {
        request_id(self.next)
    }

    /// The ID of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The function's standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout).unwrap()).into_owned()
    }

    /// The function's standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap()).into_owned()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // The process may have ended already, and a failing test should then fail with its own message.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for file in [&self.stdout, &self.stderr] {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

struct Api {
    queue: AsyncMutex<mpsc::UnboundedReceiver<(u64, Bytes, oneshot::Sender<Invocation>)>>,
    running: Mutex<HashMap<String, oneshot::Sender<Invocation>>>,
}

impl Api {
    fn end(&self, id: &str, invocation: Invocation) -> StatusCode {
        let sender = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        match sender.map(|sender| sender.send(invocation)) {
            Some(Ok(())) => StatusCode::ACCEPTED,
            Some(Err(_)) | None => StatusCode::BAD_REQUEST,
        }
    }
}

fn router(queue: mpsc::UnboundedReceiver<(u64, Bytes, oneshot::Sender<Invocation>)>) -> Router {
    let api = Arc::new(Api { queue: AsyncMutex::new(queue), running: Mutex::default() });
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let Some((id, event, sender)) = api.queue.lock().await.recv().await else {
        // The test is over; the function is about to be killed.
        return std::future::pending().await;
    };
    let id = request_id(id);
    api.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
    let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(30);
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:callback".to_owned()),
        ("Lambda-Runtime-Trace-Id", "Root=1-69072b10-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    let headers: HeaderMap = headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    (headers, event)
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("the answer to {id} is not JSON: {error}"));
    api.end(&id, Invocation::Response(value))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.end(&id, Invocation::Error(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
