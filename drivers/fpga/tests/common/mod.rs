//! Requests with known verdicts, software that remembers its verdicts, and a run that counts them.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
use paxon_fpga::{Bus, Driver, Outcome, Slot};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// The longest message that [`Software`] takes.
pub const MESSAGE_BYTES_MAX: usize = 4_096;

/// A request and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    pub scheme: Scheme,
    pub key: Vec<u8>,
    pub signature: Vec<u8>,
    pub message: Vec<u8>,
}

impl Case {
    pub fn request(&self, ticket: u64) -> Request<'_> {
        Request { ticket, scheme: self.scheme, key: &self.key, signature: &self.signature, message: &self.message }
    }

    fn of(request: &Request<'_>) -> Self {
        Self {
            scheme: request.scheme,
            key: request.key.to_vec(),
            signature: request.signature.to_vec(),
            message: request.message.to_vec(),
        }
    }

    /// What the rule says.
    pub fn verdict(&self) -> Verdict {
        let (Ok(key), Ok(signature)) = (<[u8; 32]>::try_from(&self.key[..]), <[u8; 64]>::try_from(&self.signature[..]))
        else {
            return Verdict::Malformed;
        };
        if self.scheme != Scheme::Ed25519 || self.message.len() > MESSAGE_BYTES_MAX {
            return Verdict::Malformed;
        }
        let signature = Signature::from_bytes(&signature);
        let valid =
            VerifyingKey::from_bytes(&key).is_ok_and(|key| key.verify_strict(&self.message, &signature).is_ok());
        if valid { Verdict::Valid } else { Verdict::Invalid }
    }
}

/// A signature that verifies.
pub fn valid(rng: &mut SmallRng, message_bytes: usize) -> Case {
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    let key = SigningKey::from_bytes(&secret);
    let mut message = vec![0; message_bytes];
    rng.fill_bytes(&mut message);
    let signature = key.sign(&message).to_bytes().to_vec();
    Case { scheme: Scheme::Ed25519, key: key.verifying_key().to_bytes().to_vec(), signature, message }
}

/// Valid ones and all kinds of others; some only software can verify.
pub fn cases(rng: &mut SmallRng, count: usize) -> Vec<Case> {
    let mut case = |at: usize| {
        let message_bytes = if at.is_multiple_of(11) { rng.random_range(129..400) } else { rng.random_range(0..=128) };
        let mut case = valid(rng, message_bytes);
        match at % 16 {
            0 => case.signature[rng.random_range(0..64)] ^= 1 << rng.random_range(0..8),
            1 => case.key[rng.random_range(0..32)] ^= 1 << rng.random_range(0..8),
            2 => case.message.push(0),
            // The neutral element as key and as R.
            3 => case.key = [vec![1], vec![0; 31]].concat(),
            4 => case.signature[..32].copy_from_slice(&[&[1_u8][..], &[0; 31]].concat()),
            5 => case.signature[63] |= 0xe0,
            6 if at.is_multiple_of(32) => drop(case.key.pop()),
            6 => case.signature.push(0),
            7 if at.is_multiple_of(3) => case.scheme = Scheme::MlDsa44,
            _ => {}
        }
        case
    };
    (0..count).map(&mut case).collect()
}

/// Verifies by the rule, remembers what it found, takes `capacity` at a time.
pub struct Software {
    known: HashMap<Case, Verdict>,
    ready: VecDeque<Verified>,
    capacity: usize,
}

impl Software {
    pub fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), ready: VecDeque::new(), capacity }
    }
}

impl Verifier for Software {
    fn supports(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Ed25519
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        let taken = requests.len().min(self.capacity - self.ready.len());
        for request in &requests[..taken] {
            let case = Case::of(request);
            let verdict = *self.known.entry(case).or_insert_with_key(Case::verdict);
            self.ready.push_back(Verified { ticket: request.ticket, verdict });
        }
        taken
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        let count = self.ready.len();
        verdicts.extend(self.ready.drain(..));
        count
    }
}

/// The model's own decision, remembered.
pub fn remembering() -> impl FnMut(&Slot) -> Outcome + Send {
    let mut known = HashMap::new();
    move |slot| {
        let request = (slot.header(), slot.message_bytes(), slot.key(), slot.signature(), slot.message().to_vec());
        *known.entry(request).or_insert_with(|| Outcome::of(slot))
    }
}

/// Lets polls go by until the driver is in none of the conditions that pass.
pub fn settle<B: Bus>(driver: &mut Driver<B>) {
    use paxon_fpga::Condition::{Probing, Resetting};
    let mut verdicts = Vec::new();
    for _ in 0..100_000 {
        if ![Probing, Resetting].contains(&driver.condition()) {
            assert!(verdicts.is_empty(), "no request, but verdicts: {verdicts:?}");
            return;
        }
        driver.poll(&mut verdicts);
    }
    panic!("the device is neither served nor retired: {:?}", driver.fault());
}

/// Submits `count` requests out of `cases`, in batches of random size, and takes their verdicts: exactly one each, and right.
/// `each` sees the driver and the number of verdicts after every poll.
pub fn run<V: Verifier>(
    driver: &mut V,
    cases: &[Case],
    count: usize,
    rng: &mut SmallRng,
    mut each: impl FnMut(&mut V, usize),
) {
    let expected: Vec<_> = cases.iter().map(Case::verdict).collect();
    let picks: Vec<_> = (0..count).map(|_| rng.random_range(0..cases.len())).collect();
    let mut done = vec![false; count];
    let (mut submitted, mut answered, mut idle) = (0, 0, 0);
    let mut verdicts = Vec::new();
    while answered < count {
        let batch = rng.random_range(1..=32).min(count - submitted);
        let requests: Vec<_> = (submitted..submitted + batch).map(|at| cases[picks[at]].request(at as u64)).collect();
        submitted += driver.submit(&requests);
        driver.poll(&mut verdicts);
        idle = if verdicts.is_empty() { idle + 1 } else { 0 };
        assert!(idle < 1_000_000, "{answered} of {count} verdicts, then none");
        for verified in verdicts.drain(..) {
            let at = verified.ticket as usize;
            assert!(at < submitted && !done[at], "request {at} has a second verdict, or was never made");
            assert_eq!(verified.verdict, expected[picks[at]], "request {at}: {:?}", cases[picks[at]]);
            done[at] = true;
            answered += 1;
        }
        each(driver, answered);
    }
    let mut more = Vec::new();
    for _ in 0..100 {
        driver.poll(&mut more);
    }
    assert!(more.is_empty(), "verdicts without requests: {more:?}");
}

thread_local! {
    static LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Keeps what a thread logs.
struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{}: {}", record.level(), record.args())));
    }

    fn flush(&self) {}
}

/// Starts to keep this thread's log lines.
pub fn keep_log() {
    static ONCE: Mutex<bool> = Mutex::new(false);
    let mut set = ONCE.lock().expect("no test panics with the lock");
    if !*set {
        log::set_logger(&Lines).expect("this binary has no other logger");
        log::set_max_level(log::LevelFilter::Info);
        *set = true;
    }
}

/// Whether a line of this level with this text was logged by this thread.
pub fn logged(level: &str, text: &str) -> bool {
    LINES.with_borrow(|lines| lines.iter().any(|line| line.starts_with(level) && line.contains(text)))
}
