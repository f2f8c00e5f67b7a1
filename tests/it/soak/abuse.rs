//! The hostile holder of a genuine invitation: threads that press the button and come back with every kind of claim, without a pause.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use entra_sandbox::demo;
use uuid::Uuid;

use crate::support::service::BASE_URL;

const THREADS: usize = 6;

/// An answer of the server.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The `Location`: only the path if it leads to our own pages, otherwise the whole address.
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// Sends one request in a connection of its own. This client does little work, so that most of the machine's time is left to the server.
pub(super) fn ask(server: SocketAddr, line: &str, cookie: Option<&str>, form: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let cookie = cookie.map(|value| format!("cookie: __Host-entra-consent={value}\r\n")).unwrap_or_default();
    let length = form.len();
    let head = "content-type: application/x-www-form-urlencoded\r\naccept: text/html";
    write!(stream, "{line} HTTP/1.1\r\nhost: x\r\n{cookie}{head}\r\ncontent-length: {length}\r\n\r\n{form}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let location = head.lines().find_map(|line| line.strip_prefix("location: "));
    let location = location.map(|address| address.strip_prefix(BASE_URL).unwrap_or(address).to_owned());
    Ok(Answer { status, location, body: body.to_owned() })
}

/// Presses the button of an invitation. Also returns the ticket, if the answer leads to Microsoft.
pub(super) fn press(server: SocketAddr, invitation: &str, cookie: Option<&str>) -> io::Result<(Answer, Option<String>)> {
    let answer = ask(server, &format!("POST {invitation}"), cookie, "step=mail-backup")?;
    let state = answer.location.as_deref().and_then(|address| address.split("state=").nth(1));
    let ticket = state.map(|state| state.split('&').next().unwrap().to_owned());
    Ok((answer, ticket))
}

/// The codes in the product's table of AADSTS codes.
fn codes() -> Vec<u32> {
    let table = include_str!("../../../docs/aadsts.md");
    table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect()
}

/// The claim for a round. The first rounds have a claim of each class, and later rounds repeat the classes with other values.
fn claim(codes: &[u32], turn: usize) -> String {
    let other = Uuid::new_v4();
    let error = |error: &str, text: &str| format!("admin_consent=True&error={error}&error_description={text}&tenant={}", demo::CONTOSO);
    match turn % 10 {
        0 => format!("admin_consent=True&tenant={}", demo::CONTOSO),
        1 => format!("tenant={}", demo::CONTOSO),
        2 => format!("admin_consent=True&tenant={other}"),
        3 => error("access_denied", &format!("AADSTS{}", 9_000_000 + turn)),
        4 => error("access_denied", "AADSTS65004") + "&error_subcode=cancel",
        5 => format!("error=server_error&trace_id={other}&correlation_id={other}"),
        _ => error(["invalid_request", "access_denied"][turn % 2], &format!("AADSTS{}", codes[turn / 2 % codes.len()])),
    }
}

/// What the abuser did.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) tickets: u64,
    pub(super) callbacks: u64,
    pub(super) requests: u64,
    /// The number of answers by status. Status 0 means a request without an answer.
    pub(super) statuses: BTreeMap<u16, u64>,
}

impl Deeds {
    fn count(&mut self, answer: io::Result<Answer>) -> Option<String> {
        self.requests += 1;
        *self.statuses.entry(answer.as_ref().map_or(0, |answer| answer.status)).or_default() += 1;
        answer.ok()?.location
    }

    /// How many requests the server did not answer, or answered with a status that reports its own fault.
    pub(super) fn faults(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| **status == 0 || **status >= 500).map(|(_, count)| count).sum()
    }
}

/// The threads that abuse an invitation.
pub(super) struct Abuse {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Deeds>>,
    started: Instant,
}

impl Abuse {
    /// Starts to abuse an invitation. `tickets` are the tickets that the abuser already has.
    pub(super) fn start(server: SocketAddr, invitation: &str, tickets: &[String]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let threads = (0..THREADS).map(|number| {
            let (stop, invitation, tickets) = (Arc::clone(&stop), invitation.to_owned(), tickets.to_vec());
            std::thread::spawn(move || abuse(server, &invitation, tickets, number * 37, &stop))
        });
        Self { threads: threads.collect(), stop, started: Instant::now() }
    }

    /// Stops the abuse. Also returns how long the abuse lasted.
    pub(super) fn stop(self) -> (Deeds, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Deeds::default();
        for thread in self.threads {
            let deeds = thread.join().unwrap();
            all.tickets += deeds.tickets;
            all.callbacks += deeds.callbacks;
            all.requests += deeds.requests;
            for (status, count) in deeds.statuses {
                *all.statuses.entry(status).or_default() += count;
            }
        }
        (all, self.started.elapsed())
    }
}

fn abuse(server: SocketAddr, invitation: &str, mut tickets: Vec<String>, from: usize, stop: &AtomicBool) -> Deeds {
    let (codes, mut deeds) = (codes(), Deeds::default());
    for turn in from.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let random = [Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string()].concat();
        let cookie = (turn % 2 == 0).then(|| &random[..43]);
        let fresh = match press(server, invitation, cookie) {
            Ok((answer, ticket)) => {
                deeds.count(Ok(answer));
                ticket
            }
            Err(error) => deeds.count(Err(error)),
        };
        deeds.tickets += u64::from(fresh.is_some());
        tickets.extend(fresh);
        // Comes back with the newest ticket, and in every second round with an older ticket too.
        let old = tickets.len().checked_sub(1).map(|newest| turn * 7919 % (newest + 1));
        for at in [tickets.len().checked_sub(1), old.filter(|_| turn % 2 == 0)].into_iter().flatten() {
            deeds.callbacks += 1;
            let answer = ask(server, &format!("GET /callback?{}&state={}", claim(&codes, turn + at), tickets[at]), cookie, "");
            if let Some(result) = deeds.count(answer).filter(|_| turn % 4 == 0) {
                deeds.count(ask(server, &format!("GET {result}"), cookie, ""));
            }
        }
        if turn % 16 == 0 {
            deeds.count(ask(server, &format!("GET {invitation}"), cookie, ""));
        }
    }
    deeds
}
