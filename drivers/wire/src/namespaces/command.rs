//! The programs that do the work: `ip`, `tc` and `nft`.

use super::{NamespaceError, enter};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

/// Which Debian package has a program.
const PACKAGES: [(&str, &str); 3] = [("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables")];

/// Runs a program to its end with `input`, and returns what it printed.
pub(super) fn run(program: &str, args: &[&str], input: &str) -> Result<String, NamespaceError> {
    let failed = |problem: String| NamespaceError::Command { command: line(program, args), problem };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => NamespaceError::Unavailable(format!("no `{program}`{}", advice(program))),
        _ => failed(error.to_string()),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says why, and is heard below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
    }
}

/// Runs a program inside a namespace: a child is where the thread is that starts it.
pub(super) fn run_in(name: &str, program: &str, args: &[&str], input: &str) -> Result<String, NamespaceError> {
    enter(name, || run(program, args, input))?
}

/// Runs lines of `ip` in a namespace.
pub(super) fn ip_lines(name: &str, lines: &[String]) -> Result<(), NamespaceError> {
    run("ip", &["-n", name, "-batch", "-"], &lines.join("\n")).map(drop)
}

fn line(program: &str, args: &[&str]) -> String {
    [&[program], args].concat().join(" ")
}

fn advice(program: &str) -> String {
    let package = PACKAGES.iter().find(|(known, _)| *known == program);
    package.map_or_else(String::new, |(_, package)| format!(" (Debian: apt-get install {package})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_means_that_namespaces_are_unavailable() {
        let error = run("paxon-no-such-program", &[], "").expect_err("there is none");
        assert!(matches!(error, NamespaceError::Unavailable(_)), "{error}");
        assert!(advice("nft").contains("apt-get install nftables"));
    }

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error = run("sh", &["-c", "cat >&2; exit 3"], "because").expect_err("it exits with 3").to_string();
        assert!(["sh -c", "3", "because"].iter().all(|part| error.contains(part)), "{error}");
        assert_eq!(run("cat", &[], "input").expect("it works"), "input");
    }
}
