//! One member: its ports, its process, its log.

use super::{MEMBERS, StartError};
use crate::tethered::Tethered;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of its log that an error repeats.
const LOG_TAIL_BYTES: usize = 2000;

/// Ports of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    client: u16,
    peer: u16,
}

impl Place {
    /// Ports that nobody uses now; held until all are chosen, so that no two are the same.
    pub(super) fn choose() -> io::Result<[Self; MEMBERS]> {
        let listeners: io::Result<Vec<_>> =
            (0..2 * MEMBERS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
        let ports: io::Result<Vec<_>> = listeners?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect();
        let ports = ports?;
        Ok(std::array::from_fn(|index| Self { client: ports[2 * index], peer: ports[2 * index + 1] }))
    }
}

/// A running member; killed on drop.
#[derive(Debug)]
pub(super) struct Member {
    process: Tethered,
    index: usize,
    place: Place,
    log: PathBuf,
}

impl Member {
    /// Starts member `index` of those at `places` with its data below `folder`.
    pub(super) fn start(program: &Path, places: &[Place; MEMBERS], index: usize, folder: &Path) -> io::Result<Self> {
        let log = folder.join(format!("{}.log", name(index)));
        let mut command = Tethered::command(program);
        add_arguments(&mut command, places, index, folder);
        let file = File::create(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Ok(Self { process: Tethered::spawn(&mut command)?, index, place: places[index], log })
    }

    pub(super) const fn client_port(&self) -> u16 {
        self.place.client
    }

    pub(super) fn process(&self) -> u32 {
        self.process.id()
    }

    /// An error that says why, if the member has ended.
    pub(super) fn still_runs(&mut self) -> Result<(), StartError> {
        let ended = self.process.ended().map_err(StartError::system("look after etcd"))?;
        ended.map_or(Ok(()), |status| Err(StartError::Ended { member: self.index, status, log: self.log_tail() }))
    }

    fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

fn name(index: usize) -> String {
    format!("member-{index}")
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn add_arguments(command: &mut Command, places: &[Place; MEMBERS], index: usize, folder: &Path) {
    let (client, peer) = (url(places[index].client), url(places[index].peer));
    let everybody = places.iter().enumerate().map(|(at, place)| format!("{}={}", name(at), url(place.peer)));
    let everybody = everybody.collect::<Vec<_>>().join(",");
    command.args(["--name", &name(index)]).arg("--data-dir").arg(folder.join(name(index)));
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &everybody, "--initial-cluster-state", "new"]);
    command.args(["--logger", "zap", "--log-level", "error", "--log-outputs", "stderr"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_ports_of_a_cluster_are_the_same() {
        let places = Place::choose().expect("loopback has ports");
        let ports: HashSet<_> = places.iter().flat_map(|place| [place.client, place.peer]).collect();
        assert_eq!((ports.len(), ports.contains(&0)), (2 * MEMBERS, false));
    }

    #[test]
    fn every_member_is_told_of_all_and_listens_on_loopback_only() {
        let places = [1, 2, 3].map(|number| Place { client: number, peer: 10 + number });
        let mut command = Command::new("etcd");
        add_arguments(&mut command, &places, 1, Path::new("/nowhere"));
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let after = |option: &str| {
            let at = arguments.iter().position(|argument| argument == option).expect("it is given");
            arguments[at + 1].as_str()
        };
        assert_eq!(after("--listen-client-urls"), "http://127.0.0.1:2");
        assert_eq!(after("--listen-peer-urls"), "http://127.0.0.1:12");
        let everybody = "member-0=http://127.0.0.1:11,member-1=http://127.0.0.1:12,member-2=http://127.0.0.1:13";
        assert_eq!(after("--initial-cluster"), everybody);
    }
}
