//! Hostile input: each event gets a clean answer and a record, and the process keeps running.

use entra_sandbox::{TenantId, demo};
use serde_json::{Value, json};

use super::events::{DOORS, TENANT, grafted, own_event, through_every_door};
use super::function::{Ended, Real};

/// The headers that every answer must have.
fn assert_secure(ended: &Ended, what: &str) {
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")] {
        assert_eq!(ended.header(name), Some(value), "{what}");
    }
    assert!(ended.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")), "{what}");
}

#[tokio::test]
async fn what_is_not_http_is_recorded_and_answered_with_nothing_granted() {
    let mut real = Real::start().await;
    let text = |event: Value| event.to_string().into_bytes();
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n)).into_bytes();
    let mut large = text(own_event("not-http-schedule", TENANT, "TICKET"));
    large.splice(1..1, format!(r#""padding":"{}","#, "x".repeat(6 << 20)).into_bytes());
    let queue = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": "{}"}]});
    let token_authorizer =
        json!({"type": "TOKEN", "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a/prod/GET/", "authorizationToken": "x"});
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "not_json"),
        ("white space", b" \r\n\t".to_vec(), "not_json"),
        ("a cut event", b"{\"version\":\"2.0\",\"rawPath\":\"/callb".to_vec(), "not_json"),
        ("HTTP", b"GET /callback HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "not_json"),
        ("bytes", (0..=255).collect(), "not_json"),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec(), "not_json"),
        ("not UTF-8 in a string", b"{\"rawPath\":\"\xff\"}".to_vec(), "not_json"),
        ("a control byte in a string", b"{\"rawPath\":\"\x01\"}".to_vec(), "not_json"),
        ("two documents, of which the first is read", b"{}[]".to_vec(), "unknown_event"),
        ("null", b"null".to_vec(), "not_an_object"),
        ("a number", b"1e999".to_vec(), "not_an_object"),
        ("a text", b"\"\\ud800\"".to_vec(), "not_an_object"),
        ("a list", b"[{}]".to_vec(), "not_an_object"),
        ("a list 10,000 deep", deep("[", "]", 10_000), "not_an_object"),
        ("an object 10,000 deep", deep(r#"{"requestContext":"#, "}", 10_000), "unknown_event"),
        ("a member twice", br#"{"version":"2.0","version":"1.0"}"#.to_vec(), "not_an_object"),
        ("an empty object", b"{}".to_vec(), "unknown_event"),
        ("an invocation by hand", text(json!({"key1": "value1"})), "unknown_event"),
        ("6 MB", large, "event_bridge"),
        ("a web socket", text(own_event("not-http-web-socket", TENANT, "TICKET")), "web_socket"),
        ("an authorizer of requests", text(own_event("not-http-authorizer", TENANT, "TICKET")), "authorizer"),
        ("an authorizer of tokens", text(token_authorizer), "authorizer"),
        ("a schedule", text(own_event("not-http-schedule", TENANT, "TICKET")), "event_bridge"),
        ("a queue", text(queue), "records"),
        (
            "HTTP API payload 1.0 without a context",
            text(json!({"version": "1.0", "path": "/callback", "httpMethod": "GET"})),
            "unknown_event",
        ),
    ];
    for (what, event, reason) in cases {
        let ended = real.send(event).await;
        assert_eq!((ended.events(), ended.outcome()), (vec!["rejected"], "unsolicited"), "{what}");
        let record = &ended.records[0];
        assert_eq!((&record["rejection"]["reason"], &record["front_door"]), (&json!(reason), &json!("other")), "{what}");
        assert_eq!(ended.answer["outcome"], "unsolicited", "{what}");
        for grants in ["isAuthorized", "policyDocument", "principalId", "statusCode", "batchItemFailures"] {
            assert!(ended.answer.get(grants).is_none(), "{what}: {}", ended.answer);
        }
    }
    assert!(real.is_running());
    assert_eq!(real.calls(), 0);
}

#[tokio::test]
async fn any_query_is_a_page_and_a_record() {
    let mut real = Real::start().await;
    let long = format!("state={}", "x".repeat(70_000));
    let wide = "a=b&".repeat(20_000);
    let escapes = format!("state={}", "%ff".repeat(1_400));
    let ticketless = "a\u{0}\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}";
    let cases = [
        ("control bytes", &*format!("state={ticketless}"), "link_damaged", "ticket_unreadable"),
        ("control bytes, escaped", "state=%00%01%08%0b%1b[31m%7f", "link_damaged", "ticket_unreadable"),
        ("spaces", "state=a b c", "link_damaged", "ticket_unreadable"),
        ("quotes", "state=\"a'b`", "link_damaged", "ticket_unreadable"),
        ("markup", "state=<script>alert(1)</script>", "link_damaged", "ticket_unreadable"),
        ("markup in a name", "<img src=x onerror=alert(1)>=1", "unsolicited", "no_ticket"),
        (
            "markup in an error",
            "error=<b>&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E&state=x",
            "link_damaged",
            "ticket_unreadable",
        ),
        ("line breaks", "state=x%0d%0aSet-Cookie:%20a=b", "link_damaged", "ticket_unreadable"),
        ("escapes that are not UTF-8", "state=%ff%fe%c3%28%ed%a0%80", "link_damaged", "ticket_unreadable"),
        ("escapes that are none", "state=%zz%&tenant=%", "link_damaged", "tenant_not_a_guid"),
        ("beyond ASCII", "state=ü\u{202e}\u{2028}😀", "link_damaged", "ticket_unreadable"),
        ("70,000 bytes", &long, "link_damaged", "too_large"),
        ("20,000 pairs", &wide, "link_damaged", "too_large"),
        ("1,400 escapes", &escapes, "link_damaged", "parameter_too_long"),
        ("33 pairs", &"a=b&".repeat(33), "unsolicited", "no_ticket"),
        ("only separators", "&&&&", "unsolicited", "no_ticket"),
        ("only an equals sign", "=", "unsolicited", "no_ticket"),
        ("two faults, one way", "tenant=x&state=a&state=b", "link_damaged", "duplicate_parameter"),
        ("two faults, the other way", "state=a&state=b&tenant=x", "link_damaged", "duplicate_parameter"),
        ("a token of somebody else's", "state=bm90LWEtdG9rZW4.bm90.bm90", "link_damaged", "ticket_header"),
        ("no parameter", "", "unsolicited", "no_ticket"),
    ];
    for (what, query, outcome, reason) in cases {
        let mut first = None;
        for (kind, event) in through_every_door(query) {
            let ended = real.send_json(&event).await;
            let what = format!("{what} through {kind}");
            assert_eq!((ended.status(), ended.events(), ended.outcome()), (400, vec!["rejected"], outcome), "{what}");
            assert_eq!(ended.records[0]["rejection"]["reason"], reason, "{what}");
            assert_secure(&ended, &what);
            assert!(!ended.body().contains("alert(1)") && ended.header("set-cookie").is_none(), "{what}");
            let told = ended.told();
            assert_eq!(*first.get_or_insert(told.clone()), told, "{what}");
        }
    }
    assert!(real.is_running());
    assert_eq!(real.calls(), 0);
}

#[tokio::test]
async fn no_header_and_no_host_changes_what_is_said() {
    let mut real = Real::start().await;
    let hosts =
        ["evil.example", "evil#", "a:99999", "[", "%", "xn--", "::1", "exa mple", "", "\r\nx: y", "\u{0}", "<url-id>.lambda-url.x.on.aws"];
    let mut first = None;
    let mut tenants = 0x7777_0000_0000_4000_8000_0000_0000_0000..;
    for (kind, name) in DOORS {
        for host in hosts {
            // Each event has a new tenant, because the function would reuse a recent check.
            let tenant = TenantId::from_u128(tenants.next().unwrap());
            real.test.approve(tenant);
            let ticket = real.ticket(tenant).await;
            let query = format!("admin_consent=True&tenant={tenant}&state={ticket}");
            let mut event = grafted(kind, &own_event(name, TENANT, "TICKET"), &query);
            let forged = [
                ("host", host),
                ("x-forwarded-host", host),
                ("x-forwarded-proto", "<"),
                ("x-forwarded-port", "99999999"),
                ("x-forwarded-prefix", "/\\evil.example"),
                ("forwarded", "for=\"[::1]\";host=evil.example"),
                ("x-original-url", "/health"),
                ("x-rewrite-url", "/health"),
                ("x-http-method-override", "DELETE"),
                ("x-http-method", "DELETE"),
                ("x-method-override", "DELETE"),
                ("transfer-encoding", "chunked"),
                ("x-forwarded-for", "evil, 203.0.113.24"),
            ];
            for (header, value) in forged {
                if event["headers"].is_object() {
                    event["headers"][header] = json!(value);
                }
                if event["multiValueHeaders"].is_object() {
                    event["multiValueHeaders"][header] = json!([value]);
                }
            }
            if kind != "function_url" {
                event["requestContext"]["domainName"] = json!(host);
            }
            event["requestContext"]["domainPrefix"] = json!(host);
            let ended = real.send_json(&event).await;
            assert_eq!((ended.status(), ended.outcome()), (303, "granted"), "{kind}, {host:?}");
            assert!(ended.receipt().is_some());
            assert_secure(&ended, host);
            assert!(!ended.answer.to_string().contains("evil"), "{kind}: {}", ended.answer);
            let told = format!("{:?}", ended.told_of_any_ticket()).replace(&tenant.to_string(), "TENANT");
            let told = (told, ended.records[0]["ip"].clone());
            assert_eq!(*first.get_or_insert(told.clone()), told, "{kind}, {host:?}");
        }
    }
    assert!(real.is_running());
}

#[tokio::test]
async fn absent_and_null_and_wrong_members_are_answered() {
    let mut real = Real::start().await;
    let members = [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "cookies",
        "body",
        "isBase64Encoded",
        "httpMethod",
        "resource",
        "routeKey",
        "version",
        "path",
        "rawPath",
        "rawQueryString",
        "requestContext",
    ];
    for (_, name) in DOORS {
        for member in members {
            for wrong in [None, Some(Value::Null), Some(json!(7)), Some(json!([])), Some(json!({})), Some(json!("\u{0}"))] {
                // One link's claims are bounded.
                let ticket = real.ticket(demo::WOODGROVE).await;
                let mut event = own_event(name, &demo::WOODGROVE.to_string(), &ticket);
                let all = event.as_object_mut().unwrap();
                match &wrong {
                    Some(wrong) => all.insert(member.into(), wrong.clone()),
                    None => all.remove(member),
                };
                let ended = real.send_json(&event).await;
                let what = format!("{name} with {member} {wrong:?}");
                // The function may read the input, refuse it, answer with another page, or report that the event is not HTTP. The outcome
                // is never `granted`, because no approval exists.
                match ended.answer["statusCode"].as_u64() {
                    Some(303) => assert_eq!((ended.events(), ended.outcome()), (vec!["claimed", "concluded"], "pending"), "{what}"),
                    Some(400) => assert_eq!(ended.events(), ["rejected"], "{what}"),
                    // Without its path, the event is a callback under a wrong path.
                    Some(200 | 404 | 405) => {
                        let reasons: Vec<_> = ended.records.iter().map(|record| &record["rejection"]["reason"]).collect();
                        assert!(reasons.is_empty() || reasons == ["wrong_path"], "{what}: {ended:?}");
                    }
                    None => assert_eq!((ended.events(), ended.outcome()), (vec!["rejected"], "unsolicited"), "{what}"),
                    Some(other) => panic!("{what}: {other}"),
                }
            }
        }
    }
    assert!(real.is_running());
}

#[tokio::test]
async fn a_form_that_is_not_what_it_says_is_refused_and_recorded() {
    let mut real = Real::start().await;
    let ticket = real.ticket(demo::WOODGROVE).await;
    let form = own_event("http-api-form-post", &demo::WOODGROVE.to_string(), &ticket);
    let with = |member: &str, value: Value| {
        let mut event = form.clone();
        event[member] = value;
        event
    };
    let six_mb = format!("state={}", "x".repeat(6 << 20));
    let mut plain = with("body", json!(six_mb));
    plain["isBase64Encoded"] = json!(false);
    for (what, event, reason) in [
        ("no base64", with("body", json!("state=<not base64>")), "malformed_body"),
        ("cut base64", with("body", json!("c3RhdGU9eA=")), "malformed_body"),
        ("no text", with("body", json!(["c3RhdGU9eA=="])), "malformed_body"),
        ("6 MB", plain, "too_large"),
        ("nothing", with("body", Value::Null), "no_ticket"),
        ("the ticket in both places", with("rawQueryString", json!(format!("state={ticket}"))), "duplicate_parameter"),
    ] {
        let ended = real.send_json(&event).await;
        assert_eq!((ended.status(), ended.events()), (400, vec!["rejected"]), "{what}");
        assert_eq!(ended.records[0]["rejection"]["reason"], reason, "{what}");
        assert_secure(&ended, what);
    }
    let ended = real.send_json(&form).await;
    assert_eq!((ended.status(), ended.outcome()), (303, "pending"), "a valid callback is still read");
}

#[tokio::test]
async fn a_method_that_is_none_or_not_ours_changes_nothing() {
    let mut real = Real::start().await;
    let ticket = real.ticket(demo::WOODGROVE).await;
    for (_, name) in DOORS {
        for (method, status) in [
            ("HEAD", 200),
            ("OPTIONS", 405),
            ("PUT", 405),
            ("DELETE", 405),
            ("get", 405),
            ("PROPFIND", 405),
            ("POST", 415),
            ("G ET", 400),
            ("GET\r\nx: y", 400),
            ("{{{method}}}", 400),
        ] {
            let mut event = own_event(name, &demo::WOODGROVE.to_string(), &ticket);
            if event["version"] == "2.0" {
                event["requestContext"]["http"]["method"] = json!(method);
            } else {
                event["httpMethod"] = json!(method);
            }
            let ended = real.send_json(&event).await;
            assert_eq!((ended.status(), ended.header("location")), (status, None), "{name} {method}");
            assert_secure(&ended, method);
            if method == "HEAD" {
                assert_eq!(ended.answer["body"].as_str().unwrap_or_default(), "");
            }
        }
    }
    assert_eq!(real.calls(), 0, "no call to Microsoft");
}
