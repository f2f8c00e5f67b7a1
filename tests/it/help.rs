//! The program's own output: every `--help`, completions, colours.

use clap::CommandFactory as _;
use entra_consent::cli::Cli;

use crate::support::golden;
use crate::support::terminal::Terminal;

/// Every command and subcommand, as a user types it.
fn commands(command: &clap::Command, path: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![path.to_vec()];
    for sub in command.get_subcommands() {
        all.extend(commands(sub, &[path, &[sub.get_name().to_owned()]].concat()));
    }
    all
}

#[test]
fn every_help_fits_80_columns_teaches_with_examples_and_is_as_reviewed() {
    let terminal = Terminal::new();
    for path in commands(&Cli::command(), &[]) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let told = terminal.run(&arguments);
        assert_eq!((told.status, told.err.as_str()), (0, ""), "{arguments:?}");
        let wide: Vec<_> = told.out.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
        // The help of the root command shows first steps instead.
        if !path.is_empty() {
            let example = format!("  entra-consent {}", path.join(" "));
            let before_options = told.out.split("Usage:").next().unwrap();
            assert!(
                before_options.contains("Example") && before_options.contains(&example),
                "{arguments:?} begins without an example:\n{}",
                told.out
            );
        }
        let name = if path.is_empty() { "entra-consent".to_owned() } else { path.join("-") };
        golden::assert_same(&format!("help/{name}.txt"), &told.out);
    }
}

#[test]
fn the_short_help_of_each_command_fits_one_screen() {
    let terminal = Terminal::new();
    for path in commands(&Cli::command(), &[]).into_iter().filter(|path| !path.is_empty()) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["-h"]).collect();
        let told = terminal.run(&arguments);
        assert_eq!((told.status, told.err.as_str()), (0, ""), "{arguments:?}");
        assert!(told.out.lines().count() <= 24 && told.out.lines().all(|line| line.chars().count() <= 80), "{arguments:?}:\n{}", told.out);
        let all = format!("entra-consent {} --help shows examples and all options.", path.join(" "));
        assert!(told.out.contains(&all) && !told.out.contains("Example:"), "{}", told.out);
        golden::assert_same(&format!("help/short/{}.txt", path.join("-")), &told.out);
    }
}

#[test]
fn each_shell_gets_completions_that_know_every_command() {
    let terminal = Terminal::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let told = terminal.run(&["completions", shell]);
        assert_eq!((told.status, told.err.as_str()), (0, ""), "{shell}");
        for command in Cli::command().get_subcommands() {
            assert!(told.out.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
    assert_eq!(terminal.run(&["completions", "tcsh"]).status, 2);
}

#[test]
fn colours_are_for_terminals_and_for_who_forces_them_and_never_against_no_color() {
    let run = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(crate::support::terminal::PROGRAM);
        let output = command.arg("nonsense").env_clear().envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap().contains('\u{1b}')
    };
    assert!(!run(&[("TERM", "xterm-256color")]));
    assert!(run(&[("CLICOLOR_FORCE", "1")]), "without this the next line proves nothing");
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!run(&[("TERM", "xterm"), ("CLICOLOR", "0")]));
}

#[test]
fn the_documentation_of_the_command_line_names_every_command_and_every_exit_status() {
    let page = include_str!("../../docs/command-line.md");
    for path in commands(&Cli::command(), &[]).into_iter().filter(|path| !path.is_empty()) {
        assert!(page.contains(&format!("`{}", path.join(" "))), "{path:?}");
    }
    let help = Terminal::new().run(&["--help"]).out;
    let statuses = help.split("Exit status:\n").nth(1).unwrap();
    for line in statuses.lines() {
        let (status, meaning) = line.trim().split_once(' ').unwrap();
        assert!(page.contains(&format!("| {status} | {}", meaning.trim())), "{line}");
    }
}

/// The sentences of a table's cell. What is code, or the address of a link, is none.
fn sentences(cell: &str) -> usize {
    let mut plain = String::new();
    for (at, part) in cell.split('`').enumerate() {
        plain.push_str(if at % 2 == 0 { part } else { "X" });
    }
    let ends = plain.match_indices(['.', '!', '?']).filter(|(at, _)| {
        let mut after = plain[at + 1..].chars();
        after.next() == Some(' ') && after.next().is_some_and(|next| next.is_uppercase() || "*([".contains(next))
    });
    ends.count() + 1
}

#[test]
fn no_cell_of_a_table_in_a_guide_has_more_than_two_sentences() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut guides = vec![project.join("README.md")];
    guides.extend(std::fs::read_dir(project.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    // Programs write these two.
    guides.retain(|guide| {
        guide.extension().is_some_and(|end| end == "md") && !guide.ends_with("outcomes.md") && !guide.ends_with("aadsts.md")
    });
    assert!(guides.len() > 20, "{guides:?}");
    for guide in guides {
        let text = std::fs::read_to_string(&guide).unwrap();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            for cell in line.trim_matches('|').split(" | ") {
                assert!(sentences(cell) <= 2, "{}: {cell}", guide.display());
            }
        }
    }
}
