//! Random histories: those of a correct system are accepted, and the checker agrees with the definition on small ones.

use paxon_history::{CheckError, Counter, Kind, Kv, KvCommand, KvReply, Model, Operation, Outcome, check};
use proptest::prelude::*;

/// What one client does to a counter.
#[derive(Clone, Debug)]
struct Plan {
    summand: u64,
    read: bool,
    /// The client gets no answer; and whether the command takes effect all the same.
    unanswered: Option<bool>,
    /// How long before and after its effect it was under way.
    around: (u64, u64),
}

fn plan() -> impl Strategy<Value = Plan> {
    let unanswered = prop_oneof![8 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (1..50_u64, any::<bool>(), unanswered, (0..40_u64, 0..40_u64))
        .prop_map(|(summand, read, unanswered, around)| Plan { summand, read, unanswered, around })
}

/// A history in which the n-th operation takes effect at time `100 + 10 n`; commands get slots in that order.
fn correct(plans: &[Plan]) -> Vec<Operation<u64, u64>> {
    let (mut state, mut slot) = (0, 0);
    let operation = |(index, plan): (usize, &Plan)| {
        let at = 100 + 10 * index as u64;
        let (kind, command) = if plan.read { (Kind::Read, 0) } else { (Kind::Command, plan.summand) };
        if kind == Kind::Command && plan.unanswered != Some(false) {
            slot += 1;
            state += command;
        }
        let outcome = match plan.unanswered {
            Some(_) => Outcome::Unknown,
            None => Outcome::Replied { at: at + plan.around.1, slot, reply: state },
        };
        Operation { client: index as u64, kind, command, began: at - plan.around.0, outcome }
    };
    plans.iter().enumerate().map(operation).collect()
}

/// Operations on one key of a store.
type Told = Operation<KvCommand, KvReply>;

/// The definition, tried out: some order of the answered operations and some of the unknown ones that respects slots and
/// time and gives all replies. `left` holds what has no place yet; `slot` is the last place, `state` what it left, and `open`
/// the first slot in which a command may still be: not one whose state was read.
fn is_explained(left: &mut Vec<(u64, Told)>, state: &Option<Vec<u8>>, (slot, open): (u64, u64)) -> bool {
    if left.iter().all(|(_, operation)| operation.outcome == Outcome::Unknown) {
        return true;
    }
    (0..left.len()).any(|index| {
        let (floor, next) = left[index].clone();
        let mut after = state.clone();
        let answer = Kv::apply(&mut after, &next.command);
        let (place, fits) = match (&next.outcome, next.kind) {
            (Outcome::Replied { slot: own, reply, .. }, Kind::Command) => (*own, *own > slot && *reply == answer),
            (Outcome::Replied { slot: own, reply, .. }, Kind::Read) => (*own, *own >= slot && *reply == answer),
            // Slots lie ten apart, so that there is room for unknown commands between any two.
            (_, kind) => (open.max(floor + 1), kind == Kind::Command),
        };
        let ends_before = |other: &Told| matches!(other.outcome, Outcome::Replied { at, .. } if at < next.began);
        if !fits || left.iter().any(|(_, other)| ends_before(other)) {
            return false;
        }
        let (after, open) = if next.kind == Kind::Read { (state.clone(), place + 1) } else { (after, place) };
        let taken = left.remove(index);
        let explained = is_explained(left, &after, (place, open));
        left.insert(index, taken);
        explained
    })
}

/// Every operation with the last slot that had been shown when it began.
fn with_floors(history: &[Told]) -> Vec<(u64, Told)> {
    let floor = |began: u64| {
        let shown = history.iter().filter_map(|operation| match operation.outcome {
            Outcome::Replied { at, slot, .. } if at < began => Some(slot),
            _ => None,
        });
        shown.max().unwrap_or(0)
    };
    history.iter().map(|operation| (floor(operation.began), operation.clone())).collect()
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![b"a".to_vec(), b"b".to_vec()])
}

fn kv_command() -> impl Strategy<Value = KvCommand> {
    let key = || b"k".to_vec();
    prop_oneof![
        Just(KvCommand::Get { key: key() }),
        Just(KvCommand::Delete { key: key() }),
        value().prop_map(move |value| KvCommand::Put { key: key(), value }),
        (prop::option::of(value()), value()).prop_map(move |(expected, value)| KvCommand::Cas {
            key: key(),
            expected,
            value
        }),
    ]
}

