//! The front doors: the ways in which a request reaches this program.

/// The AWS service or server that delivered a request. Recorded as the event kind; it decides nothing.
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
    /// The product's own HTTP server.
    Local,
    /// An event that is not HTTP: a message of the queue, or an event that this function does not serve.
    Other,
}
