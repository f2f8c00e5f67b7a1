//! What carried a request.

/// What carried the request. Recorded as the event kind; it never decides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontDoor {
    /// API Gateway HTTP API, payload 2.0.
    HttpApi,
    /// API Gateway REST API, payload 1.0.
    RestApi,
    /// A Lambda function URL.
    FunctionUrl,
    /// An Application Load Balancer.
    LoadBalancer,
    /// The local server.
    Local,
    /// An event that is not HTTP: a message of the queue, or something this was never meant for.
    Other,
}
