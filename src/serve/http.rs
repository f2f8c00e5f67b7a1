//! The local HTTP server: the same router, without AWS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use tokio::net::TcpListener;

use crate::consent::Query;
use crate::installation::Installation;
use crate::web::{self, FrontDoor, Request};

/// Longest body that the server reads, in bytes; the callback uses far less of it.
const MAX_BODY: usize = 64 * 1024;

/// Serves until `stop` resolves, then answers the requests in progress first.
///
/// # Errors
/// The listener's.
pub async fn serve(
    installation: Arc<Installation>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new().fallback(answer).with_state(installation);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(stop).await
}

async fn answer(
    State(installation): State<Arc<Installation>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, MAX_BODY).await;
    let too_large = read.is_err();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        headers: parts.headers,
        body: read.unwrap_or_default(),
        source: Some(peer.ip()),
        front_door: FrontDoor::Local,
    };
    if too_large {
        return web::refuse_large(&installation, &request).map(Body::from);
    }
    // A separate task: if the browser disconnects, the claim must still reach its conclusion.
    let answering = tokio::spawn(async move { web::handle(&installation, request).await });
    match answering.await {
        Ok(answer) => answer.map(Body::from),
        Err(_) => web::our_fault().map(Body::from),
    }
}
