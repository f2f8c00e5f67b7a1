//! Reads records from CloudWatch Logs, for commands at a terminal.

use aws_sdk_cloudwatchlogs::config::Builder;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata};

use super::AwsClients;

/// Most attempts at one page. AWS allows few requests a second, and no browser waits.
const ATTEMPTS: u32 = 10;

/// Passes each line of a log group that contains `word` to `take`. `since` is in milliseconds since 1970.
///
/// # Errors
/// AWS's own error, for people.
pub(crate) async fn read(clients: &AwsClients, group: &str, word: &str, since: i64, mut take: impl FnMut(&str)) -> Result<(), String> {
    let settings = Builder::from(clients.shared().await).retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)).build();
    let client = aws_sdk_cloudwatchlogs::Client::from_conf(settings);
    // The pattern matches the text, so that other lines of the group stay at AWS.
    let request = client.filter_log_events().log_group_name(group).start_time(since).filter_pattern(format!("\"{word}\""));
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => DisplayErrorContext(&error).to_string(),
        })?;
        page.events().iter().filter_map(|event| event.message()).for_each(&mut take);
    }
    Ok(())
}
