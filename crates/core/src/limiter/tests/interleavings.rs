//! Every order in which workers can reach the store, in the manner of loom: all or none is charged, no limit is exceeded,
//! and a withdrawn charge is given back completely.
//!
//! A state is the store and the answers that it has given to each actor ([`turn`]). The search visits every state
//! that any schedule can reach, each once.

use std::cell::Cell as Shared;
use std::collections::HashSet;
use std::rc::Rc;

use super::*;
use turn::{Answer, Turn, World};

mod turn;

/// The stage of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// It may have been charged.
    Asking,
    /// It was admitted, and holds its cost.
    Admitted,
    /// It was admitted, and is giving back its unused cost.
    Settling,
    /// It was refused.
    Refused,
    /// It has settled: only its request stays charged.
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

/// What the actor does with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It has no body.
    AtOnce,
    /// It has a body, which gives its cost.
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

    /// The standing of the cells of an actor's account.
    fn cells(&self, actors: &[Actor], i: usize) -> Vec<CellStanding> {
        standings(&self.world, &actors[i].account, T0).unwrap().0
    }
}

/// The ends of all schedules.
#[derive(Default)]
struct Found {
    states: usize,
    ends: HashSet<Vec<Stage>>,
}

/// Runs every schedule and checks the properties in every state.
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

/// The units that the actors matching `which` add to a cell.
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

/// In every state: no limit is exceeded, and an admitted cost is charged in all of its cells.
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

/// When all have ended: each cell is charged exactly for the admitted cost. Dead workers may have left more, but at
/// most their requested cost.
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
    // Each refusal is justified: all requests together would not fit into one of its cells.
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
fn a_team_with_one_place_admits_one_request_at_a_time() {
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
fn three_requests_that_share_key_and_team_respect_every_cell() {
    let (own, team) = (limits(9, 500, 0), limits(9, 700, 0));
    let found = explore(&[
        actor(("a", own), team, 300, Act::AtOnce),
        actor(("a", own), team, 300, Act::AtOnce),
        actor(("b", own), team, 300, Act::AtOnce),
    ]);
    assert!(found.ends.iter().all(|end| passed(end) >= 1));
}

#[test]
fn a_withdrawn_request_leaves_no_charge() {
    let (own, team) = (limits(9, 900, 9), limits(1, 900, 1));
    explore(&[
        actor(("a", own), team, 100, Act::Withdraws),
        actor(("b", own), team, 100, Act::AtOnce),
    ]);
}

#[test]
fn a_worker_that_dies_leaves_its_charge_and_admits_no_more() {
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
fn a_refused_request_can_cause_another_refusal_only_until_its_charge_is_undone() {
    let (own, full) = (limits(9, 500, 9), limits(9, 100, 9));
    let mut alone = actor(("a", own), full, 300, Act::AtOnce);
    alone.account = Account::new([Counter::new(Scope::Key, "a", own)]);
    // The team's limit is always too small for the first; the second has no team.
    let found = explore(&[actor(("a", own), full, 300, Act::AtOnce), alone]);
    let ends = [Stage::Settled, Stage::Refused].map(|second| vec![Stage::Refused, second]);
    assert_eq!(found.ends, HashSet::from(ends));
}
