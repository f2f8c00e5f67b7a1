use serde_json::json;

use super::*;

const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const TENANT: TenantId = TenantId::from_u128(0xaaaa_bbbb_0000_cccc_1111_dddd_2222_eeee);

fn domain(text: &str) -> Result<String, NotATenant> {
    TenantName::parse(text).map(|name| name.to_string())
}

#[test]
fn a_tenant_is_named_by_a_guid_or_a_domain() {
    for id in [ID, &ID.to_uppercase(), " aaaabbbb-0000-cccc-1111-dddd2222eeee\n"] {
        assert_eq!(TenantName::parse(id), Ok(TenantName::Id(TENANT)), "{id:?}");
    }
    for (text, ascii) in [
        ("contoso.com", "contoso.com"),
        (" Contoso.COM. ", "contoso.com"),
        ("contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("a.b.c.d.example", "a.b.c.d.example"),
        ("123-mail.example", "123-mail.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("contoso。com", "contoso.com"),
        ("ｃontoso.com", "contoso.com"),
        // A Cyrillic letter that looks like a Latin one becomes visible.
        ("c\u{43e}ntoso.com", "xn--cntoso-wqf.com"),
    ] {
        assert_eq!(domain(text).as_deref(), Ok(ascii), "{text:?}");
    }
}

#[test]
fn what_names_no_single_tenant_is_refused_with_the_remedy() {
    use NotATenant as N;
    let long_label = format!("{}.example", "a".repeat(64));
    let long = format!("{}example", "abcdefg.".repeat(31));
    let huge = "a.".repeat(100_000);
    for (text, why) in [
        ("", N::Empty),
        (" \t", N::Empty),
        ("common", N::Many),
        ("Organizations", N::Many),
        ("consumers.", N::Many),
        ("ｃｏｍｍｏｎ", N::Many),
        ("9188040d-6c67-4c5b-b112-36a304b66dad", N::Many),
        ("anna@contoso.com", N::Person),
        ("anna%40contoso.com", N::Malformed),
        ("https://contoso.com", N::WebAddress),
        ("https://anna@contoso.com/", N::WebAddress),
        ("contoso.com/", N::WebAddress),
        ("contoso.com:443", N::WebAddress),
        ("contoso.com?x", N::WebAddress),
        ("contoso.com#x", N::WebAddress),
        ("..\\contoso.com", N::WebAddress),
        ("../common", N::WebAddress),
        ("192.0.2.1", N::IpAddress),
        ("0x7f.1", N::IpAddress),
        ("2130706433", N::IpAddress),
        ("2001:db8::1", N::IpAddress),
        ("[2001:db8::1]", N::IpAddress),
        ("contoso", N::SingleLabel),
        ("localhost", N::SingleLabel),
        ("aaaabbbb0000cccc1111dddd2222eeee", N::SingleLabel),
        ("{aaaabbbb-0000-cccc-1111-dddd2222eeee}", N::Malformed),
        ("{tenantid}", N::Malformed),
        ("00000000-0000-0000-0000-000000000000", N::Zeros),
        (".", N::Malformed),
        ("..", N::Malformed),
        (".contoso.com", N::Malformed),
        ("contoso..com", N::Malformed),
        ("-contoso.com", N::Malformed),
        ("contoso-.com", N::Malformed),
        ("con_toso.com", N::Malformed),
        ("con toso.com", N::Malformed),
        ("contoso.com,fabrikam.com", N::Malformed),
        ("contoso.com\0", N::Malformed),
        ("con\r\ntoso.com", N::Malformed),
        ("contoso.com;x", N::Malformed),
        ("c%6fntoso.com", N::Malformed),
        ("xn--a.example", N::Malformed),
        (&long_label, N::TooLong),
        (&long, N::TooLong),
        (&huge, N::TooLong),
    ] {
        let shown: String = text.chars().take(80).collect();
        assert_eq!(TenantName::parse(text), Err(why), "{shown:?}");
        assert!(!why.to_string().is_empty());
    }
    assert_eq!(long.len(), 255);
    let longest = format!("{}examp", "abcdefg.".repeat(31));
    assert_eq!(domain(&longest), Ok(longest.clone()), "{}", longest.len());
}

proptest::proptest! {
    #[test]
    fn no_text_becomes_a_domain_that_leaves_its_place_in_an_address(text in ".{0,80}") {
        if let Ok(name @ TenantName::Domain(_)) = TenantName::parse(&text) {
            let name = name.to_string();
            assert!(name.len() <= LONGEST_DOMAIN && name.contains('.'), "{name:?}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'), "{name:?}");
            assert!(!name.starts_with('.') && !name.ends_with('.') && !name.contains(".."), "{name:?}");
            assert_eq!(TenantName::parse(&name).map(|again| again.to_string()), Ok(name));
        }
    }
}

/// A document of a cloud, with one change.
fn document(cloud: &Cloud, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let endpoints = Endpoints::of(cloud).unwrap();
    let mut document = json!({
        "issuer": endpoints.at_authority(&format!("{ID}/v2.0")),
        "token_endpoint": endpoints.at_authority(&format!("{ID}/oauth2/v2.0/token")),
        "tenant_region_scope": "EU",
        "cloud_instance_name": instances(cloud)[0],
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": host_and_port(&endpoints.graph),
    });
    change(document.as_object_mut().unwrap());
    document.to_string()
}

fn with(members: &[(&str, Value)]) -> impl Fn(&mut serde_json::Map<String, Value>) {
    move |document| {
        for (name, value) in members {
            document.insert((*name).to_owned(), value.clone());
        }
    }
}

fn read(asked: &Cloud, status: u16, body: &str) -> Result<DiscoveredTenant, Undiscovered> {
    let name = TenantName::parse("contoso.example").unwrap();
    let answer = HttpAnswer { status, retry_after: None, body: body.as_bytes().to_vec() };
    DiscoveryQuestion { cloud: asked, endpoints: &Endpoints::of(asked).unwrap(), name: &name }.read(&answer)
}

/// The cloud that the document points to, and whether it is the cloud that was asked.
fn home(asked: &Cloud, body: &str) -> (bool, String) {
    match read(asked, 200, body) {
        Ok(tenant) => (true, tenant.home.to_string()),
        Err(Undiscovered::OtherCloud(tenant)) => {
            assert_eq!(tenant.id, TENANT);
            (false, tenant.home.to_string())
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_tenant_is_found_in_its_own_cloud_and_told_apart_in_every_other() {
    for asked in &KNOWN {
        for lives in &KNOWN {
            assert_eq!(home(asked, &document(lives, |_| {})), (asked == lives, lives.name().to_owned()), "{asked:?} {lives:?}");
        }
    }
    let found = read(&Cloud::Global, 200, &document(&Cloud::Global, with(&[("tenant_region_sub_scope", json!("GCC"))]))).unwrap();
    assert_eq!(found.id, TENANT);
    assert_eq!(found.graph_host.unwrap().as_str(), "graph.microsoft.com");
    assert_eq!((found.region.unwrap().as_str(), found.sub_scope.unwrap().as_str()), ("EU", "GCC"));
}

#[test]
fn each_thing_a_document_says_about_its_cloud_counts() {
    let (global, l4, l5, china) = (Cloud::Global, Cloud::UsGovL4, Cloud::UsGovL5, Cloud::China);
    let sub_scope = |word: &str| ("tenant_region_sub_scope", json!(word));
    for (asked, members, agrees, lives) in [
        // A global authority describes a tenant of another cloud, by one sign or by all signs.
        (&global, vec![sub_scope("DODCON")], false, "us-gov-l4"),
        (&global, vec![sub_scope("DOD")], false, "us-gov-l5"),
        (&global, vec![("msgraph_host", json!("graph.microsoft.us"))], false, "us-gov-l4"),
        (&global, vec![("msgraph_host", json!("dod-graph.microsoft.us"))], false, "us-gov-l5"),
        (&global, vec![("cloud_instance_name", json!("microsoftonline.us"))], false, "us-gov-l4"),
        (&global, vec![("cloud_instance_name", json!("partner.microsoftonline.cn"))], false, "china-21vianet"),
        (&global, vec![("cloud_instance_name", json!("microsoftonline.de"))], false, "microsoftonline.de"),
        (&global, vec![("msgraph_host", json!("graph.evil.example"))], false, "graph.evil.example"),
        // GCC belongs to the global cloud, an unknown word says nothing, and capitals do not matter.
        (&global, vec![sub_scope("GCC")], true, "global"),
        (&global, vec![sub_scope("NEW")], true, "global"),
        (&global, vec![("msgraph_host", json!("Graph.Microsoft.COM"))], true, "global"),
        // Missing parts contradict nothing.
        (&global, vec![("msgraph_host", json!(null)), ("cloud_instance_name", json!(null))], true, "global"),
        // Two clouds have the same authority.
        (&l4, vec![sub_scope("DODCON")], true, "us-gov-l4"),
        (&l4, vec![sub_scope("DOD")], false, "us-gov-l5"),
        (&l5, vec![sub_scope("DOD"), ("msgraph_host", json!("graph.microsoft.us"))], true, "us-gov-l5"),
        (&l5, vec![sub_scope("DODCON")], false, "us-gov-l4"),
        (&l5, vec![("msgraph_host", json!("graph.microsoft.us"))], false, "us-gov-l4"),
        (&l4, vec![sub_scope("DODCON"), ("msgraph_host", json!("graph.microsoft.com"))], false, "global"),
        (&l4, vec![sub_scope("GCC")], false, "global"),
        // 21Vianet has two spellings of everything.
        (&china, vec![("cloud_instance_name", json!("chinacloudapi.cn"))], true, "china-21vianet"),
        (
            &china,
            vec![
                ("issuer", json!(format!("https://login.chinacloudapi.cn/{ID}/v2.0"))),
                ("token_endpoint", json!(format!("https://login.chinacloudapi.cn/{ID}/oauth2/v2.0/token"))),
            ],
            true,
            "china-21vianet",
        ),
        // The hosts of the addresses.
        (&global, vec![("issuer", json!(format!("https://login.microsoftonline.us/{ID}/v2.0")))], false, "us-gov-l4"),
        (&global, vec![("issuer", json!(format!("https://login.evil.example/{ID}/v2.0")))], false, "https://login.evil.example"),
        (
            &global,
            vec![("token_endpoint", json!(format!("http://login.microsoftonline.com/{ID}/oauth2/v2.0/token")))],
            false,
            "http://login.microsoftonline.com",
        ),
        (
            &global,
            vec![("token_endpoint", json!(format!("https://login.microsoftonline.com:8443/{ID}/oauth2/v2.0/token")))],
            false,
            "https://login.microsoftonline.com:8443",
        ),
    ] {
        let body = document(asked, with(&members));
        assert_eq!(home(asked, &body), (agrees, lives.to_owned()), "{asked:?} {members:?}");
    }
}

#[test]
fn the_document_of_many_tenants_is_none_of_one() {
    for issuer in [
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/{TenantId}/v2.0",
        "https://login.microsoftonline.com/%7Btenantid%7D/v2.0",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    ] {
        let token_endpoint = issuer.replace("/v2.0", "/oauth2/v2.0/token");
        let both = document(&Cloud::Global, with(&[("issuer", json!(issuer)), ("token_endpoint", json!(token_endpoint))]));
        assert_eq!(read(&Cloud::Global, 200, &both), Err(Undiscovered::NoSingleTenant), "{issuer}");
    }
    let common = document(
        &Cloud::Global,
        with(&[
            ("issuer", json!("https://login.microsoftonline.com/{tenantid}/v2.0")),
            ("token_endpoint", json!("https://login.microsoftonline.com/common/oauth2/v2.0/token")),
        ]),
    );
    assert_eq!(read(&Cloud::Global, 200, &common), Err(Undiscovered::NoSingleTenant));
}

#[test]
fn a_document_that_contradicts_itself_or_the_question_is_not_believed() {
    let other = "99990000-aaaa-bbbb-cccc-1111dddd2222";
    let authority = "https://login.microsoftonline.com";
    for (member, value) in [
        ("issuer", json!(format!("{authority}/{other}/v2.0"))),
        ("token_endpoint", json!(format!("{authority}/{other}/oauth2/v2.0/token"))),
        ("issuer", json!(format!("https://sts.windows.net/{ID}/"))),
        ("issuer", json!(format!("{authority}/{ID}/v2.0/"))),
        ("issuer", json!(format!("{authority}/x/{ID}/v2.0"))),
        ("issuer", json!(format!("{authority}/contoso.com/v2.0"))),
        ("issuer", json!("not an address")),
        ("issuer", json!(null)),
        ("issuer", json!([ID])),
        ("token_endpoint", json!(format!("{authority}/common/oauth2/v2.0/token"))),
        ("token_endpoint", json!(format!("{authority}/{ID}/oauth2/token"))),
        ("token_endpoint", json!(7)),
        ("msgraph_host", json!("\u{200b}")),
        ("msgraph_host", json!({})),
        ("cloud_instance_name", json!(" ")),
    ] {
        let body = document(&Cloud::Global, with(&[(member, value.clone())]));
        let answer = read(&Cloud::Global, 200, &body);
        assert!(matches!(answer, Err(Undiscovered::Unreadable(_))), "{member} {value}: {answer:?}");
    }
    let name = TenantName::parse(other).unwrap();
    let question = DiscoveryQuestion { cloud: &Cloud::Global, endpoints: &Endpoints::of(&Cloud::Global).unwrap(), name: &name };
    let answer = question.found(document(&Cloud::Global, |_| {}).as_bytes());
    assert_eq!(answer, Err(Undiscovered::Unreadable("it is about another tenant")));
}

#[test]
fn an_authority_with_a_path_of_its_own_keeps_it_in_what_it_says() {
    let base = "http://127.0.0.1:8099/entra";
    let endpoints =
        Endpoints { authority: Url::parse(base).unwrap(), graph: Url::parse("http://127.0.0.1:8099/graph").unwrap(), extra_ca: None };
    let name = TenantName::Id(TENANT);
    let question = DiscoveryQuestion { cloud: &Cloud::Custom("lab".into()), endpoints: &endpoints, name: &name };
    let document = |base: &str| {
        json!({
            "issuer": format!("{base}/{ID}/v2.0"),
            "token_endpoint": format!("{base}/{ID}/oauth2/v2.0/token"),
            "msgraph_host": "127.0.0.1:8099",
        })
        .to_string()
    };
    assert_eq!(question.found(document(base).as_bytes()).map(|tenant| tenant.id), Ok(TENANT));
    for elsewhere in ["http://127.0.0.1:8099", "http://127.0.0.1:8099/entrance", "http://127.0.0.1:8099/other"] {
        assert!(matches!(question.found(document(elsewhere).as_bytes()), Err(Undiscovered::Unreadable(_))), "{elsewhere}");
    }
}

#[test]
fn refusals_are_told_apart_by_their_code() {
    let error = |error: &str, code: u64| json!({ "error": error, "error_description": "x", "error_codes": [code] }).to_string();
    let global = |status, body: &str| read(&Cloud::Global, status, body);
    let unwell = || Err(Undiscovered::Unreachable { silence: None, retry_after: None });
    assert_eq!(global(400, &error("invalid_tenant", 90_002)), Err(Undiscovered::UnknownTenant));
    assert_eq!(global(400, &error("invalid_request", 90_002)), Err(Undiscovered::UnknownTenant));
    assert_eq!(global(400, r#"{"error":"invalid_tenant"}"#), Err(Undiscovered::UnknownTenant));
    assert_eq!(global(400, &error("invalid_request", 5_000_224)), Err(Undiscovered::Refused(AadstsCode::from_number(5_000_224).unwrap())));
    assert_eq!(global(400, &error("invalid_tenant", 900_023)), Err(Undiscovered::Malformed));
    assert_eq!(global(400, &error("invalid_request", 900_144)), Err(Undiscovered::Refused(AadstsCode::from_number(900_144).unwrap())));
    assert_eq!(global(400, &error("whatever", 1_234_567)), Err(Undiscovered::Refused(AadstsCode::from_number(1_234_567).unwrap())));
    assert_eq!(global(400, &error("temporarily_unavailable", 90_033)), unwell());
    for status in [408, 429, 500, 502, 503, 504, 599] {
        assert_eq!(global(status, &error("invalid_tenant", 90_002)), unwell(), "{status}");
        assert_eq!(global(status, "<html>"), unwell(), "{status}");
    }
    for (status, body) in [
        (400, "<html>".to_owned()),
        (404, String::new()),
        (403, r#"{"error":"whatever"}"#.to_owned()),
        (302, document(&Cloud::Global, |_| {})),
        (204, String::new()),
        (206, document(&Cloud::Global, |_| {})),
        (200, "<html>".to_owned()),
        (200, "null".to_owned()),
        (200, "{}".to_owned()),
        (200, error("invalid_tenant", 90_002)),
        (200, format!("\u{feff}{}", document(&Cloud::Global, |_| {}))),
        (200, format!("[{}]", document(&Cloud::Global, |_| {}))),
        (200, document(&Cloud::Global, |_| {}).replacen('{', r#"{"issuer":"x","#, 1)),
    ] {
        let answer = global(status, &body);
        assert!(matches!(answer, Err(Undiscovered::Unreadable(_))), "{status} {body}: {answer:?}");
    }
}

#[test]
fn what_a_document_says_is_bounded_and_cannot_steer_a_terminal() {
    let hostile = "\u{1b}[2J\u{202e}".repeat(100);
    let body = document(
        &Cloud::Global,
        with(&[
            ("tenant_region_scope", json!(hostile)),
            ("tenant_region_sub_scope", json!(hostile)),
            ("cloud_instance_name", json!(hostile)),
            ("msgraph_host", json!(hostile)),
        ]),
    );
    let Err(Undiscovered::OtherCloud(tenant)) = read(&Cloud::Global, 200, &body) else { panic!() };
    let shown = format!("{} {} {} {}", tenant.home, tenant.graph_host.unwrap(), tenant.region.unwrap(), tenant.sub_scope.unwrap());
    assert!(!shown.chars().any(crate::consent::text::is_steering), "{shown:?}");
    assert!(shown.chars().count() <= 2 * LONGEST_DOMAIN + 2 * LONGEST_WORD + 3);
}

#[test]
fn what_may_change_soon_is_forgotten_within_a_minute_and_silence_at_once() {
    let most = Duration::from_secs(60);
    for error in [Undiscovered::UnknownTenant, Undiscovered::Malformed, Undiscovered::NoSingleTenant] {
        assert_eq!(error.stands(), Some(most));
    }
    let unreachable = |retry_after| Undiscovered::Unreachable { silence: None, retry_after };
    assert_eq!(unreachable(None).stands(), None);
    assert_eq!(unreachable(Some(Duration::from_secs(5))).stands(), Some(Duration::from_secs(5)));
    assert_eq!(unreachable(Some(Duration::from_secs(3600))).stands(), Some(most));
    assert_eq!(Undiscovered::Unreadable("x").stands(), None);
}

#[test]
fn a_clock_that_went_backwards_ends_what_was_remembered() {
    let since = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1000);
    let kept = CachedAnswer { answer: Err(Undiscovered::UnknownTenant), since, until: since + Duration::from_secs(60) };
    for (after, stands) in [(-1, false), (0, true), (59, true), (60, false)] {
        assert_eq!(kept.stands_at(since + time::Duration::seconds(after)), stands, "{after}");
    }
}
