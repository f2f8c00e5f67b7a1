//! One HTTP answer, which faults can change before it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use serde_json::Value;

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// An answer that can still be edited.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) ending: Ending,
}

/// How the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// Closes the connection after this number of bytes.
    Cut(usize),
    /// Resets the connection before the first byte.
    Reset,
    /// Replaces the body with a JSON object of about this number of bytes.
    Huge(u64),
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned()), ("cache-control".to_owned(), "no-store".to_owned())];
        Self { status, headers, body: body.into(), ending: Ending::Whole }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, JSON, body.to_string())
    }

    pub(super) fn html(status: u16, page: maud::Markup) -> Self {
        Self::new(status, HTML, page.into_string())
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, HTML, "").with("location", location)
    }

    /// Sets a header and replaces an earlier one with the same name.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    #[cfg(test)]
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn into_response(self) -> Response {
        let length = self.body.len();
        let body = match self.ending {
            Ending::Whole => Body::from(self.body),
            Ending::Cut(after) => {
                let mut sent = self.body;
                sent.truncate(after);
                let length = length.max(after.saturating_add(1));
                Body::new(Pieces::Cut { sent: Some(sent.into()), paused: false, length })
            }
            Ending::Reset => Body::new(Pieces::Cut { sent: None, paused: true, length: length.max(1) }),
            Ending::Huge(bytes) => Body::new(Pieces::Huge { opened: false, left: bytes }),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            // The check of the fault has already refused invalid names and values.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

enum Pieces {
    Cut { sent: Option<Bytes>, paused: bool, length: usize },
    Huge { opened: bool, left: u64 },
}

static PADDING: [u8; 65_536] = [b'x'; 65_536];

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(match &mut *self {
            Self::Cut { sent, paused, .. } => Some(match sent.take() {
                Some(sent) if !sent.is_empty() => Ok(Frame::data(sent)),
                _ if !*paused => {
                    // The stream flushes earlier bytes only while it waits for more.
                    *paused = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                _ => Err(std::io::Error::other("the scenario cuts the answer here")),
            }),
            Self::Huge { opened, .. } if !*opened => {
                *opened = true;
                Some(Ok(Frame::data(Bytes::from_static(b"{\"value\":[],\"padding\":\""))))
            }
            Self::Huge { left: u64::MAX, .. } => None,
            Self::Huge { left, .. } => Some(Ok(Frame::data(if *left == 0 {
                *left = u64::MAX;
                Bytes::from_static(b"\"}")
            } else {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(PADDING.len());
                *left -= piece as u64;
                Bytes::from_static(&PADDING).slice(..piece)
            }))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Cut { length, .. } => SizeHint::with_exact(*length as u64),
            Self::Huge { .. } => SizeHint::default(),
        }
    }
}
