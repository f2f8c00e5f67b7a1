//! One request as each front door carries it, and one answer as each front door returns it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::product::{BASE, Product};

/// The front doors. A load balancer sends single or multiple values, depending on a setting of its target group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    HttpApi,
    RestApi,
    FunctionUrl,
    LoadBalancer,
    LoadBalancerMulti,
    Serve,
}

/// All doors. A golden shows the first door in full.
pub(super) const DOORS: [Door; 6] =
    [Door::HttpApi, Door::RestApi, Door::FunctionUrl, Door::LoadBalancer, Door::LoadBalancerMulti, Door::Serve];

impl Door {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HttpApi => "http_api",
            Self::RestApi => "rest_api",
            Self::FunctionUrl => "function_url",
            Self::LoadBalancer => "load_balancer",
            Self::LoadBalancerMulti => "load_balancer, multiple values",
            Self::Serve => "serve",
        }
    }

    /// The door's name in records.
    pub(super) fn recorded(self) -> &'static str {
        match self {
            Self::LoadBalancerMulti => "load_balancer",
            Self::Serve => "local",
            _ => self.name(),
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::HttpApi => "http-api-success",
            Self::RestApi => "rest-api-success",
            Self::FunctionUrl => "function-url-success",
            Self::LoadBalancer => "load-balancer-success",
            Self::LoadBalancerMulti | Self::Serve => "load-balancer-multi-value-success",
        }
    }
}

/// A request of a browser.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Request {
    /// Opens an address of the product, given in full or from its path on.
    pub(super) fn get(address: &str) -> Self {
        let target = address.strip_prefix(BASE).unwrap_or(address);
        assert!(target.starts_with('/'), "leads away from us: {address}");
        Self { method: "GET", target: target.to_owned(), headers: Vec::new(), body: None }
    }

    pub(super) fn post(address: &str, form: &str) -> Self {
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        Self { method: "POST", body: Some(form.to_owned()), headers, ..Self::get(address) }
    }

    pub(super) fn with_method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same request from a program that accepts JSON.
    pub(super) fn for_json(self) -> Self {
        self.with("accept", "application/json")
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// An answer, independent of the form that its front door gave it.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u64,
    pub(super) headers: BTreeMap<String, Vec<String>>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|values| values[0].as_str())
    }

    #[track_caller]
    pub(super) fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("{} leads nowhere: {}", self.status, self.body))
    }
}

/// The event for a request at this front door.
pub(super) fn event(door: Door, request: &Request) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{}.json", door.template()));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (path, query) = (request.path(), request.query());
    let raw: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let decode = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let decoded: Vec<(String, String)> = raw.iter().map(|(name, value)| (decode(name), decode(value))).collect();
    let members = event.as_object_mut().unwrap();
    for member in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body", "cookies"] {
        members.remove(member);
    }
    match door {
        Door::HttpApi | Door::FunctionUrl => {
            members.insert("rawPath".into(), json!(path));
            members.insert("rawQueryString".into(), json!(query));
            if !decoded.is_empty() {
                members.insert("queryStringParameters".into(), decoded.iter().cloned().collect());
            }
            members["requestContext"]["http"]["method"] = json!(request.method);
            members["requestContext"]["http"]["path"] = json!(path);
        }
        Door::RestApi => {
            members.insert("path".into(), json!(path));
            members.insert("httpMethod".into(), json!(request.method));
            members["requestContext"]["httpMethod"] = json!(request.method);
            members["requestContext"]["path"] = json!(format!("/prod{path}"));
            members.insert("pathParameters".into(), json!({ "proxy": path.trim_start_matches('/') }));
            members.insert("queryStringParameters".into(), decoded.iter().cloned().collect());
            members.insert("multiValueQueryStringParameters".into(), multiple(&decoded));
        }
        Door::LoadBalancer => {
            members.insert("path".into(), json!(path));
            members.insert("httpMethod".into(), json!(request.method));
            members.insert("queryStringParameters".into(), raw.into_iter().collect());
        }
        Door::LoadBalancerMulti | Door::Serve => {
            members.insert("path".into(), json!(path));
            members.insert("httpMethod".into(), json!(request.method));
            members.insert("multiValueQueryStringParameters".into(), multiple(&raw));
        }
    }
    for (name, value) in &request.headers {
        match door {
            Door::HttpApi | Door::FunctionUrl if *name == "cookie" => {
                members.insert("cookies".into(), value.split("; ").collect());
            }
            _ => set_header(members, name, value),
        }
    }
    if let Some(body) = &request.body {
        members.insert("body".into(), json!(STANDARD.encode(body)));
        members.insert("isBase64Encoded".into(), json!(true));
    }
    event
}

fn set_header(members: &mut Map<String, Value>, name: &str, value: &str) {
    for (map, value) in [("headers", json!(value)), ("multiValueHeaders", json!([value]))] {
        if let Some(map) = members.get_mut(map).and_then(Value::as_object_mut) {
            let known = map.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
            map.insert(known.unwrap_or_else(|| name.to_owned()), value);
        }
    }
}

fn multiple(pairs: &[(String, String)]) -> Value {
    let mut multiple = BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in pairs {
        multiple.entry(name).or_default().push(value);
    }
    json!(multiple)
}

/// Parses a function's answer in the form of its front door.
pub(super) fn read(answer: &Value) -> Answer {
    assert_ne!(answer["isBase64Encoded"], true, "pages are text");
    let mut headers = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.insert(name.to_lowercase(), vec![value.as_str().unwrap().to_owned()]);
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        headers.insert(name.to_lowercase(), serde_json::from_value(values.clone()).unwrap());
    }
    if let Some(cookies) = answer["cookies"].as_array().filter(|cookies| !cookies.is_empty()) {
        headers.insert("set-cookie".into(), cookies.iter().map(|cookie| cookie.as_str().unwrap().to_owned()).collect());
    }
    let status = answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no HTTP answer: {answer}"));
    Answer { status, headers, body: answer["body"].as_str().unwrap_or_default().to_owned() }
}

/// The HTTP client of the browsers. It reuses no connection, because each test has its own runtime.
pub(super) static BROWSER: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.no_proxy().pool_max_idle_per_host(0).build().unwrap()
});

/// Sends a request through a door. `listening` is the address of the HTTP server.
pub(super) async fn send(product: &Product, door: Door, listening: Option<SocketAddr>, request: &Request) -> Answer {
    let Some(address) = listening else { return read(&product.callback(event(door, request).to_string().as_bytes()).await) };
    let template = event(Door::LoadBalancer, &Request { headers: Vec::new(), body: None, ..request.clone() });
    let mut sent = BROWSER.request(request.method.parse().unwrap(), format!("http://{address}{}", request.target));
    for name in ["accept", "user-agent"] {
        sent = sent.header(name, template["headers"][name].as_str().unwrap());
    }
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    sent = sent.headers(headers);
    if let Some(body) = &request.body {
        sent = sent.body(body.clone());
    }
    let answer = sent.send().await.unwrap();
    let status = u64::from(answer.status().as_u16());
    let mut headers = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in answer.headers() {
        headers.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
    }
    // Only the HTTP server adds these headers. They contain the machine's time, and a length that varies with the port of the simulated
    // Microsoft.
    headers.remove("date");
    let length = headers.remove("content-length").map(|length| length[0].parse::<usize>().unwrap());
    let body = answer.text().await.unwrap();
    if request.method != "HEAD" {
        assert_eq!(length, Some(body.len()));
    }
    Answer { status, headers, body }
}
