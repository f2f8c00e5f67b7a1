use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::consent::Callback;

fn query(raw: &str) -> Query {
    Query::parse(raw.as_bytes())
}

/// A value of one member of an event, and the path and source that must follow from it.
type PathCase<'a> = (Value, &'a str);

fn http_api(query: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/callback", "rawQueryString": query,
        "headers": {"accept": "text/html", "host": "consent.example", "user-agent": "Edge"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1", "domainName": "a1.execute-api.eu-west-1.amazonaws.com", "stage": "$default",
            "http": {"method": "GET", "path": "/callback", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "Edge"},
        },
        "isBase64Encoded": false,
    })
}

fn function_url(query: &str) -> Value {
    let mut event = http_api(query);
    event["requestContext"]["domainName"] = json!("abc.lambda-url.eu-west-1.on.aws");
    event
}

/// An event of a REST API. `parameters` are decoded, as API Gateway passes them.
fn rest_api(parameters: &[(String, String)]) -> Value {
    let (single, multi) = maps(parameters);
    json!({
        "resource": "/{proxy+}", "path": "/callback", "httpMethod": "GET", "pathParameters": {"proxy": "callback"},
        "headers": {"Accept": "text/html", "Host": "consent.example", "User-Agent": "Edge"},
        "multiValueHeaders": {"Accept": ["text/html"], "Host": ["consent.example"], "User-Agent": ["Edge"]},
        "queryStringParameters": single, "multiValueQueryStringParameters": multi,
        "requestContext": {
            "resourceId": "r1", "resourcePath": "/{proxy+}", "httpMethod": "GET", "path": "/prod/callback", "stage": "prod",
            "domainName": "a1.execute-api.eu-west-1.amazonaws.com", "identity": {"sourceIp": "192.0.2.7", "userAgent": "Edge"},
        },
        "body": null, "isBase64Encoded": false,
    })
}

/// An event of a load balancer. `parameters` are as the browser sent them.
fn balancer(parameters: &[(String, String)]) -> Value {
    let (single, _) = maps(parameters);
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/consent/1"}},
        "httpMethod": "GET", "path": "/callback", "queryStringParameters": single,
        "headers": {"accept": "text/html", "host": "consent.example", "user-agent": "Edge", "x-forwarded-for": "10.0.0.1, 192.0.2.7"},
        "body": "", "isBase64Encoded": false,
    })
}

fn balancer_multi(parameters: &[(String, String)]) -> Value {
    let (_, multi) = maps(parameters);
    let mut event = balancer(&[]);
    let members = event.as_object_mut().unwrap();
    members.remove("queryStringParameters");
    let headers = members.remove("headers").unwrap();
    let headers: serde_json::Map<_, _> = headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    members.insert("multiValueHeaders".into(), Value::Object(headers));
    members.insert("multiValueQueryStringParameters".into(), multi);
    event
}

fn maps(parameters: &[(String, String)]) -> (Value, Value) {
    let mut multi = BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in parameters {
        multi.entry(name).or_default().push(value);
    }
    let single: BTreeMap<_, _> = multi.iter().map(|(name, values)| (*name, values.last().unwrap())).collect();
    (json!(single), json!(multi))
}

fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read_value(event: &Value) -> Incoming {
    read(event.to_string().as_bytes())
}

