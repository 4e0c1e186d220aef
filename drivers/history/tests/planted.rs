//! Histories of a correct system are accepted, and every planted violation is found.

use paxon_history::{
    CheckError, Counter, Kind, Kv, KvCommand, KvReply, Ledger, Model, Operation, Outcome, Report, check,
};

type History<M> = Vec<Operation<<M as Model>::Command, <M as Model>::Reply>>;

/// `(began, ended)`, a command or a read in a slot, and its reply.
fn told<C, R>(kind: Kind, (began, at): (u64, u64), slot: u64, command: C, reply: R) -> Operation<C, R> {
    Operation { client: 1, kind, command, began, outcome: Outcome::Replied { at, slot, reply } }
}

fn add(times: (u64, u64), slot: u64, summand: u64, sum: u64) -> Operation<u64, u64> {
    told(Kind::Command, times, slot, summand, sum)
}

fn sum(times: (u64, u64), slot: u64, sum: u64) -> Operation<u64, u64> {
    told(Kind::Read, times, slot, 0, sum)
}

fn unknown<C, R>(began: u64, command: C) -> Operation<C, R> {
    Operation { client: 2, kind: Kind::Command, command, began, outcome: Outcome::Unknown }
}

fn key(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}

fn put(times: (u64, u64), slot: u64, name: &str, value: &str) -> Operation<KvCommand, KvReply> {
    told(Kind::Command, times, slot, KvCommand::Put { key: key(name), value: key(value) }, KvReply::Done)
}

fn get(times: (u64, u64), slot: u64, name: &str, value: &str) -> Operation<KvCommand, KvReply> {
    told(Kind::Read, times, slot, KvCommand::Get { key: key(name) }, KvReply::Value(key(value)))
}

