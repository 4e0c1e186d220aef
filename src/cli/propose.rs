//! `paxon propose`: has lines applied, each exactly once.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::{Receipt, line_command};
use crate::cli::output::Output;
use crate::cli::remote::Remote;
use crate::cli::session::RemoteSession;
use crate::cli::table::{amount, count};
use paxon_client::{Applied, Pending};
use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::Duration;

/// Which cluster, and how long to try.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// The cluster file
    #[arg(short, long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// How many seconds to try before giving up
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: u64,
}

impl ClusterArgs {
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Have a line, or each line of the standard input, applied exactly once
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Have a line, or each line of the standard input, applied exactly once.\n\n\
        The lines enter the ledger of the cluster in their order; each gets a number there. Lines are any bytes. A line \
        that was under way when the leader died is sent again to the next and still applied once.",
    after_help = "Examples:\n  paxon propose 'buy 100 ACME'\n  paxon propose - < orders.txt"
)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The line; `-` reads lines from the standard input
    #[arg(value_name = "TEXT", default_value = "-")]
    text: String,
}

/// What has been done so far.
#[derive(Default)]
struct Totals {
    commands: u64,
    last: Option<(Applied, Receipt)>,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let cluster = ClusterFile::read(&args.cluster.config)?;
    let remote = Remote::new(&cluster, args.cluster.patience(), &Interrupt::listen()?)?;
    let mut session = RemoteSession::open(remote)?;
    let mut totals = Totals::default();
    if args.text == "-" {
        // Twice as many as may be under way, so that there is always one to follow.
        let most = 2 * cluster.session_window();
        propose_lines(io::stdin().lock(), cluster.command_bytes_max(), most, &mut session, &mut totals)?;
    } else {
        let pending = session.submit(&line_command(args.text.as_bytes()));
        totals.note(session.applied(pending)?);
    }
    totals.report(output)
}

/// Has each line applied, with up to `most` on their way.
fn propose_lines(
    mut input: impl BufRead,
    command_bytes_max: usize,
    most: usize,
    session: &mut RemoteSession,
    totals: &mut Totals,
) -> Result<(), CliError> {
    let mut waiting: VecDeque<Pending<Applied>> = VecDeque::with_capacity(most);
    loop {
        let next = next_command(&mut input, command_bytes_max, totals.commands + waiting.len() as u64 + 1);
        let room = if matches!(next, Ok(Some(_))) { most - 1 } else { 0 };
        while waiting.len() > room
            && let Some(pending) = waiting.pop_front()
        {
            totals.note(session.applied(pending)?);
        }
        match next? {
            Some(command) => waiting.push_back(session.submit(&command)),
            None => return Ok(()),
        }
    }
}

/// The command of the next line, without ever holding more of a line than a command may have.
fn next_command(input: &mut impl BufRead, command_bytes_max: usize, number: u64) -> Result<Option<Vec<u8>>, CliError> {
    let mut command = line_command(b"");
    let header = command.len();
    let room = (command_bytes_max - header + 1) as u64;
    io::Read::take(input, room)
        .read_until(b'\n', &mut command)
        .map_err(|error| CliError::failed("cannot read the standard input", &error))?;
    if command.len() == header {
        return Ok(None);
    }
    match command.last() {
        Some(b'\n') => drop(command.pop()),
        _ if command.len() > command_bytes_max => {
            let most = command_bytes_max - header;
            return Err(CliError::Failed(format!(
                "line {number} has more than {most} bytes, the limit of the cluster; the {} before it were applied",
                number - 1
            )));
        }
        _ => {}
    }
    Ok(Some(command))
}

impl Totals {
    fn note(&mut self, applied: Applied) {
        self.commands += 1;
        self.last = Receipt::decode(&applied.reply).map(|receipt| (applied, receipt));
    }

    fn report(&self, output: &mut Output) -> Result<(), CliError> {
        let Some((applied, Receipt { lines, .. })) = &self.last else {
            output.object(&serde_json::json!({ "commands": 0 }))?;
            return output.line("nothing to propose");
        };
        output.object(&serde_json::json!({ "commands": self.commands, "slot": applied.slot.0, "number": lines }))?;
        output.line(&format!(
            "{} applied; the last is number {} of the ledger, in slot {}",
            amount(self.commands, "line"),
            count(*lines),
            applied.slot.0
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(mut input: &[u8], most: usize) -> Result<Vec<Vec<u8>>, CliError> {
        let mut commands = Vec::new();
        while let Some(command) = next_command(&mut input, most, commands.len() as u64 + 1)? {
            commands.push(command);
        }
        Ok(commands)
    }

    #[test]
    fn lines_are_any_bytes_and_the_last_needs_no_newline() {
        let expected = [&b"a"[..], b"", b"\xFF\r", b"end"].map(line_command);
        assert_eq!(commands(b"a\n\n\xFF\r\nend", 64).expect("short lines"), expected);
        assert_eq!(commands(b"\n", 64).expect("one empty line"), [line_command(b"")]);
        assert!(commands(b"", 64).expect("no line").is_empty());
    }

    #[test]
    fn a_line_is_refused_one_byte_over_the_limit() {
        assert_eq!(commands(b"1234567\n1234567", 8).expect("within the limit").len(), 2);
        let refused = commands(b"1\n12345678\n", 8).expect_err("too long").to_string();
        assert!(refused.contains("line 2") && refused.contains("7 bytes"), "{refused}");
    }
}
