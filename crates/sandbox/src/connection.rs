//! Connections that a fault can reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A listener that counts its connections, which can be reset.
pub(super) struct Accepting {
    pub(super) listener: TcpListener,
    pub(super) connections: Arc<AtomicU64>,
}

impl Listener for Accepting {
    type Io = Stream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Stream, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.connections.fetch_add(1, Ordering::Relaxed);
        // Without this, each of the many small answers may wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        (Stream { stream, reset: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

pub(super) struct Stream {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

/// A handle that resets the connection of an answer.
#[derive(Debug, Clone)]
pub(super) struct Connection(Arc<AtomicBool>);

impl Connection {
    /// Stops writing, so that closing resets the connection.
    pub(super) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Accepting>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Accepting>) -> Self {
        Self(Arc::clone(&stream.io().reset))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            // With a linger time of 0, closing sends RST instead of FIN. If setting this time fails, the client only sees an early end.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.reset.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Acquire) {
            // Shutting down would send FIN first.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
