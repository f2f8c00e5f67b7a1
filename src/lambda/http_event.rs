//! Converts Lambda events safely: raw JSON in, a [`web::Request`](crate::web::Request) or a refusal out.
//!
//! lambda_http 1.3.2 panics on queries with a raw space, on hosts that cannot be part of a URL, and on bodies that claim to be base64 and
//! are not. It also takes WebSocket and authorizer events for HTTP, adds the stage to the path, and lets single headers overwrite
//! multi-valued ones (threats reference §3, and its sources). So this module reads events itself, by their documented members alone. It
//! parses only the members that it needs, so depth and size of the others do not matter. Only answers go through lambda_http, because
//! lambda_http knows the shape that each front door requires.
//!
//! | | HTTP API, function URL | REST API | load balancer |
//! | --- | --- | --- | --- |
//! | query | `rawQueryString` alone | both maps, already decoded; disagreement is refused | multi-value map, else the single one, not yet decoded |
//! | path | below the route's prefix or the stage | below the resource's prefix | as received |
//! | source | `requestContext.http.sourceIp` | `requestContext.identity.sourceIp` | last hop of `X-Forwarded-For`: the only one that the balancer writes itself |

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Response};
use lambda_http::aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, Service};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde::de::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

use super::raw_json::{Text, object, pairs, string, string_or_null, strings, text};
use crate::consent::Query;
use crate::consent::callback::decides;
use crate::web::request::SEC_FETCH_SITE;
use crate::web::{AddressSource, FrontDoor, Request};

/// Longest path that we pass on, in bytes. The product's longest path contains one signed token.
pub(crate) const MAX_PATH: usize = 8 * 1024;
/// Longest header value that we pass on, in bytes. We drop longer values. API Gateway allows 10,240 bytes for all headers together.
pub(crate) const MAX_HEADER: usize = 16 * 1024;

/// The event of an invocation: a request, an HTTP event that we refuse, or no HTTP event.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// A complete request for the router.
    Http(Request),
    /// An HTTP event that is ambiguous or malformed.
    Refused {
        /// The parts that are certain; query and body are empty.
        request: Request,
        /// The first fault found.
        reason: EventRefusal,
    },
    /// The event is not HTTP, so only the body of an answer goes back.
    NotHttp(NotHttp),
}

impl Incoming {
    /// The front door that sent the event; it determines the shape of the answer.
    #[must_use]
    pub fn front_door(&self) -> FrontDoor {
        match self {
            Self::Http(request) | Self::Refused { request, .. } => request.front_door,
            Self::NotHttp(_) => FrontDoor::Other,
        }
    }
}

/// Why we refuse an HTTP event. AWS sends no such event: a person built it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventRefusal {
    /// A REST API event whose two parameter maps differ. A choice between the two would be a guess.
    #[error("the parameter maps of the event disagree")]
    DisagreeingParameters,
    /// Parameters that are not text, or not in a map.
    #[error("the parameters of the event are not text")]
    MalformedParameters,
    /// A method that is not a token (RFC 9110 §9.1).
    #[error("the method of the event is not a token")]
    MalformedMethod,
    /// A path that is longer than [`MAX_PATH`] or not text.
    #[error("the path of the event is not text or longer than {MAX_PATH} bytes")]
    MalformedPath,
    /// A body that is not text, or that claims to be base64 and is not.
    #[error("the body of the event is not text or not base64")]
    MalformedBody,
}

impl EventRefusal {
    /// A short stable word for records.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::DisagreeingParameters => "disagreeing_parameters",
            Self::MalformedParameters => "malformed_parameters",
            Self::MalformedMethod => "malformed_method",
            Self::MalformedPath => "malformed_path",
            Self::MalformedBody => "malformed_body",
        }
    }
}