#[track_caller]
fn accepted<M: Model>(history: &History<M>) -> Report {
    check::<M>(history).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn out_of_order<M: Model>(history: &History<M>) {
    let found = check::<M>(history);
    assert!(matches!(found, Err(CheckError::OutOfOrder { .. })), "{found:?}");
}

#[track_caller]
fn wrong_reply<M: Model>(history: &History<M>, expected: &str) {
    match check::<M>(history) {
        Err(CheckError::WrongReply { expected: found, .. }) => assert_eq!(found, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn concurrent_commands_may_be_in_any_order_that_their_slots_and_replies_tell() {
    // The command that began last is in the first slot.
    accepted::<Counter>(&vec![add((0, 100), 2, 5, 12), add((50, 90), 1, 7, 7), sum((95, 120), 2, 12)]);
}

#[test]
fn an_empty_history_and_one_without_any_answer_are_linearizable() {
    assert_eq!(accepted::<Counter>(&vec![]), Report::default());
    assert_eq!(accepted::<Counter>(&vec![unknown(1, 5), unknown(2, 6)]).unknown, 2);
}

#[test]
fn a_stale_read_is_found_by_its_slot() {
    out_of_order::<Counter>(&vec![add((0, 10), 1, 5, 5), add((11, 20), 2, 7, 12), sum((21, 30), 1, 5)]);
    out_of_order::<Counter>(&vec![add((0, 10), 1, 5, 5), sum((11, 20), 0, 0)]);
}

#[test]
fn a_read_that_is_older_than_an_earlier_read_is_found() {
    let history = vec![add((0, 100), 1, 5, 5), sum((10, 20), 1, 5), sum((30, 40), 0, 0)];
    out_of_order::<Counter>(&history);
    let at_once = vec![add((0, 100), 1, 5, 5), sum((10, 31), 1, 5), sum((30, 40), 0, 0)];
    accepted::<Counter>(&at_once);
}

#[test]
fn a_stale_read_that_claims_a_fresh_slot_is_found_by_its_answer() {
    wrong_reply::<Counter>(&vec![add((0, 10), 1, 5, 5), add((11, 20), 2, 7, 12), sum((21, 30), 2, 5)], "12");
}

#[test]
fn a_read_of_what_had_not_begun_is_found() {
    out_of_order::<Kv>(&vec![get((0, 10), 1, "k", "v"), put((20, 30), 1, "k", "v")]);
}

#[test]
fn a_lost_command_is_found_by_the_next_answer() {
    wrong_reply::<Counter>(&vec![add((0, 10), 1, 5, 5), add((11, 20), 2, 7, 7)], "12");
    wrong_reply::<Kv>(
        &vec![
            put((0, 10), 1, "k", "v"),
            told(Kind::Read, (11, 20), 1, KvCommand::Get { key: key("k") }, KvReply::Missing),
        ],
        "Value([118])",
    );
}

#[test]
fn a_command_that_was_executed_twice_is_found() {
    wrong_reply::<Counter>(&vec![add((0, 10), 1, 5, 5), sum((11, 20), 2, 10)], "5");
    // Also if nobody knows whether it was executed at all.
    wrong_reply::<Counter>(&vec![unknown(0, 5), sum((11, 20), 2, 10)], "0");
    accepted::<Counter>(&vec![unknown(0, 5), unknown(0, 5), sum((11, 20), 2, 10)]);
}

#[test]
fn commands_in_the_wrong_order_are_found() {
    out_of_order::<Counter>(&vec![add((0, 10), 2, 5, 12), add((11, 20), 1, 7, 7)]);
    // Their slots are in order, and the answers tell that they were executed the other way.
    wrong_reply::<Counter>(&vec![add((0, 30), 1, 5, 12), add((11, 20), 2, 7, 7)], "5");
}

#[test]
fn two_ledger_lines_that_changed_places_are_found() {
    let history = |lines: [&str; 3]| {
        let mut state = Ledger::initial();
        let replies: Vec<_> = lines.iter().map(|line| Ledger::apply(&mut state, &key(line))).collect();
        replies
    };
    let (right, wrong) = (history(["a", "b", "c"]), history(["b", "a", "c"]));
    let tell = |replies: &[(u64, u64)]| -> History<Ledger> {
        let lines = ["a", "b", "c"].map(key).into_iter().zip(replies);
        lines.zip(1..).map(|((line, reply), slot)| told(Kind::Command, (slot, 100), slot, line, *reply)).collect()
    };
    accepted::<Ledger>(&tell(&right));
    // The first two clients saw one order, the third another.
    let found = check::<Ledger>(&tell(&[right[0], right[1], wrong[2]]));
    assert!(matches!(found, Err(CheckError::WrongReply { .. })), "{found:?}");
}

#[test]
fn a_wrong_reply_is_found_and_the_message_says_what_would_be_right() {
    let error = check::<Counter>(&[add((3, 10), 1, 5, 6)]).expect_err("5 is not 6").to_string();
    for part in ["client 1", "command 5", "3..10 ns", "slot 1", ": 6]", "answers 5"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn one_slot_for_two_commands_is_a_batch_only_if_they_were_under_way_at_once() {
    accepted::<Counter>(&vec![add((0, 10), 1, 5, 12), add((5, 20), 1, 7, 7)]);
    out_of_order::<Counter>(&vec![add((0, 10), 1, 5, 5), add((11, 20), 1, 7, 12)]);
}

#[test]
fn a_batch_whose_replies_fit_no_order_is_found() {
    let batch = |sums: [u64; 3]| -> History<Counter> {
        [1, 2, 3].into_iter().zip(sums).map(|(summand, sum)| add((0, 10), 1, summand, sum)).collect()
    };
    accepted::<Counter>(&batch([6, 5, 3]));
    wrong_reply::<Counter>(&batch([6, 5, 4]), "1");
}

#[test]
fn the_last_write_of_a_batch_is_what_a_later_read_says_and_only_one_is() {
    let batch = || [put((0, 10), 1, "k", "a"), put((0, 10), 1, "k", "b"), put((0, 10), 1, "other", "c")];
    for value in ["a", "b"] {
        accepted::<Kv>(&batch().into_iter().chain([get((11, 20), 1, "k", value)]).collect());
    }
    let both = batch().into_iter().chain([get((11, 20), 1, "k", "a"), get((21, 30), 5, "k", "b")]);
    wrong_reply::<Kv>(&both.collect(), "Value([97])");
}

#[test]
fn a_command_of_a_batch_is_executed_once() {
    let swap = told(Kind::Command, (0, 10), 1, cas(Some("a"), "b"), KvReply::Done);
    let batch = |value| vec![put((0, 10), 1, "k", "a"), swap.clone(), get((11, 20), 1, "k", value)];
    accepted::<Kv>(&batch("b"));
    wrong_reply::<Kv>(&batch("a"), "Value([98])");
}

#[test]
fn an_unknown_command_may_appear_once_it_has_begun_and_not_before() {
    accepted::<Counter>(&vec![unknown(0, 5), add((1, 10), 1, 7, 7), sum((11, 20), 3, 12)]);
    // It began after slot 3 had been shown, so it cannot be in slot 2.
    let before = vec![add((1, 10), 3, 7, 12), unknown(11, 5), sum((12, 20), 3, 12)];
    wrong_reply::<Counter>(&before, "7");
    // Not even if it stands first in the history.
    let listed_first = vec![unknown(21, 7), unknown(0, 5), sum((1, 30), 1, 7), add((1, 20), 3, 1, 8)];
    wrong_reply::<Counter>(&listed_first, "0");
    // The other answers tell which of the two was executed.
    accepted::<Counter>(&vec![unknown(0, 5), unknown(0, 6), sum((1, 20), 1, 6), sum((21, 30), 2, 11)]);
}

fn cas(expected: Option<&str>, value: &str) -> KvCommand {
    KvCommand::Cas { key: key("k"), expected: expected.map(key), value: key(value) }
}

#[test]
fn the_simplest_explanation_of_one_reply_may_not_be_that_of_all() {
    // The unknown write explains the first read alone, but is needed for the second: the two swaps explain the first.
    let write = unknown(0, KvCommand::Put { key: key("k"), value: key("a") });
    let swaps = [unknown(0, cas(None, "b")), unknown(0, cas(Some("b"), "a"))];
    let told = [get((1, 50), 1, "k", "a"), put((1, 50), 2, "k", "c"), get((1, 50), 3, "k", "a")];
    accepted::<Kv>(&[&[write.clone()][..], &swaps, &told].concat());
    wrong_reply::<Kv>(&[&[write][..], &swaps[..1], &told].concat(), "Value([99])");
    wrong_reply::<Kv>(&[&swaps[..], &told].concat(), "Value([99])");
}

#[test]
fn a_refused_command_must_not_appear() {
    let refused = Operation { client: 1, kind: Kind::Command, command: 5, began: 0, outcome: Outcome::Refused };
    accepted::<Counter>(&vec![refused.clone(), sum((11, 20), 1, 0)]);
    wrong_reply::<Counter>(&vec![refused, sum((11, 20), 1, 5)], "0");
}

#[test]
fn a_history_that_contradicts_itself_is_refused() {
    for wrong in [add((10, 9), 1, 5, 5), add((0, 10), 0, 5, 5)] {
        assert!(matches!(check::<Counter>(&[wrong]), Err(CheckError::Malformed { .. })));
    }
}

#[test]
fn what_nothing_tells_apart_is_undecided_and_never_guessed() {
    // Thirty unknown summands, all different, and a sum that none of their subsets gives.
    let mut history: History<Counter> = (0..30).map(|power| unknown(0, 2 << power)).collect();
    history.push(sum((1, 10), 1, 1));
    assert!(matches!(check::<Counter>(&history), Err(CheckError::Undecided { slot: 1, .. })));
}

#[test]
fn many_unknown_commands_that_are_equal_cost_nothing() {
    let mut history: History<Counter> = (0..300).map(|_| unknown(0, 1)).collect();
    history.push(sum((1, 10), 1, 200));
    accepted::<Counter>(&history);
    history.push(sum((11, 20), 2, 301));
    wrong_reply::<Counter>(&history, "200");
}

#[test]
fn a_hundred_thousand_operations_are_checked_in_a_moment() {
    let history: History<Counter> =
        (1..=100_000).map(|slot| add((slot * 10, slot * 10 + 35), slot, 3, slot * 3)).collect();
    let began = std::time::Instant::now();
    assert_eq!(accepted::<Counter>(&history).last_slot, 100_000);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
