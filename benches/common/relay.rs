//! A relay on loopback that makes a service far away: it delays every byte, and opening a connection costs a round trip as well.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::setting::Failure;

/// Relays connections to a service at `url`, and adds this time to each round trip. Returns the relay's address with the scheme of `url`.
/// The relay's threads end with the process.
pub(crate) fn start(url: &str, round_trip: Duration) -> Result<String, Failure> {
    let url = url::Url::parse(url)?;
    let service = url.port().ok_or("no port")?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("{}://localhost:{}", url.scheme(), listener.local_addr()?.port());
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // An error ends the connection, which both ends notice.
            let _ = relay(&near, service, round_trip);
        }
    });
    Ok(address)
}

fn relay(near: &TcpStream, service: u16, round_trip: Duration) -> io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", service))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    // The kernel accepts a connection at once. So the first bytes wait for the round trip of the handshake.
    let accepted = Instant::now() + round_trip;
    carry(near.try_clone()?, far.try_clone()?, accepted, round_trip / 2);
    carry(far, near.try_clone()?, accepted, round_trip / 2);
    Ok(())
}

/// Carries the bytes of one direction. `delay` is the time of one way.
fn carry(from: TcpStream, to: TcpStream, accepted: Instant, delay: Duration) {
    let (bytes, arriving) = mpsc::channel();
    std::thread::spawn(move || depart(from, accepted, delay, &bytes));
    std::thread::spawn(move || arrive(to, &arriving));
}

fn depart(mut from: TcpStream, accepted: Instant, delay: Duration, bytes: &Sender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let chunk = buffer.get(..length).unwrap_or_default().to_vec();
        if bytes.send((Instant::now().max(accepted) + delay, chunk)).is_err() {
            return;
        }
    }
}

fn arrive(mut to: TcpStream, arriving: &Receiver<(Instant, Vec<u8>)>) {
    for (due, chunk) in arriving {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk).is_err() {
            return;
        }
    }
    // The other end has closed, or the sender of the bytes.
    let _ = to.shutdown(Shutdown::Write);
}