/// An event that is not HTTP. Either this function is wired to a source that it does not serve, or a person invoked it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHttp {
    /// The payload is empty, not UTF-8 or not JSON.
    NotJson,
    /// JSON that is not an object, or an object with a duplicate member.
    NotAnObject,
    /// API Gateway asks to authorise another request.
    Authorizer,
    /// A connection, message or disconnection of a WebSocket API.
    WebSocket,
    /// Records of a queue, stream or bucket.
    Records,
    /// An event of EventBridge, such as an event of a schedule.
    EventBridge,
    /// An object that matches none of the known kinds.
    Unknown,
}

impl NotHttp {
    /// A short stable word for records.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::Authorizer => "authorizer",
            Self::WebSocket => "web_socket",
            Self::Records => "records",
            Self::EventBridge => "event_bridge",
            Self::Unknown => "unknown_event",
        }
    }
}

/// The payload of an invocation. Deserializing it never fails. Otherwise lambda_runtime would send its own invocation error, which a front
/// door turns into a 502 and which leaves no record.
#[derive(Debug)]
pub(crate) struct Payload(Option<Box<RawValue>>);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde scans a raw value without recursion and without building it, so this works for any depth and size.
        Ok(Self(Box::<RawValue>::deserialize(deserializer).ok()))
    }
}

impl Payload {
    /// Reads the event. Never panics.
    pub(crate) fn read(&self) -> Incoming {
        self.0.as_ref().map_or(Incoming::NotHttp(NotHttp::NotJson), |raw| read_raw(raw))
    }
}

/// Reads an event from its bytes. Never panics.
#[must_use]
pub fn read(event: &[u8]) -> Incoming {
    serde_json::from_slice::<&RawValue>(event).map_or(Incoming::NotHttp(NotHttp::NotJson), read_raw)
}

fn read_raw(raw: &RawValue) -> Incoming {
    tell_apart(raw).map_or_else(Incoming::NotHttp, |event| event.read())
}

/// The members of all kinds of events. Each member stays unparsed, so that a wrong type in one member does not affect the others.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    route_key: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    http_method: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_path: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_query_string: Option<&'a RawValue>,
    #[serde(borrow)]
    query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    multi_value_query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    path_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    cookies: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    is_base64_encoded: Option<&'a RawValue>,
    #[serde(borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(borrow)]
    method_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    route_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
}

/// `requestContext`. Its members `http` and `identity` are parsed with this type too.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow)]
    elb: Option<&'a RawValue>,
    #[serde(borrow)]
    http: Option<&'a RawValue>,
    #[serde(borrow)]
    identity: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_path: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_id: Option<&'a RawValue>,
    #[serde(borrow)]
    http_method: Option<&'a RawValue>,
    #[serde(borrow)]
    stage: Option<&'a RawValue>,
    #[serde(borrow)]
    domain_name: Option<&'a RawValue>,
    #[serde(borrow)]
    connection_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    source_ip: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

/// An event that is certainly HTTP.
struct HttpEvent<'a> {
    front_door: FrontDoor,
    envelope: Envelope<'a>,
    context: Context<'a>,
}

fn tell_apart(raw: &RawValue) -> Result<HttpEvent<'_>, NotHttp> {
    let envelope: Envelope<'_> = object(raw).ok_or(NotHttp::NotAnObject)?;
    if envelope.method_arn.is_some() || envelope.route_arn.is_some() {
        return Err(NotHttp::Authorizer);
    }
    let Some(context) = envelope.request_context.and_then(object::<Context<'_>>) else {
        return Err(match (envelope.records, envelope.detail_type) {
            (Some(_), _) => NotHttp::Records,
            (None, Some(_)) => NotHttp::EventBridge,
            (None, None) => NotHttp::Unknown,
        });
    };
    if context.connection_id.is_some() || context.event_type.is_some() {
        return Err(NotHttp::WebSocket);
    }
    let is_object = |value: Option<&RawValue>| value.is_some_and(|value| value.get().starts_with('{'));
    let version = envelope.version.and_then(text);
    let rest_context = context.resource_path.is_some() || context.resource_id.is_some() || context.identity.is_some();
    let rest_request = envelope.http_method.is_some() || envelope.path.is_some() || envelope.resource.is_some();
    let front_door = if is_object(context.elb) {
        FrontDoor::LoadBalancer
    } else if is_object(context.http) && version.as_deref() == Some("2.0") {
        if is_function_url(&context) { FrontDoor::FunctionUrl } else { FrontDoor::HttpApi }
    } else if rest_context && rest_request && !is_object(context.http) {
        FrontDoor::RestApi
    } else {
        return Err(NotHttp::Unknown);
    };
    Ok(HttpEvent { front_door, envelope, context })
}