/// What one client does to a store, as a [`Plan`].
type KvPlan = (KvCommand, bool, Option<bool>, (u64, u64));

fn kv_plan() -> impl Strategy<Value = KvPlan> {
    let unanswered = prop_oneof![2 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (kv_command(), any::<bool>(), unanswered, (0..30_u64, 0..30_u64))
}

/// As [`correct`], with slots ten apart.
fn correct_kv(plans: &[KvPlan]) -> Vec<Told> {
    let (mut state, mut slot) = (None, 0);
    let operation = |(index, (command, read, unanswered, around)): (usize, &KvPlan)| {
        let at = 100 + 10 * index as u64;
        let get = matches!(command, KvCommand::Get { .. });
        let kind = if get && *read { Kind::Read } else { Kind::Command };
        let mut after = state.clone();
        let reply = Kv::apply(&mut after, command);
        if kind == Kind::Command && *unanswered != Some(false) {
            slot += 10;
            state = after;
        }
        let outcome = match unanswered {
            Some(_) => Outcome::Unknown,
            None => Outcome::Replied { at: at + around.1, slot, reply },
        };
        Operation { client: index as u64, kind, command: command.clone(), began: at - around.0, outcome }
    };
    plans.iter().enumerate().map(operation).collect()
}

/// Something that is wrong with one operation.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Reply(KvReply),
    Slot(u64),
    Later(u64),
    Earlier(u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    let reply = prop_oneof![
        Just(KvReply::Done),
        Just(KvReply::Missing),
        value().prop_map(KvReply::Value),
        value().prop_map(KvReply::Conflict),
    ];
    prop_oneof![
        1 => Just(Damage::None),
        3 => reply.prop_map(Damage::Reply),
        // Between the slots of others, so that no two commands share one.
        2 => (0..7_u64).prop_map(|place| Damage::Slot(10 * place + 5)),
        1 => (10..50_u64).prop_map(Damage::Later),
        1 => (10..50_u64).prop_map(Damage::Earlier),
    ]
}

fn damaged(mut history: Vec<Told>, victim: prop::sample::Index, damage: Damage) -> Vec<Told> {
    if history.is_empty() {
        return history;
    }
    let victim = victim.index(history.len());
    let operation = &mut history[victim];
    if let Outcome::Replied { at, slot, reply } = &mut operation.outcome {
        match damage {
            Damage::None => {}
            Damage::Reply(wrong) => *reply = wrong,
            Damage::Slot(wrong) => *slot = wrong,
            Damage::Later(by) => (operation.began, *at) = (operation.began + by, *at + by),
            Damage::Earlier(by) => (operation.began, *at) = (operation.began - by, *at - by),
        }
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_correct_system_does_is_accepted(plans in prop::collection::vec(plan(), 0..60)) {
        let found = check::<Counter>(&correct(&plans));
        prop_assert!(found.is_ok(), "{:?}", found);
    }

    #[test]
    fn a_changed_reply_is_never_accepted_when_every_outcome_is_known(
        plans in prop::collection::vec(plan(), 1..60),
        victim in any::<prop::sample::Index>(),
        by in 1..1000_u64,
    ) {
        let known: Vec<_> = plans.into_iter().map(|plan| Plan { unanswered: None, ..plan }).collect();
        let mut history = correct(&known);
        let victim = victim.index(history.len());
        if let Outcome::Replied { reply, .. } = &mut history[victim].outcome {
            *reply += by;
        }
        let is_found = matches!(check::<Counter>(&history), Err(CheckError::WrongReply { .. }));
        prop_assert!(is_found, "operation {} of {:?}", victim, history);
    }

    #[test]
    fn the_checker_agrees_with_the_definition(
        plans in prop::collection::vec(kv_plan(), 0..7),
        victim in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let history = damaged(correct_kv(&plans), victim, damage);
        let expected = is_explained(&mut with_floors(&history), &None, (0, 1));
        let found = check::<Kv>(&history);
        prop_assert_eq!(found.is_ok(), expected, "{:?} of {:?}", found, history);
    }
}
