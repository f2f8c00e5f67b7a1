//! The integration tests: one crate, so that the library is linked once.

// With this, clippy also treats helper functions here as test code. By itself it recognises only `#[test]` functions.
#![cfg(test)]

mod at_aws;
mod bulk_links;
mod command_line;
mod companions;
mod config;
mod connections;
mod credentials;
mod discovery;
mod doctor;
mod earlier_checks;
mod expiry;
mod federated;
mod field;
#[cfg(target_os = "linux")]
mod first_customer;
mod fixtures;
#[cfg(target_os = "linux")]
mod freeze;
mod fuzzing;
mod goldens;
mod held;
mod help;
mod help_page;
mod init;
mod inspect;
mod invitation;
mod invitation_page;
mod journey;
mod keys;
mod lambda;
mod layers;
mod lives;
mod lost_callback;
mod moto;
mod one_link;
mod one_list;
mod pages;
mod plan_command;
mod practice;
mod queue_and_bus;
mod real_binary;
mod record;
mod registration;
mod rehearse;
mod renewal;
mod replays;
mod scopes;
mod secrets;
mod serve;
#[cfg(target_os = "linux")]
mod soak;
mod stack;
mod status_command;
mod support;
mod tables;
mod template;
mod tenants_command;
mod terminal_output;
#[cfg(target_os = "linux")]
mod three_days;
mod trust;
mod two_hundred;
mod unrecorded;
mod upstream;
mod verify;
mod verify_command;
mod worker;