/// HTTP APIs and function URLs both use payload 2.0, so only the domain name distinguishes them, and AWS itself writes it. A function URL's
/// name is always `{id}.lambda-url.{region}.on.aws`; only the suffix depends on the partition.
fn is_function_url(context: &Context<'_>) -> bool {
    context.domain_name.and_then(text).is_some_and(|domain| domain.split('.').nth(1) == Some("lambda-url"))
}

impl HttpEvent<'_> {
    fn read(&self) -> Incoming {
        // We read every part even after a fault, so that the record of a refused event contains as much as possible.
        let mut refusal = None;
        let mut or_refuse = |error: EventRefusal| {
            refusal.get_or_insert(error);
        };
        let query = self.query().map_err(&mut or_refuse).unwrap_or_default();
        let method = self.method().map_err(&mut or_refuse).unwrap_or_default();
        let path = self.path().map_err(&mut or_refuse).unwrap_or_else(|()| "/".to_owned());
        let body = self.body(&method).map_err(&mut or_refuse).unwrap_or_default();
        let (headers, source, front_door) = (self.headers(), self.source(), self.front_door);
        let source_from = if front_door == FrontDoor::LoadBalancer { AddressSource::XForwardedFor } else { AddressSource::RequestContext };
        let request = Request { method, path, query, headers, body, source, source_from, front_door };
        match refusal {
            None => Incoming::Http(request),
            Some(reason) => Incoming::Refused { request: Request { query: Query::default(), body: Bytes::new(), ..request }, reason },
        }
    }

    fn query(&self) -> Result<Query, EventRefusal> {
        let single = self.envelope.query_string_parameters;
        let multi = self.envelope.multi_value_query_string_parameters;
        match self.front_door {
            FrontDoor::RestApi => rest_query(single, multi),
            FrontDoor::LoadBalancer => balancer_query(single, multi),
            FrontDoor::HttpApi | FrontDoor::FunctionUrl | FrontDoor::Local | FrontDoor::Other => match self.envelope.raw_query_string {
                Some(query) => string(query).map(|query| Query::parse(&query)).ok_or(EventRefusal::MalformedParameters),
                None => Ok(Query::default()),
            },
        }
    }

    /// An absent, null or empty method means GET, as in lambda_http: browsers bring the callback with GET.
    fn method(&self) -> Result<Method, EventRefusal> {
        let method = match self.front_door {
            FrontDoor::RestApi | FrontDoor::LoadBalancer => self.envelope.http_method.or(self.context.http_method),
            FrontDoor::HttpApi | FrontDoor::FunctionUrl | FrontDoor::Local | FrontDoor::Other => {
                self.context.http.and_then(object::<Context<'_>>).and_then(|http| http.method)
            }
        };
        let Some(method) = method else { return Ok(Method::GET) };
        let method = string(method).filter(|method| method.len() <= 64).ok_or(EventRefusal::MalformedMethod)?;
        if method.is_empty() { Ok(Method::GET) } else { Method::from_bytes(&method).map_err(|_| EventRefusal::MalformedMethod) }
    }

    /// The path below the front door's prefix. Starts with `/` and contains only characters that are legal in a URL.
    fn path(&self) -> Result<String, EventRefusal> {
        let v2 = matches!(self.front_door, FrontDoor::HttpApi | FrontDoor::FunctionUrl);
        let path = match if v2 { self.envelope.raw_path } else { self.envelope.path } {
            Some(path) => string(path).ok_or(EventRefusal::MalformedPath)?,
            None => Cow::Borrowed(b"/".as_slice()),
        };
        // The received path and the encoded path have the same limit. Encoding may turn one byte into three.
        if path.len() > MAX_PATH {
            return Err(EventRefusal::MalformedPath);
        }
        let path = String::from_utf8_lossy(&path).into_owned();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let below = if self.front_door == FrontDoor::LoadBalancer { path.as_str() } else { self.below_prefix(&path) };
        let below = if below.is_empty() { "/" } else { below };
        let encoded = percent_encode(below.as_bytes(), NOT_IN_PATH).to_string();
        if encoded.len() > MAX_PATH { Err(EventRefusal::MalformedPath) } else { Ok(encoded) }
    }

    /// A custom domain's base path precedes the route in `path` and `rawPath`. A stage precedes the route in `rawPath` only. If the event
    /// names the route and its parameters, any text before them is the prefix.
    fn below_prefix<'p>(&self, path: &'p str) -> &'p str {
        let template = match self.front_door {
            FrontDoor::RestApi => self.envelope.resource.and_then(text),
            // The route key is `GET /callback`, or `$default`, which names no route.
            _ => self.envelope.route_key.and_then(text).and_then(|key| key.split_once(' ').map(|(_, route)| route.to_owned())),
        };
        let template = template.filter(|template| template.starts_with('/'));
        if let Some(route) = template.as_deref().and_then(|template| self.filled(template)) {
            // The route of `/callback/` is `/callback`.
            let without_slash = path.strip_suffix('/').unwrap_or(path);
            if let Some(prefix) = without_slash.strip_suffix(&*route).or_else(|| path.strip_suffix(&*route)) {
                return path.get(prefix.len()..).unwrap_or(path);
            }
        }
        if self.front_door == FrontDoor::RestApi && template.is_some() {
            return path;
        }
        match self.context.stage.and_then(text) {
            Some(stage) if stage != "$default" && !stage.is_empty() => path
                .strip_prefix('/')
                .and_then(|rest| rest.strip_prefix(stage.as_str()))
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .unwrap_or(path),
            _ => path,
        }
    }

    /// `/i/{token}` with the event's parameters filled in.
    fn filled(&self, template: &str) -> Option<String> {
        let mut parameters = None;
        let mut route = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            let name = name.strip_suffix('+').unwrap_or(name);
            let parameters = parameters.get_or_insert_with(|| pairs(self.envelope.path_parameters).unwrap_or_default());
            let (_, value) = parameters.iter().find(|(known, _)| **known == *name.as_bytes())?;
            route.push_str(before);
            route.push_str(&text(value)?);
            rest = after;
        }
        route.push_str(rest);
        Some(route)
    }

    fn body(&self, method: &Method) -> Result<Bytes, EventRefusal> {
        let Some(body) = self.envelope.body else { return Ok(Bytes::new()) };
        // A body on GET or HEAD has no meaning (RFC 9110 §9.3.1), so a malformed body does not justify a refusal.
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(Bytes::new());
        }
        let body = string(body).ok_or(EventRefusal::MalformedBody)?;
        if self.envelope.is_base64_encoded.is_some_and(|flag| flag.get() == "true") {
            STANDARD.decode(&*body).map(Bytes::from).map_err(|_| EventRefusal::MalformedBody)
        } else {
            Ok(Bytes::from(body.into_owned()))
        }
    }

    /// Drops Host, X-Forwarded-*, method overrides and all other headers that we do not need: code that cannot read a header cannot trust
    /// it by mistake.
    fn headers(&self) -> HeaderMap {
        let multi = pairs(self.envelope.multi_value_headers).unwrap_or_default();
        let single = pairs(self.envelope.headers).unwrap_or_default();
        let mut headers = HeaderMap::new();
        for name in [ACCEPT, CONTENT_TYPE, COOKIE, SEC_FETCH_SITE, USER_AGENT] {
            let cookies = self.envelope.cookies.filter(|_| name == COOKIE).and_then(|list| joined(&name, strings(list)?));
            let value = cookies.or_else(|| header(&multi, &name)).or_else(|| header(&single, &name));
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(&value).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }

    fn source(&self) -> Option<IpAddr> {
        let written_by_gateway = |part: Option<&RawValue>| {
            let source = part.and_then(object::<Context<'_>>)?.source_ip.and_then(text)?;
            source.parse().ok()
        };
        match self.front_door {
            FrontDoor::RestApi => written_by_gateway(self.context.identity),
            FrontDoor::LoadBalancer => {
                let name = HeaderName::from_static("x-forwarded-for");
                let forwarded = pairs(self.envelope.multi_value_headers)
                    .and_then(|multi| header(&multi, &name))
                    .or_else(|| pairs(self.envelope.headers).and_then(|single| header(&single, &name)))?;
                let forwarded = String::from_utf8_lossy(&forwarded).into_owned();
                let hop = forwarded.rsplit(',').next()?.trim();
                // An operator can configure the balancer to add the client's port.
                hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
            }
            FrontDoor::HttpApi | FrontDoor::FunctionUrl | FrontDoor::Local | FrontDoor::Other => written_by_gateway(self.context.http),
        }
    }
}

/// Characters that are not allowed in a path: those that `http::Uri` refuses, and those that would end the path or change its meaning.
const NOT_IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// API Gateway passes a REST API's parameters decoded, in two maps: one with all values, and one with the last value of each parameter. The
/// maps must agree on the parameters that decide. The values of other parameters do not matter.
fn rest_query(single: Option<&RawValue>, multi: Option<&RawValue>) -> Result<Query, EventRefusal> {
    let multi = multi.map(|multi| multi_values(multi).ok_or(EventRefusal::MalformedParameters)).transpose()?;
    let single = match (single.map(single_values), &multi) {
        (Some(None), None) => return Err(EventRefusal::MalformedParameters),
        (single, _) => single.flatten(),
    };
    if let (Some(single), Some(multi)) = (&single, &multi) {
        let lasts = multi.iter().filter_map(|(name, values)| Some((name, values.last()?)));
        let deciding = |name: &Text<'_>| decides(&lossy(name));
        let mut lasts: Vec<_> = lasts.filter(|(name, _)| deciding(name)).collect();
        let mut singles: Vec<_> = single.iter().map(|(name, value)| (name, value)).filter(|(name, _)| deciding(name)).collect();
        lasts.sort_unstable();
        singles.sort_unstable();
        if lasts != singles {
            return Err(EventRefusal::DisagreeingParameters);
        }
    }
    let mut query = Query::default();
    for (name, values) in multi.iter().flatten() {
        for value in values {
            query.push(&lossy(name), &lossy(value));
        }
    }
    for (name, value) in single.iter().flatten() {
        if !multi.iter().flatten().any(|(known, _)| known == name) {
            query.push(&lossy(name), &lossy(value));
        }
    }
    Ok(query)
}

/// A load balancer passes parameters as sent, in one of two maps. A setting of its target group decides which map.
fn balancer_query(single: Option<&RawValue>, multi: Option<&RawValue>) -> Result<Query, EventRefusal> {
    let mut query = Query::default();
    if let Some(multi) = multi {
        for (name, values) in multi_values(multi).ok_or(EventRefusal::MalformedParameters)? {
            for value in values {
                query.push_encoded(&name, &value);
            }
        }
        if !query.is_empty() {
            return Ok(query);
        }
    }
    for (name, value) in single.map_or_else(|| Some(Vec::new()), single_values).ok_or(EventRefusal::MalformedParameters)? {
        query.push_encoded(&name, &value);
    }
    Ok(query)
}

fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// The value of a parameter that decides must be a text. For other parameters, a value that is not a text counts as empty.
fn or_empty<T>(name: &[u8], value: Option<T>, empty: T) -> Option<T> {
    value.or_else(|| (!decides(&lossy(name))).then_some(empty))
}

/// A map of texts, in which null is an empty text.
fn single_values(map: &RawValue) -> Option<Vec<(Text<'_>, Text<'_>)>> {
    pairs(Some(map))?
        .into_iter()
        .map(|(name, value)| {
            let value = or_empty(&name, string_or_null(value), Text::default())?;
            Some((name, value))
        })
        .collect()
}

fn multi_values(map: &RawValue) -> Option<Vec<(Text<'_>, Vec<Text<'_>>)>> {
    let empty = || vec![Text::default()];
    pairs(Some(map))?
        .into_iter()
        .map(|(name, values)| {
            let values = if values.get() == "null" { empty() } else { or_empty(&name, strings(values), empty())? };
            Some((name, values))
        })
        .collect()
}

/// All values of a header.
fn header(map: &[(Text<'_>, &RawValue)], name: &HeaderName) -> Option<Vec<u8>> {
    let found = map.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_str().as_bytes()));
    let values = found.flat_map(|(_, value)| string(value).map(|value| vec![value]).or_else(|| strings(value)).unwrap_or_default());
    joined(name, values.collect())
}

/// Joins values as HTTP does (RFC 9110 §5.3; cookies: RFC 9113 §8.2.3).
fn joined(name: &HeaderName, values: Vec<Text<'_>>) -> Option<Vec<u8>> {
    let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
    let joined = values.join(separator);
    (!values.is_empty() && joined.len() <= MAX_HEADER).then_some(joined)
}

/// Converts a response to the shape that its front door requires: separate `cookies` for payload 2.0, multi-value headers for the REST API,
/// both kinds of headers and a status line for a load balancer. The body is always sent as text, never as base64. For an event that is not
/// HTTP, only the body goes back, as JSON.
///
/// If a load balancer's target group has multi-value headers off, the balancer passes on only the first of several headers with one name.
pub async fn answer(front_door: FrontDoor, mut response: Response<String>) -> Box<RawValue> {
    // A single header value that is not text is enough to make an answer unserializable, and lambda_runtime then ends the process.
    let unprintable: Vec<HeaderName> =
        response.headers().iter().filter(|(_, value)| value.to_str().is_err()).map(|(name, _)| name.clone()).collect();
    for name in unprintable {
        response.headers_mut().remove(name);
    }
    let origin = match front_door {
        FrontDoor::HttpApi | FrontDoor::FunctionUrl => LambdaRequest::ApiGatewayV2(ApiGatewayV2httpRequest::default()),
        FrontDoor::RestApi => LambdaRequest::ApiGatewayV1(ApiGatewayProxyRequest::default()),
        FrontDoor::LoadBalancer => LambdaRequest::Alb(AlbTargetGroupRequest::default()),
        FrontDoor::Local | FrontDoor::Other => {
            let body = response.into_body();
            return serde_json::from_str(&body).or_else(|_| to_raw_value(&body)).unwrap_or_else(|_| RawValue::NULL.to_owned());
        }
    };
    // Only the adapter of lambda_http can shape an answer, and only after a request of the same kind.
    let mut adapter = Adapter::from(lambda_http::service_fn(move |_: lambda_http::Request| {
        std::future::ready(Ok::<_, Infallible>(std::mem::take(&mut response)))
    }));
    let Ok(shaped) = adapter.call(LambdaEvent::new(origin, lambda_http::Context::default())).await;
    to_raw_value(&shaped).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be serialized");
        RawValue::NULL.to_owned()
    })
}

#[cfg(test)]
mod tests;
