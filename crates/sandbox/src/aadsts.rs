//! Errors of the authority: number, OAuth `error`, HTTP status, text and JSON.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::answer::Answer;

/// An error of the authority, before it becomes JSON, a page or a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aadsts {
    pub(super) code: u32,
    pub(super) error: String,
    pub(super) status: u16,
    pub(super) text: String,
}

impl Aadsts {
    /// The error with the status and `error` that are usual at the token endpoint (protocol reference §2.2).
    pub(super) fn new(code: u32, text: impl Into<String>) -> Self {
        let (status, error) = usual(code);
        Self { code, error: error.into(), status, text: text.into() }
    }

    /// The error for a number that a scenario names without details.
    pub(super) fn scripted(code: u32, app: &str) -> Self {
        Self::new(code, wording(code, app))
    }

    pub(super) fn missing_parameter(name: &str) -> Self {
        Self::new(900_144, format!("The request body must contain the following parameter: '{name}'."))
    }

    /// 90002 for a name in the form of a tenant, else 900023.
    pub(super) fn no_such_tenant(name: &str) -> Self {
        let is_guid = uuid::Uuid::try_parse(name).is_ok();
        let is_domain = name.contains('.')
            && name.len() <= 253
            && name.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        if is_guid || is_domain {
            Self::new(
                90_002,
                format!(
                    "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
                ),
            )
        } else {
            Self::new(900_023, format!("Specified tenant identifier '{name}' is neither a valid DNS name, nor a valid external domain."))
        }
    }

    /// `error_description` in the authority's layout (protocol reference §1.4).
    pub(super) fn description(&self, ids: &Ids) -> String {
        format!(
            "AADSTS{}: {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
            self.code, self.text, ids.trace, ids.correlation, ids.timestamp
        )
    }

    /// The page that explains the number. The address is Microsoft's real one, because clients only show it.
    pub(super) fn uri(&self) -> String {
        format!("https://login.microsoftonline.com/error?code={}", self.code)
    }

    /// The JSON answer of the token endpoint and of discovery (protocol reference §3.2).
    pub(super) fn answer(&self, ids: &Ids) -> Answer {
        let mut body = Map::new();
        body.insert("error".into(), json!(self.error));
        body.insert("error_description".into(), json!(self.description(ids)));
        body.insert("error_codes".into(), json!([self.code]));
        body.insert("timestamp".into(), json!(ids.timestamp));
        body.insert("trace_id".into(), json!(ids.trace));
        body.insert("correlation_id".into(), json!(ids.correlation));
        body.insert("error_uri".into(), json!(self.uri()));
        if self.code == 65_001 {
            body.insert("suberror".into(), json!("consent_required"));
        }
        Answer::json(self.status, &Value::Object(body)).with("x-ms-request-id", &ids.trace).with("client-request-id", &ids.correlation)
    }
}

/// The IDs of one answer of the authority.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    pub(super) trace: String,
    pub(super) correlation: String,
    pub(super) timestamp: String,
}

impl Ids {
    pub(super) fn new(rng: &mut super::rng::SeededRng, now: OffsetDateTime, client_request_id: Option<&str>) -> Self {
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
        let trace = rng.uuid().to_string();
        let correlation = client_request_id.map_or_else(|| rng.uuid().to_string(), str::to_owned);
        Self { trace, correlation, timestamp: now.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default() }
    }
}

/// The usual status and `error` at the token endpoint. For numbers without a capture in the protocol reference, these are the values of
/// similar numbers.
fn usual(code: u32) -> (u16, &'static str) {
    match code {
        7_000_215 | 7_000_216 | 7_000_218 | 7_000_222 | 7_000_229 | 700_021 | 700_023 | 700_024 | 700_025 | 700_027 | 700_030 | 50_012
        | 50_013 | 50_027 | 1_000_502 | 7_000_214 | 7_000_274 | 7_000_277 | 7_005_003 | 7_005_004 | 7_005_005 | 70_021 | 70_025
        | 700_211 | 700_212 | 700_213 | 700_223 | 700_238 | 7_002_131 => (401, "invalid_client"),
        700_016 | 700_011 | 70_001 | 7_000_112 | 1_000_031 | 50_194 => (400, "unauthorized_client"),
        70_011 | 1_002_012 | 28_002 | 28_003 => (400, "invalid_scope"),
        500_011 | 500_014 | 50_001 | 650_057 => (400, "invalid_resource"),
        70_003 | 9_001_023 => (400, "unsupported_grant_type"),
        50_049 => (400, "invalid_instance"),
        53_000..=53_003 | 530_032 | 530_035 | 50_097 | 50_131 | 50_158 | 50_005 | 50_196 | 65_001 | 50_105 => (400, "invalid_grant"),
        50_072 | 50_074 | 50_076 | 50_078 | 50_079 => (400, "interaction_required"),
        90_006 | 90_012 | 90_024 | 90_033 | 50_033 => (503, "temporarily_unavailable"),
        90_055 => (429, "temporarily_unavailable"),
        650_053 => (400, "invalid_client"),
        65_004 | 50_020 | 650_051 | 650_052 | 90_094 => (400, "access_denied"),
        90_090 | 90_097 => (500, "server_error"),
        _ => (400, "invalid_request"),
    }
}

fn wording(code: u32, app: &str) -> String {
    match code {
        53_003 => "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.".into(),
        53_000 => "Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant.".into(),
        50_097 => "Device authentication is required.".into(),
        50_076 => "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'.".into(),
        50_196 => "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.".into(),
        65_001 => format!("The user or administrator has not consented to use the application with ID '{app}'. Send an interactive authorization request for this user and resource."),
        650_051 => format!("The service principal name is already present for the application '{app}', and could not be created."),
        650_052 => format!("The app is trying to access a service that your organization lacks a service principal for. Application: '{app}'."),
        700_016 => format!("Application with identifier '{app}' was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."),
        7_000_112 => format!("Application '{app}' is disabled."),
        7_000_215 => format!("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."),
        7_000_222 => format!("The provided client secret keys for app '{app}' are expired. Create new keys for your app."),
        7_000_229 => format!("The client application {app} is missing service principal in the tenant."),
        90_002 => "Tenant not found.".into(),
        5_000_224 => "We are sorry, this resource is not available.".into(),
        90_090 => "A transient error has occurred while recording the consent. Please try again.".into(),
        90_033 => "A transient error has occurred. Please try again.".into(),
        90_055 => "The tenant has been throttled.".into(),
        _ => format!("The request for the application '{app}' was refused."),
    }
}
