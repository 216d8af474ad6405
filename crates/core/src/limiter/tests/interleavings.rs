//! Every order in which workers can reach the store, in the manner of loom: all or none, never above a limit, and what is
//! undone is given back wholly.
//!
//! A state is the store and the answers that it has given to each actor ([`turn`]); the search goes through all states
//! that any schedule leads to, each once.

use std::cell::Cell as Shared;
use std::collections::HashSet;
use std::rc::Rc;

use super::*;
use turn::{Answer, Turn, World};

mod turn;

/// How far an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// It may have been charged.
    Asking,
    /// It was admitted, and holds its cost.
    Admitted,
    /// It was admitted, and is giving back what it has not used.
    Settling,
    /// It was refused.
    Refused,
    /// It has settled: nothing of it is charged but its request.
    Settled,
}

/// A worker with one request of `tokens` tokens.
struct Actor {
    account: Account,
    tokens: u64,
    act: Act,
    /// Whether its VM may die between any two operations.
    dies: bool,
}

/// What the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It has no body.
    AtOnce,
    /// It has a body, which says what it costs.
    WithBody,
    /// It has a body, for which it is refused.
    Withdraws,
}

impl Actor {
    fn act(&self, store: &Turn<'_>, stage: &Shared<Stage>) {
        let account = self.account.clone();
        let reserved = match self.act {
            Act::AtOnce => reserve(store, account, cost(1, self.tokens), T0),
            Act::WithBody => admit(store, account, 1, T0).and_then(|admitted| {
                admitted.reserve(store, TokenBounds::exactly(self.tokens), T0)
            }),
            Act::Withdraws => {
                if let Ok(admitted) = admit(store, account, 1, T0) {
                    admitted.withdraw(store, T0).unwrap();
                }
                return stage.set(Stage::Refused);
            }
        };
        match reserved {
            Ok(held) => end(store, held, stage),
            Err(NotReserved::Limit(_)) => stage.set(Stage::Refused),
            Err(NotReserved::Store) => panic!("the store does not fail"),
        }
    }
}

fn end(store: &Turn<'_>, held: Reservation, stage: &Shared<Stage>) {
    stage.set(Stage::Admitted);
    // The operation at which the settlement begins is the next one.
    store.get(b"under way").unwrap();
    stage.set(Stage::Settling);
    held.settle(store, 0, T0).unwrap();
    stage.set(Stage::Settled);
}

/// A state of the world.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    world: World,
    answers: Vec<Rc<Vec<Answer>>>,
    stages: Vec<Stage>,
    dead: Vec<bool>,
}

impl State {
    /// Lets one actor make one operation; `None` where it has ended.
    fn step(&self, actors: &[Actor], i: usize) -> Option<Self> {
        let stage = Shared::new(Stage::Asking);
        let act = |turn: &Turn<'_>| actors[i].act(turn, &stage);
        let (world, answer) = turn::step(&self.world, &self.answers[i], act)?;
        let mut next = self.clone();
        next.world = world;
        next.answers[i] = Rc::new([self.answers[i].as_slice(), &[answer]].concat());
        next.stages[i] = stage.get();
        Some(next)
    }

    /// How the cells of an actor's account stand.
    fn cells(&self, actors: &[Actor], i: usize) -> Vec<CellStanding> {
        standings(&self.world, &actors[i].account, T0).unwrap().0
    }
}

/// What every schedule came to.
#[derive(Default)]
struct Found {
    states: usize,
    ends: HashSet<Vec<Stage>>,
}

/// Goes through every schedule and checks the laws in every state.
fn explore(actors: &[Actor]) -> Found {
    let start = State {
        world: World::default(),
        answers: vec![Rc::default(); actors.len()],
        stages: vec![Stage::Asking; actors.len()],
        dead: vec![false; actors.len()],
    };
    let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
    let mut found = Found::default();
    while let Some(state) = open.pop() {
        found.states += 1;
        assert!(
            found.states < 2_000_000,
            "more states than a test should visit"
        );
        check(&state, actors);
        let mut next = Vec::new();
        for i in (0..actors.len()).filter(|i| !state.dead[*i]) {
            let Some(stepped) = state.step(actors, i) else {
                continue;
            };
            if actors[i].dies {
                let mut died = state.clone();
                died.dead[i] = true;
                next.push(died);
            }
            next.push(stepped);
        }
        if next.is_empty() {
            check_end(&state, actors);
            found.ends.insert(state.stages.clone());
        }
        open.extend(next.into_iter().filter(|state| seen.insert(state.clone())));
    }
    found
}

/// The actors that a cell counts, by whether `which` counts them.
fn counted(actors: &[Actor], cell: &Cell, which: impl Fn(usize) -> bool) -> u64 {
    let falls_under = |actor: &Actor| {
        let mut counters = actor.account.counters().iter();
        counters.any(|counter| counter.place() == (cell.scope, cell.id.as_str()))
    };
    let counted = actors.iter().enumerate();
    let counted = counted.filter(|(i, actor)| falls_under(actor) && which(*i));
    let units = counted.map(|(_, actor)| match cell.dimension {
        Dimension::Tokens => actor.tokens,
        Dimension::Requests | Dimension::InFlight => 1,
    });
    units.sum()
}

