//! What a refused peer leaves in the log. Alone in its process, whose logger it is.

mod town;

use log::{Level, LevelFilter, Log, Metadata, Record};
use paxon_channel::{DialError, Reason, Security};
use std::sync::Mutex;
use town::{R0, R1, Town, operations};

struct Lines(Mutex<Vec<String>>);

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("paxon_channel")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().expect("no panic").push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

static LINES: Lines = Lines(Mutex::new(vec![]));

#[test]
fn a_refused_peer_is_logged_once_by_each_side_with_what_to_do() {
    log::set_logger(&LINES).expect("the first logger");
    log::set_max_level(LevelFilter::Warn);
    let town = Town::new(Security::Tls);
    let mut theirs = town.plan.clone();
    theirs.members[1].key = Some(town.ring.public("mallory"));
    let acceptor = town.open(&theirs, R0);
    let dialler = town.dialler(&town.plan, R1);
    // Each dial of its own is refused anew.
    for refused in 1..=4 {
        dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
        assert_eq!(dialler.failure(), DialError::OurKeyUnknown { peer: R0 });
        dialler.porter.cancel(R0);
        acceptor.until("it is counted", |porter| porter.counters().refused(Reason::UnknownKey) >= refused);
    }
    drop((acceptor, dialler));
    let lines = LINES.0.lock().expect("no panic");
    let [here, there] = ["refused 127.0.0.1:", "cannot connect to r0"]
        .map(|begin| lines.iter().filter(|line| line.starts_with(begin)).collect::<Vec<_>>());
    assert_eq!((here.len(), there.len(), lines.len()), (1, 1, 2), "{lines:#?}");
    assert!(here[0].contains(&town.ring.public("r1").to_string()), "the key to add: {}", here[0]);
    assert!(!lines.iter().any(|line| line.contains("PRIVATE")));
}
