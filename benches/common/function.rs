//! A Lambda function as a separate process, and the Runtime API that sends it events. The Runtime API notes the time of a request as soon
//! as it has read the last byte, before any other work.

use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::http::{Request, answer};
use super::setting::Failure;

/// Longest time of a measured step. Every step is much faster.
const PATIENCE: Duration = Duration::from_secs(30);

enum Heard {
    Asked(Instant),
    Answered(Instant, Vec<u8>),
}

/// A running function. Dropping it kills the process.
pub(crate) struct Function {
    child: Child,
    started: Instant,
    events: Sender<Vec<u8>>,
    heard: Receiver<Heard>,
}

/// The result of one invocation.
pub(crate) struct Answered {
    /// The time from the event's delivery to the answer. For the first event, the time from the process's start.
    pub(crate) took: Duration,
    pub(crate) answer: Value,
}

/// The release binary with this name: from the folder that `scripts/bench` built, otherwise `fallback`, which cargo built for the bench.
pub(crate) fn binary(name: &str, fallback: Option<&str>) -> Result<PathBuf, Failure> {
    let built = std::env::var_os("ENTRA_CONSENT_BENCH_BINARIES").map(|folder| Path::new(&folder).join(name));
    match (built, fallback) {
        (Some(path), _) if path.is_file() => Ok(path),
        (Some(path), _) => Err(format!("{} is not there: run scripts/bench", path.display()).into()),
        (None, Some(path)) => {
            println!("note: {name} is the one with default features; scripts/bench builds it as the Lambda's is built");
            Ok(path.into())
        }
        (None, None) => Err(format!("no {name} to compare with: run scripts/bench").into()),
    }
}

impl Function {
    /// Starts `program` as Lambda would, with only Lambda's variables and `environment`. Its log goes to `log`.
    pub(crate) fn start(program: &Path, environment: &[(&str, &str)], log: Stdio) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::channel();
        let (report, heard) = mpsc::channel();
        std::thread::spawn(move || accept(&listener, &Arc::new(Mutex::new(queue)), &report));
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "callback"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_LAMBDA_LOG_LEVEL", "WARN"),
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ACCESS_KEY_ID", "bench"),
                ("AWS_SECRET_ACCESS_KEY", "bench"),
            ])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            // The records are discarded.
            .stdout(Stdio::null())
            .stderr(log);
        let started = Instant::now();
        let child = command.spawn()?;
        Ok(Self { child, started, events, heard })
    }

    /// The time from the process's start to its first request for an event. Call this once, before the first event.
    pub(crate) fn asked(&self) -> Result<Duration, Failure> {
        match self.hear()? {
            Heard::Asked(at) => Ok(at - self.started),
            Heard::Answered(..) => Err("an answer to nothing".into()),
        }
    }

    /// Sends the first event and returns the time from the process's start to its answer. As in Lambda, the event is queued before the
    /// start is complete.
    pub(crate) fn first(&self, event: Vec<u8>) -> Result<Answered, Failure> {
        self.hand_out(event, self.started)
    }

    /// Sends a later event, for which the process already waits.
    pub(crate) fn invoke(&self, event: Vec<u8>) -> Result<Answered, Failure> {
        self.hand_out(event, Instant::now())
    }

    fn hand_out(&self, event: Vec<u8>, since: Instant) -> Result<Answered, Failure> {
        self.events.send(event).map_err(|_| "the Runtime API has ended")?;
        loop {
            if let Heard::Answered(at, body) = self.hear()? {
                return Ok(Answered { took: at - since, answer: serde_json::from_slice(&body)? });
            }
        }
    }

    /// The peak resident memory of the process, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(peak.trim().trim_end_matches(" kB").parse()?)
    }

    /// The processor time of all threads so far. Unlike wall-clock time, it does not include the machine's other work.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Failure> {
        let mut spent = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let statistics = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            spent += statistics.split_whitespace().next().ok_or("no schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(spent))
    }

    fn hear(&self) -> Result<Heard, Failure> {
        self.heard.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => "the function does not ask and does not answer".into(),
            RecvTimeoutError::Disconnected => "the Runtime API has ended".into(),
        })
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // If the process has already ended, the measurement has failed earlier.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn accept(listener: &TcpListener, queue: &Arc<Mutex<Receiver<Vec<u8>>>>, report: &Sender<Heard>) {
    for stream in listener.incoming().flatten() {
        let (queue, report) = (Arc::clone(queue), report.clone());
        // A connection ends with the function, or when the bench stops listening.
        std::thread::spawn(move || serve(&stream, &queue, &report));
    }
}

fn serve(stream: &TcpStream, queue: &Mutex<Receiver<Vec<u8>>>, report: &Sender<Heard>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let now = Instant::now();
        if request.path.ends_with("/invocation/next") {
            let _ = report.send(Heard::Asked(now));
            let Ok(event) = queue.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return Ok(()) };
            let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
            let headers = format!(
                "Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-000000000001\r\nLambda-Runtime-Deadline-Ms: {}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:callback\r\n\
                 Lambda-Runtime-Trace-Id: Root=1-69072b10-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0\r\n",
                deadline.as_millis()
            );
            (&mut &*stream).write_all(&answer("200 OK", &headers, &event))?;
        } else {
            let _ = report.send(Heard::Answered(now, request.body));
            (&mut &*stream).write_all(&answer("202 Accepted", "", b"{}"))?;
        }
    }
    Ok(())
}
