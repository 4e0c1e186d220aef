//! Feeds the verification core and takes its results.

use super::host::Host;
use crate::signature::{EQUAL, Signed};
use crate::stream::{Handshake, Stalls};
use paxon_fpga_sim::{Model, Port};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// What a run of the core measured.
pub struct Run {
    pub reasons: Vec<u64>,
    /// From the first request that was offered to the last result.
    pub cycles: u64,
    /// When each request was taken, and the products that had been started by then.
    pub taken: Vec<(u64, u64)>,
    /// When each result came.
    pub done: Vec<u64>,
    /// Which results came from a comb.
    pub hot: Vec<bool>,
}

/// A verification core with what stands around it.
pub struct Core {
    pub model: Model,
    input: Handshake,
    output: Handshake,
    inputs: [Port; 5],
    outputs: [Port; 4],
    /// Writes combs while the core runs.
    pub host: Host,
    /// Cycles between the first requests, until every context has one: 0 unless set.
    pub pace: u64,
}

impl Core {
    /// The model of that name, idle.
    pub fn new(name: &str) -> Self {
        let model = Model::new(name).expect("the model is in models.txt");
        let port = |name: &str| model.port(name).expect("a port of ed25519_verify_core");
        let inputs = ["tag_i", "key_i", "r_i", "s_i", "digest_i"].map(port);
        let outputs = ["tag_o", "reason_o", "multiplying_o", "hot_o"].map(port);
        let host = Host::new(&model);
        let input = Handshake::new(&model, "valid_i", "ready_o");
        let output = Handshake::new(&model, "valid_o", "ready_i");
        Self { model, input, output, inputs, outputs, host, pace: 0 }
    }

    fn put(&mut self, tag: usize, signed: &Signed) {
        let [tag_i, key, r, s, digest] = self.inputs;
        self.model.set(tag_i, tag as u64);
        self.model.set_bytes(key, &signed.key);
        self.model.set_bytes(r, &signed.r);
        self.model.set_bytes(s, &signed.s);
        self.model.set_bytes(digest, &signed.digest());
    }

    /// Verifies all cases and returns their reasons in order.
    pub fn run(&mut self, cases: &[Signed], stall: Option<u64>) -> Run {
        let mut rng = SmallRng::seed_from_u64(stall.unwrap_or(0));
        let (mut feeding, mut taking) = (Stalls::new(), Stalls::new());
        let mut reasons = vec![None; cases.len()];
        let (mut taken, mut done_at, mut hot) = (Vec::new(), vec![0; cases.len()], vec![false; cases.len()]);
        let (mut next, mut offered, mut done, mut products) = (0, false, 0, 0);
        let start = self.model.cycles();
        while done < cases.len() {
            let now = self.model.cycles() - start;
            let early = next < 16 && now < next as u64 * self.pace;
            let offer = next < cases.len() && !early && (offered || stall.is_none() || feeding.go(&mut rng));
            if offer && !offered {
                self.put(next, &cases[next]);
            }
            offered = offer;
            self.input.offer(&mut self.model, offer);
            self.output.accept(&mut self.model, stall.is_none() || taking.go(&mut rng));
            self.host.step(&mut self.model, taken.len());
            self.model.eval();
            if self.output.moves(&self.model) {
                let tag = self.model.get(self.outputs[0]) as usize;
                let reason = self.model.get(self.outputs[1]);
                assert!(reasons[tag].replace(reason).is_none(), "request {tag} got a second result");
                (done_at[tag], hot[tag]) = (now, self.model.get(self.outputs[3]) == 1);
                done += 1;
            }
            if self.input.moves(&self.model) {
                next += 1;
                offered = false;
                taken.push((now, products));
            }
            self.model.clock(1);
            products += self.model.get(self.outputs[2]);
            assert!(self.model.cycles() - start < 1_000_000 + 60_000 * cases.len() as u64, "{done} results, then none");
        }
        let reasons = reasons.into_iter().map(|reason| reason.expect("all are done")).collect();
        Run { reasons, cycles: self.model.cycles() - start, taken, done: done_at, hot }
    }
}

/// Every reason is that of software, and so both verdicts are.
pub fn agree(cases: &[Signed], reasons: &[u64]) {
    for (at, (signed, reason)) in cases.iter().zip(reasons).enumerate() {
        assert_eq!(*reason, signed.reason(), "case {at} of {}: {signed:02x?}", cases.len());
        assert_eq!(*reason == EQUAL, signed.strict(), "case {at}: {signed:02x?}");
    }
}