fn request(event: &Value) -> Request {
    match read_value(event) {
        Incoming::Http(request) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn refusal(event: &Value) -> EventRefusal {
    match read_value(event) {
        Incoming::Refused { request, reason } => {
            assert!(request.query.is_empty() && request.body.is_empty(), "a refused request carries nothing that is not sure");
            reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn not_http(event: &[u8]) -> NotHttp {
    match read(event) {
        Incoming::NotHttp(kind) => kind,
        other => panic!("taken for HTTP: {other:?}"),
    }
}

#[test]
fn every_front_door_gives_the_same_request_but_for_its_kind() {
    let query = "admin_consent=True&state=a.b-c_d&tenant=x";
    let parameters = owned(&[("admin_consent", "True"), ("state", "a.b-c_d"), ("tenant", "x")]);
    for (event, front_door) in [
        (http_api(query), FrontDoor::HttpApi),
        (function_url(query), FrontDoor::FunctionUrl),
        (rest_api(&parameters), FrontDoor::RestApi),
        (balancer(&parameters), FrontDoor::LoadBalancer),
        (balancer_multi(&parameters), FrontDoor::LoadBalancer),
    ] {
        let request = request(&event);
        assert_eq!(request.front_door, front_door);
        assert_eq!(request.method, Method::GET);
        assert_eq!(request.path, "/callback");
        assert_eq!(request.query, Query::parse(query.as_bytes()));
        assert_eq!(request.source, Some("192.0.2.7".parse().unwrap()));
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("accept", "text/html"), ("user-agent", "Edge")], "{front_door:?}");
    }
}

#[test]
fn no_byte_of_a_raw_query_is_lost() {
    let long = format!("state={}", "x".repeat(70_000));
    for query in
        ["a=<script>", "a=\"b\"", "a= b+c", "a=\u{1}\u{0}\u{7f}", "a=ü\u{2028}", "a=%zz%", "a=%FF%fe", "a=#b#", "=&&==", &*long, "\\^`{|}"]
    {
        for event in [http_api(query), function_url(query)] {
            assert_eq!(request(&event).query, Query::parse(query.as_bytes()));
        }
    }
}

#[test]
fn half_a_surrogate_pair_in_a_query_does_not_lose_the_rest() {
    let event = http_api("state=SURROGATE&tenant=t").to_string().replace("SURROGATE", "\\ud800");
    let Incoming::Http(request) = read(event.as_bytes()) else { panic!("refused") };
    assert!(request.query.first("state").is_some() && request.query.first("tenant") == Some("t"));
}

#[test]
fn a_rest_apis_parameters_are_not_decoded_again() {
    let request = request(&rest_api(&owned(&[("error_description", "AADSTS65004: no.\r\nTrace & 100%25 a+b=c#"), ("n=&", "")])));
    let pairs: Vec<_> = request.query.pairs().collect();
    assert_eq!(pairs, [("error_description", "AADSTS65004: no.\r\nTrace & 100%25 a+b=c#"), ("n=&", "")]);
}

#[test]
fn a_load_balancers_parameters_are_decoded_once() {
    let parameters = owned(&[("error_description", "AADSTS65004%3a+no.%0d%0a%2526"), ("state", "a=b"), ("x", "1&y=2")]);
    for event in [balancer(&parameters), balancer_multi(&parameters)] {
        let query = request(&event).query;
        assert_eq!(query.pairs().collect::<Vec<_>>(), [("error_description", "AADSTS65004: no.\r\n%26"), ("state", "a=b"), ("x", "1&y=2")]);
    }
}

#[test]
fn a_duplicate_parameter_stays_one_through_every_door() {
    let parameters = owned(&[("state", "a"), ("state", "b")]);
    for event in [http_api("state=a&state=b"), rest_api(&parameters), balancer_multi(&parameters)] {
        assert_eq!(request(&event).query, query("state=a&state=b"));
    }
}

#[test]
fn rest_maps_that_disagree_are_refused() {
    let good = rest_api(&owned(&[("state", "a"), ("state", "b"), ("tenant", "t")]));
    assert_eq!(request(&good).query, query("state=a&state=b&tenant=t"));
    for (single, why) in [
        (json!({"state": "a", "tenant": "t"}), "the first value instead of the last"),
        (json!({"state": "b"}), "a name in one only"),
        (json!({"state": "b", "tenant": "t", "error": ""}), "a name in the other only"),
        (json!({"state": "b", "tenant": "t", "amp;state": "b"}), "the same under an escaped ampersand"),
        (json!({}), "none at all"),
    ] {
        let mut event = good.clone();
        event["queryStringParameters"] = single;
        assert_eq!(refusal(&event), EventRefusal::DisagreeingParameters, "{why}");
    }
    let twice = good.to_string().replace(r#""queryStringParameters":{"#, r#""queryStringParameters":{"state":"evil","#);
    assert!(matches!(read(twice.as_bytes()), Incoming::Refused { reason: EventRefusal::DisagreeingParameters, .. }));
}

#[test]
fn rest_maps_may_disagree_on_what_decides_nothing() {
    let good = rest_api(&owned(&[("state", "a"), ("tenant", "t"), ("scope", "x"), ("scope", "y")]));
    for (single, sent) in [
        (json!({"state": "a", "tenant": "t"}), "scope=x&scope=y&state=a&tenant=t"),
        (json!({"state": "a", "tenant": "t", "scope": "z"}), "scope=x&scope=y&state=a&tenant=t"),
        (json!({"state": "a", "tenant": "t", "scope": 7, "client_info": null}), "scope=x&scope=y&state=a&tenant=t&client_info="),
        (json!({"state": "a", "tenant": "t", "x": ["deep"]}), "scope=x&scope=y&state=a&tenant=t&x="),
    ] {
        let mut event = good.clone();
        event["queryStringParameters"] = single;
        assert_eq!(request(&event).query, query(sent));
    }
    let mut event = good;
    event["multiValueQueryStringParameters"]["scope"] = json!([{"deep": 1}]);
    assert_eq!(request(&event).query, query("scope=&state=a&tenant=t"));
    let mut event = balancer_multi(&owned(&[("state", "a")]));
    event["multiValueQueryStringParameters"]["scope"] = json!(7);
    assert_eq!(request(&event).query, query("scope=&state=a"));
}

#[test]
fn one_rest_map_alone_is_enough() {
    let both = rest_api(&owned(&[("state", "a"), ("tenant", "t")]));
    for map in ["queryStringParameters", "multiValueQueryStringParameters"] {
        let mut null = both.clone();
        null[map] = Value::Null;
        let mut absent = both.clone();
        absent.as_object_mut().unwrap().remove(map);
        for event in [null, absent] {
            assert_eq!(request(&event).query, query("state=a&tenant=t"), "without {map}");
        }
    }
}

#[test]
fn parameters_that_are_no_text_are_refused() {
    let mut number = http_api("");
    number["rawQueryString"] = json!(7);
    assert_eq!(refusal(&number), EventRefusal::MalformedParameters);
    for wrong in [json!({"state": 7}), json!({"state": {}}), json!([]), json!("state=a"), json!(true)] {
        for event in [rest_api(&[]), balancer(&[])] {
            let mut event = event;
            event.as_object_mut().unwrap().remove("multiValueQueryStringParameters");
            event["queryStringParameters"] = wrong.clone();
            assert_eq!(refusal(&event), EventRefusal::MalformedParameters, "{wrong}");
        }
    }
}

#[test]
fn absent_and_null_members_are_empty_ones() {
    for mut event in [http_api("a=b"), function_url("a=b"), rest_api(&owned(&[("a", "b")])), balancer(&owned(&[("a", "b")]))] {
        let door = request(&event).front_door;
        for member in
            ["headers", "multiValueHeaders", "body", "cookies", "isBase64Encoded", "pathParameters", "httpMethod", "stageVariables"]
        {
            event[member] = Value::Null;
        }
        if event["requestContext"]["http"].is_object() {
            event["requestContext"]["http"]["method"] = Value::Null;
        }
        let nulled = request(&event);
        for member in ["headers", "multiValueHeaders", "body", "cookies", "isBase64Encoded", "pathParameters", "httpMethod"] {
            event.as_object_mut().unwrap().remove(member);
        }
        let absent = request(&event);
        for request in [nulled, absent] {
            assert_eq!((request.front_door, request.method, request.query), (door, Method::GET, query("a=b")));
            assert!(request.headers.is_empty());
        }
    }
}

#[test]
fn a_parameter_without_a_value_is_an_empty_one() {
    let mut rest = rest_api(&[]);
    rest["queryStringParameters"] = json!({"state": null});
    rest["multiValueQueryStringParameters"] = json!({"state": null});
    let mut single = balancer(&[]);
    single["queryStringParameters"] = json!({"state": null});
    for event in [rest, single] {
        assert_eq!(request(&event).query, query("state="));
    }
}

#[test]
fn the_prefix_before_the_route_is_stripped() {
    let v2 = |stage: &str, route: &str, path: &str, parameters: Value| {
        let mut event = http_api("");
        event["requestContext"]["stage"] = json!(stage);
        event["routeKey"] = json!(route);
        event["rawPath"] = json!(path);
        event["pathParameters"] = parameters;
        event
    };
    let rest = |stage: &str, resource: &str, path: &str, parameters: Value| {
        let mut event = rest_api(&[]);
        event["requestContext"]["stage"] = json!(stage);
        event["resource"] = json!(resource);
        event["path"] = json!(path);
        event["pathParameters"] = parameters;
        event
    };
    let cases: &[PathCase<'_>] = &[
        (v2("$default", "$default", "/callback", Value::Null), "/callback"),
        (v2("prod", "$default", "/prod/callback", Value::Null), "/callback"),
        (v2("prod", "$default", "/prod", Value::Null), "/"),
        (v2("prod", "$default", "/prod/", Value::Null), "/"),
        (v2("prod", "$default", "/product/callback", Value::Null), "/product/callback"),
        (v2("prod", "$default", "/callback", Value::Null), "/callback"),
        (v2("prod", "GET /callback", "/prod/callback", Value::Null), "/callback"),
        (v2("$default", "GET /callback", "/consent/v1/callback", Value::Null), "/callback"),
        (v2("$default", "ANY /{proxy+}", "/consent/r/abc", json!({"proxy": "r/abc"})), "/r/abc"),
        (v2("callback", "GET /callback", "/callback", Value::Null), "/callback"),
        (v2("prod", "GET /dump", "/callback", Value::Null), "/callback"),
        (rest("prod", "/{proxy+}", "/callback", json!({"proxy": "callback"})), "/callback"),
        (rest("prod", "/{proxy+}", "/consent/callback", json!({"proxy": "callback"})), "/callback"),
        (rest("prod", "/callback", "/v1/callback/", Value::Null), "/callback/"),
        (rest("prod", "/r/{receipt}", "/base/r/abc.def", json!({"receipt": "abc.def"})), "/r/abc.def"),
        (rest("prod", "/test", "/callback", Value::Null), "/callback"),
        (rest("prod", "/{proxy+}", "/callback", Value::Null), "/callback"),
        (rest("prod", "$default", "/prod/callback", Value::Null), "/callback"),
    ];
    for (event, path) in cases {
        assert_eq!(request(event).path, *path, "{event}");
    }
}

#[test]
fn a_path_is_made_fit_for_a_url_and_keeps_its_escapes() {
    for (path, fit) in [
        (json!(""), "/"),
        (json!(null), "/"),
        (json!("callback"), "/callback"),
        (json!("//evil.example/callback"), "//evil.example/callback"),
        (json!("/a b\"<>`{}|\\^?#\u{0}\u{7f}ü"), "/a%20b%22%3C%3E%60%7B%7D%7C%5C%5E%3F%23%00%7F%C3%BC"),
        (json!("/%2e%2e/%zz/../callback"), "/%2e%2e/%zz/../callback"),
        (json!("/:99999@[::1"), "/:99999@[::1"),
    ] {
        for mut event in [http_api(""), function_url(""), rest_api(&[]), balancer(&[])] {
            event["pathParameters"] = Value::Null;
            event["path"] = path.clone();
            event["rawPath"] = path.clone();
            assert_eq!(request(&event).path, fit);
        }
    }
}

#[test]
fn a_path_beyond_reason_is_refused() {
    for path in [json!(format!("/{}", "x".repeat(MAX_PATH))), json!(format!("/{}", " ".repeat(MAX_PATH / 2))), json!(7), json!(["/"])] {
        for mut event in [http_api(""), rest_api(&[]), balancer(&[])] {
            event["path"] = path.clone();
            event["rawPath"] = path.clone();
            assert_eq!(refusal(&event), EventRefusal::MalformedPath);
        }
    }
}

#[test]
fn a_method_that_is_none_is_refused_and_an_unknown_one_passed_on() {
    for (method, expected) in [
        (json!("POST"), Ok("POST")),
        (json!("get"), Ok("get")),
        (json!("PROPFIND"), Ok("PROPFIND")),
        (json!(""), Ok("GET")),
        (json!(null), Ok("GET")),
        (json!("G ET"), Err(())),
        (json!("{{{method}}}"), Err(())),
        (json!("GET\r\n"), Err(())),
        (json!("X".repeat(65)), Err(())),
        (json!(1), Err(())),
        (json!(["GET"]), Err(())),
    ] {
        for mut event in [http_api(""), function_url(""), rest_api(&[]), balancer(&[])] {
            event["httpMethod"] = method.clone();
            if event["requestContext"]["http"].is_object() {
                event["requestContext"]["http"]["method"] = method.clone();
            }
            match expected {
                Ok(expected) => assert_eq!(request(&event).method.as_str(), expected),
                Err(()) => assert_eq!(refusal(&event), EventRefusal::MalformedMethod, "{method}"),
            }
        }
    }
}

#[test]
fn hostile_headers_reach_nobody() {
    let hostile = json!({
        "Host": "a:99999", "host": "[", "X-Forwarded-Proto": "", "x-forwarded-proto": "java script:", "X-Forwarded-Host": "evil.example",
        "X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/admin", "Forwarded": "for=evil", "Authorization": "Bearer x", "x-\u{0}": "x",
        "": "empty", "user-agent": "bad\r\nSet-Cookie: a=b", "content-type": 7, "Accept": ["text/html", "*/*"], "referer": {"deep": []},
    });
    for mut event in [http_api("a=b"), function_url("a=b"), rest_api(&[]), balancer(&[])] {
        event["headers"] = hostile.clone();
        event["multiValueHeaders"] = Value::Null;
        event["requestContext"]["domainName"] = match event["requestContext"]["domainName"].as_str() {
            Some(domain) if domain.contains("lambda-url") => json!("<url-id>.lambda-url.us-west-2.on.aws"),
            _ => json!("::1 exa mple"),
        };
        let request = request(&event);
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("accept", "text/html, */*")], "{:?}", request.front_door);
    }
}

#[test]
fn a_header_beyond_reason_is_dropped() {
    for mut event in [http_api("a=b"), rest_api(&[]), balancer(&[])] {
        event["headers"] = json!({"accept": "application/json", "cookie": "x".repeat(MAX_HEADER + 1)});
        event["multiValueHeaders"] = Value::Null;
        event["cookies"] = json!(["x".repeat(MAX_HEADER + 1)]);
        let request = request(&event);
        assert_eq!(request.headers.get(COOKIE), None);
        assert_eq!(request.headers[ACCEPT], "application/json");
    }
}

#[test]
fn every_cookie_arrives_whichever_member_holds_it() {
    let mut list = http_api("");
    list["cookies"] = json!(["a=1", "b=2"]);
    let mut multi = rest_api(&[]);
    multi["headers"]["Cookie"] = json!("b=2");
    multi["multiValueHeaders"]["Cookie"] = json!(["a=1", "b=2"]);
    let mut multi_balancer = balancer_multi(&[]);
    multi_balancer["multiValueHeaders"]["cookie"] = json!(["a=1", "b=2"]);
    let mut single = balancer(&[]);
    single["headers"]["cookie"] = json!("a=1; b=2");
    let mut not_listed = function_url("");
    not_listed["headers"]["cookie"] = json!("a=1; b=2");
    not_listed["cookies"] = json!([]);
    for event in [list, multi, multi_balancer, single, not_listed] {
        assert_eq!(request(&event).headers[COOKIE], "a=1; b=2", "{event}");
    }
}

#[test]
fn the_source_is_the_gateways_word_or_the_last_hop() {
    for (forwarded, source) in [
        (json!("203.0.113.9, 192.0.2.7"), Some("192.0.2.7")),
        (json!("192.0.2.7:4711"), Some("192.0.2.7")),
        (json!("evil, 2001:db8::7"), Some("2001:db8::7")),
        (json!("[2001:db8::7]:4711"), Some("2001:db8::7")),
        (json!("192.0.2.7, evil"), None),
        (json!(""), None),
        (json!(null), None),
    ] {
        let mut event = balancer(&[]);
        event["headers"]["x-forwarded-for"] = forwarded.clone();
        assert_eq!(request(&event).source, source.map(|source| source.parse().unwrap()), "{forwarded}");
        for mut event in [http_api(""), rest_api(&[])] {
            event["headers"]["x-forwarded-for"] = forwarded.clone();
            assert_eq!(request(&event).source, Some("192.0.2.7".parse().unwrap()), "a header is never believed where the gateway speaks");
        }
    }
    for source in [json!("IP"), json!("192.168.0.1/32"), json!("test-invoke-source-ip"), json!(null), json!(7)] {
        let (mut v2, mut v1) = (http_api(""), rest_api(&[]));
        v2["requestContext"]["http"]["sourceIp"] = source.clone();
        v1["requestContext"]["identity"]["sourceIp"] = source;
        assert_eq!((request(&v2).source, request(&v1).source), (None, None));
    }
}

#[test]
fn a_form_arrives_decoded_through_every_door() {
    let form = "admin_consent=True&state=a.b&tenant=x";
    for mut event in [http_api(""), function_url(""), rest_api(&[]), balancer(&[])] {
        event["httpMethod"] = json!("POST");
        if event["requestContext"]["http"].is_object() {
            event["requestContext"]["http"]["method"] = json!("POST");
        }
        event["body"] = json!(form);
        assert_eq!(request(&event).body, form.as_bytes());
        event["isBase64Encoded"] = json!(true);
        assert_eq!(refusal(&event), EventRefusal::MalformedBody, "text that claims to be base64");
        event["body"] = json!(STANDARD.encode(form));
        assert_eq!(request(&event).body, form.as_bytes());
        event["body"] = json!(STANDARD.encode([0xff, 0x00, 0xfe]));
        assert_eq!(&*request(&event).body, [0xff, 0x00, 0xfe]);
        event["body"] = json!({"not": "text"});
        assert_eq!(refusal(&event), EventRefusal::MalformedBody);
    }
}

#[test]
fn the_body_of_a_get_means_nothing_and_spoils_nothing() {
    for mut event in [http_api("a=b"), rest_api(&owned(&[("a", "b")])), balancer(&owned(&[("a", "b")]))] {
        event["body"] = json!("{{{body}}}");
        event["isBase64Encoded"] = json!(true);
        let request = request(&event);
        assert_eq!((request.query, &*request.body), (query("a=b"), b"".as_slice()));
    }
}

#[test]
fn what_is_not_http_is_told_apart_and_never_taken_for_it() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let deep_object = format!("{}1{}", r#"{"requestContext":"#.repeat(100_000), "}".repeat(100_000));
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(6 << 20));
    let cases: &[(&[u8], NotHttp)] = &[
        (b"", NotHttp::NotJson),
        (b"   ", NotHttp::NotJson),
        (b"hello", NotHttp::NotJson),
        (b"{", NotHttp::NotJson),
        (b"\xff\xfe", NotHttp::NotJson),
        (b"{\"a\":\"\xff\"}", NotHttp::NotJson),
        (b"null", NotHttp::NotAnObject),
        (b"7", NotHttp::NotAnObject),
        (b"\"GET\"", NotHttp::NotAnObject),
        (b"[\"2.0\"]", NotHttp::NotAnObject),
        (br#"{"version":"2.0","version":"2.0"}"#, NotHttp::NotAnObject),
        (deep.as_bytes(), NotHttp::NotAnObject),
        (b"{}", NotHttp::Unknown),
        (deep_object.as_bytes(), NotHttp::Unknown),
        (large.as_bytes(), NotHttp::Unknown),
        (br#"{"requestContext":null}"#, NotHttp::Unknown),
        (br#"{"requestContext":[]}"#, NotHttp::Unknown),
        (br#"{"version":"2.0","requestContext":{"http":null}}"#, NotHttp::Unknown),
        (br#"{"version":"2.0","requestContext":{"http":"GET"}}"#, NotHttp::Unknown),
        (br#"{"version":"2.0","requestContext":{"serviceNetworkArn":"x"},"method":"GET","path":"/callback"}"#, NotHttp::Unknown),
        (br#"{"requestContext":{"http":{"method":"GET"}}}"#, NotHttp::Unknown),
        (br#"{"requestContext":{"elb":null},"httpMethod":"GET","path":"/callback"}"#, NotHttp::Unknown),
        (br#"{"httpMethod":"GET","path":"/callback"}"#, NotHttp::Unknown),
        (br#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#, NotHttp::EventBridge),
        (br#"{"Records":[{"eventSource":"aws:sqs","body":"x"}]}"#, NotHttp::Records),
    ];
    for (event, kind) in cases {
        assert_eq!(not_http(event), *kind, "{:?}", String::from_utf8_lossy(&event[..event.len().min(80)]));
    }
    for (mut event, member) in [(rest_api(&[]), "connectionId"), (http_api(""), "eventType")] {
        event["requestContext"][member] = json!("CONNECT");
        assert_eq!(not_http(event.to_string().as_bytes()), NotHttp::WebSocket);
    }
    for (mut event, member) in [(rest_api(&[]), "methodArn"), (http_api(""), "routeArn")] {
        event["type"] = json!("REQUEST");
        event[member] = json!("arn:aws:execute-api:eu-west-1:123456789012:a/b/GET/callback");
        assert_eq!(not_http(event.to_string().as_bytes()), NotHttp::Authorizer);
    }
}

#[test]
fn deep_members_do_not_spoil_an_event() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for member in ["stageVariables", "unheardOf", "headers", "multiValueHeaders", "cookies", "pathParameters"] {
        for mut event in [http_api("a=b"), function_url("a=b"), rest_api(&owned(&[("a", "b")])), balancer(&owned(&[("a", "b")]))] {
            event[member] = json!("DEEP");
            let event = event.to_string().replace("\"DEEP\"", &deep);
            assert!(matches!(read(event.as_bytes()), Incoming::Http(request) if request.query == query("a=b")), "{member}");
        }
    }
}

#[test]
fn a_payload_deserializes_from_anything() {
    for bytes in [b"".as_slice(), b"nonsense", b"{\"a\":", b"\xff", b"null", b"{}"] {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let payload = Payload::deserialize(&mut deserializer).expect("deserializing a payload cannot fail");
        assert!(matches!(payload.read(), Incoming::NotHttp(_)));
    }
    let event = http_api("a=b").to_string();
    let payload: Payload = serde_json::from_str(&event).unwrap();
    assert!(matches!(payload.read(), Incoming::Http(request) if request.query == query("a=b")));
}

#[test]
fn a_health_check_is_a_get_like_any_other() {
    let event = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/consent/1"}},
        "httpMethod": "GET", "path": "/health", "queryStringParameters": {}, "headers": {"user-agent": "ELB-HealthChecker/2.0"},
        "body": "", "isBase64Encoded": false,
    });
    let request = request(&event);
    assert_eq!((request.path.as_str(), request.source), ("/health", None));
    assert_eq!(request.headers[USER_AGENT], "ELB-HealthChecker/2.0");
}

fn page() -> Response<String> {
    Response::builder()
        .status(303)
        .header("location", "/r/x")
        .header("content-type", "text/html; charset=utf-8")
        .header("set-cookie", "a=1; Secure")
        .header("set-cookie", "b=2; Secure")
        .header("x-raw", HeaderValue::from_bytes(b"\xff").unwrap())
        .body("<p>Grüße".to_owned())
        .unwrap()
}

async fn answered(front_door: FrontDoor, response: Response<String>) -> Value {
    serde_json::from_str(answer(front_door, response).await.get()).unwrap()
}

#[tokio::test]
async fn an_answer_has_the_shape_of_its_front_door() {
    let v2 = json!({
        "statusCode": 303, "headers": {"location": "/r/x", "content-type": "text/html; charset=utf-8"}, "multiValueHeaders": {},
        "cookies": ["a=1; Secure", "b=2; Secure"], "body": "<p>Grüße", "isBase64Encoded": false,
    });
    assert_eq!(answered(FrontDoor::HttpApi, page()).await, v2);
    assert_eq!(answered(FrontDoor::FunctionUrl, page()).await, v2);
    let multi = json!({
        "location": ["/r/x"], "content-type": ["text/html; charset=utf-8"], "set-cookie": ["a=1; Secure", "b=2; Secure"],
    });
    assert_eq!(
        answered(FrontDoor::RestApi, page()).await,
        json!({"statusCode": 303, "headers": {}, "multiValueHeaders": multi, "body": "<p>Grüße", "isBase64Encoded": false})
    );
    assert_eq!(
        answered(FrontDoor::LoadBalancer, page()).await,
        json!({
            "statusCode": 303, "statusDescription": "303 See Other",
            "headers": {"location": "/r/x", "content-type": "text/html; charset=utf-8", "set-cookie": "a=1; Secure"},
            "multiValueHeaders": multi, "body": "<p>Grüße", "isBase64Encoded": false,
        })
    );
}

#[tokio::test]
async fn what_is_not_http_is_answered_with_json() {
    assert_eq!(answered(FrontDoor::Other, Response::new(r#"{"outcome":"not_http"}"#.into())).await, json!({"outcome": "not_http"}));
    assert_eq!(answered(FrontDoor::Other, Response::new("no JSON".into())).await, json!("no JSON"));
}

#[tokio::test]
async fn json_is_answered_as_text() {
    let response = Response::builder().header("content-type", "application/json").body("{}".to_owned()).unwrap();
    let answer = answered(FrontDoor::HttpApi, response).await;
    assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("{}"), &json!(false)));
}

/// One byte of a query, encoded as a browser, a gateway or a stranger may do it.
fn written(byte: u8, style: u8) -> String {
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~:/@!$'()*,;".contains(&byte);
    match (byte, style % 3) {
        (b' ', 0) => "+".into(),
        (_, 0 | 1) if unreserved => char::from(byte).into(),
        (_, 2) => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    }
}

fn written_text(text: &[u8], styles: &[u8]) -> String {
    text.iter().enumerate().map(|(at, byte)| written(*byte, styles.get(at % styles.len().max(1)).copied().unwrap_or(0))).collect()
}

/// How API Gateway decodes a part of a query before it passes it to a REST API's function.
fn decoded(raw: &str) -> String {
    percent_encoding::percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::sample::select(vec!["admin_consent", "tenant", "state", "scope", "error", "error_description", "error_subcode",
            "error_uri", "code", "trace_id", "utm_source", "State", "amp;tenant", "amp;error_description", "amp;amp;state"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"True".to_vec()),
        Just(b"11111111-2222-4333-8444-555555555555".to_vec()),
        Just(b"AADSTS65004: User declined.\r\nTrace ID: 11111111-2222-4333-8444-555555555555".to_vec()),
        Just(b"state=state=12345#".to_vec()),
        Just("100%25 %26 +&=#ü\u{2028}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["GET", "2.0", "/callback", "a=b", "$default", "x.lambda-url.eu.on.aws", "192.0.2.1", "/{proxy+}"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((member(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["version", "routeKey", "resource", "httpMethod", "path", "rawPath", "rawQueryString", "queryStringParameters",
            "multiValueQueryStringParameters", "pathParameters", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded",
            "requestContext", "methodArn", "Records", "elb", "http", "identity", "resourcePath", "stage", "domainName", "connectionId",
            "sourceIp", "method", "host", "cookie", "x-forwarded-for", "proxy"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_parameters_mean_the_same_through_every_door(
        parameters in prop::collection::vec((name(), value()), 0..12),
        styles in prop::collection::vec(any::<u8>(), 1..16),
    ) {
        let sent: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| (written_text(name, &styles), written_text(value, &styles))).collect();
        let query = sent.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let received: Vec<(String, String)> = sent.iter().map(|(name, value)| (decoded(name), decoded(value))).collect();
        let meant = Callback::parse(&Query::parse(query.as_bytes()));
        let mut doors = vec![http_api(&query), function_url(&query), rest_api(&received), balancer_multi(&sent)];
        // With multi-value headers off, a balancer keeps the last of several values, so the function never gets that duplicate.
        if received.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>().len() == received.len() {
            doors.push(balancer(&sent));
        }
        for event in doors {
            let request = request(&event);
            let read = Callback::parse(&request.query);
            // Maps have no order, so the fault that is reported first may differ.
            prop_assert_eq!(read.as_ref().ok(), meant.as_ref().ok(), "{:?} read {:?}", request.front_door, request.query.pairs().collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_json_is_read_without_a_panic(event in json_value()) {
        read_value(&event);
    }

    #[test]
    fn a_good_event_with_any_member_replaced_is_read(
        door in 0..5_usize, member in member(), inner in member(), value in json_value(), nested in any::<bool>(), query in any::<String>(),
    ) {
        let parameters = vec![("state".to_owned(), query.clone()), ("tenant".to_owned(), "t".to_owned())];
        let mut event = match door {
            0 => http_api(&query),
            1 => function_url(&query),
            2 => rest_api(&parameters),
            3 => balancer(&parameters),
            _ => balancer_multi(&parameters),
        };
        match event.get_mut(&member) {
            Some(Value::Object(members)) if nested => { members.insert(inner, value); }
            _ => event[member] = value,
        }
        read_value(&event);
    }

    #[test]
    fn a_good_event_with_any_byte_changed_is_read(at in any::<prop::sample::Index>(), byte in any::<u8>(), door in 0..3_usize) {
        let parameters = owned(&[("state", "a"), ("tenant", "t")]);
        let event = [http_api("state=a"), rest_api(&parameters), balancer(&parameters)][door].to_string();
        let mut bytes = event.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes);
    }
}