/// Never above a limit, at any moment; and what was admitted is charged in all of its cells.
fn check(state: &State, actors: &[Actor]) {
    for i in 0..actors.len() {
        for CellStanding { cell, used, .. } in state.cells(actors, i) {
            let admitted = counted(actors, &cell, |i| state.stages[i] == Stage::Admitted);
            assert!(admitted <= u64::from(cell.limit), "{cell:?}");
            assert!(admitted <= used, "{cell:?}: {admitted} of {used}");
            assert!(used <= u64::from(cell.limit), "{cell:?}: {used}");
        }
    }
}

/// Where all have ended: each cell is charged for what was admitted and nothing else. The dead may have left more, and at
/// most what they asked for.
fn check_end(state: &State, actors: &[Actor]) {
    for (i, stage) in state.stages.iter().enumerate() {
        let ended = matches!(stage, Stage::Refused | Stage::Settled);
        assert!(ended || state.dead[i], "{stage:?}");
    }
    for i in 0..actors.len() {
        for CellStanding { cell, used, .. } in state.cells(actors, i) {
            let settled = |i: usize| {
                let passed = state.stages[i] == Stage::Settled;
                passed && !state.dead[i] && cell.dimension == Dimension::Requests
            };
            let kept = counted(actors, &cell, settled);
            let dead = counted(actors, &cell, |i| state.dead[i]);
            assert!((kept..=kept + dead).contains(&used), "{cell:?}: {used}");
        }
    }
    // A refusal has its reason: all of them together would not fit into some cell that it falls under.
    for (i, actor) in actors.iter().enumerate() {
        if state.stages[i] != Stage::Refused || actor.act == Act::Withdraws {
            continue;
        }
        let mut cells = state.cells(actors, i).into_iter();
        let full = |s: CellStanding| counted(actors, &s.cell, |_| true) > u64::from(s.cell.limit);
        assert!(cells.any(full), "actor {i} was refused for nothing");
    }
}

/// Requests, tokens and places of a key, and of its team.
fn actor(key: (&str, Limits), team: Limits, tokens: u64, act: Act) -> Actor {
    Actor {
        account: Account::new([
            Counter::new(Scope::Key, key.0, key.1),
            Counter::new(Scope::Team, "acme", team),
        ]),
        tokens,
        act,
        dies: false,
    }
}

fn passed(end: &[Stage]) -> usize {
    end.iter().filter(|stage| **stage == Stage::Settled).count()
}

#[test]
fn one_place_of_a_team_admits_its_keys_one_at_a_time() {
    let (own, team) = (limits(9, 900, 9), limits(9, 900, 1));
    for act in [Act::AtOnce, Act::WithBody] {
        let found = explore(&[
            actor(("a", own), team, 100, act),
            actor(("b", own), team, 100, act),
        ]);
        let ends: HashSet<_> = found.ends.iter().map(|end| passed(end)).collect();
        assert_eq!(
            ends,
            HashSet::from([1, 2]),
            "one after the other, or one alone"
        );
    }
}

#[test]
fn tokens_of_a_team_are_never_held_twice() {
    let (own, team) = (limits(9, 900, 0), limits(9, 500, 0));
    for (act, other) in [(Act::AtOnce, Act::WithBody), (Act::WithBody, Act::WithBody)] {
        let found = explore(&[
            actor(("a", own), team, 300, act),
            actor(("b", own), team, 300, other),
        ]);
        assert!(found.states > 100);
        assert!(found.ends.iter().all(|end| passed(end) >= 1));
    }
}

#[test]
fn of_three_that_share_key_and_team_each_cell_holds() {
    let (own, team) = (limits(9, 500, 0), limits(9, 700, 0));
    let found = explore(&[
        actor(("a", own), team, 300, Act::AtOnce),
        actor(("a", own), team, 300, Act::AtOnce),
        actor(("b", own), team, 300, Act::AtOnce),
    ]);
    assert!(found.ends.iter().all(|end| passed(end) >= 1));
}

#[test]
fn a_request_that_is_withdrawn_leaves_nothing_behind() {
    let (own, team) = (limits(9, 900, 9), limits(1, 900, 1));
    explore(&[
        actor(("a", own), team, 100, Act::Withdraws),
        actor(("b", own), team, 100, Act::AtOnce),
    ]);
}

#[test]
fn a_worker_that_dies_leaves_its_charge_and_admits_nobody_more() {
    let (own, team) = (limits(9, 900, 9), limits(1, 500, 1));
    for act in [Act::AtOnce, Act::WithBody] {
        let mut mortal = actor(("a", own), team, 300, act);
        mortal.dies = true;
        let found = explore(&[mortal, actor(("b", own), team, 300, Act::WithBody)]);
        let refused = |end: &Vec<Stage>| end[1] == Stage::Refused;
        assert!(found.ends.iter().any(refused), "its charge stays");
    }
}

#[test]
fn a_request_that_is_refused_can_refuse_another_only_while_it_is_being_refused() {
    let (own, full) = (limits(9, 500, 9), limits(9, 100, 9));
    let mut alone = actor(("a", own), full, 300, Act::AtOnce);
    alone.account = Account::new([Counter::new(Scope::Key, "a", own)]);
    // The team never has room for the first; the second has no team.
    let found = explore(&[actor(("a", own), full, 300, Act::AtOnce), alone]);
    let ends = [Stage::Settled, Stage::Refused].map(|second| vec![Stage::Refused, second]);
    assert_eq!(found.ends, HashSet::from(ends));
}
