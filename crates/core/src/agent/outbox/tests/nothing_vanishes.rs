//! For any order of steps: an admitted event is accepted by its service or counted as dropped, a
//! refusal is in one sum or counted, the sum of an id never changes, and memory stays within its bound.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push {
        lane: usize,
        refused: bool,
        key: u8,
        count: u16,
    },
    Tick {
        config: u32,
    },
    Post {
        config: u32,
    },
    Answer {
        which: usize,
        taken: bool,
    },
    /// The service has accepted the batch, and its answer is lost.
    Lose {
        which: usize,
    },
    Refuse {
        which: usize,
    },
    Retire {
        config: u32,
    },
    Configure {
        config: u32,
        lane: usize,
    },
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let configs = 0u32..3;
    prop_oneof![
        6 => (0usize..2, any::<bool>(), 0u8..4, 1u16..400)
            .prop_map(|(lane, refused, key, count)| Step::Push { lane, refused, key, count }),
        6 => configs.clone().prop_map(|config| Step::Tick { config }),
        2 => configs.clone().prop_map(|config| Step::Post { config }),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, taken)| Step::Answer { which, taken }),
        1 => any::<usize>().prop_map(|which| Step::Lose { which }),
        1 => any::<usize>().prop_map(|which| Step::Refuse { which }),
        1 => configs.clone().prop_map(|config| Step::Retire { config }),
        1 => (configs, 0usize..2).prop_map(|(config, lane)| Step::Configure { config, lane }),
        4 => (1u64..7_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// The state outside the outbox.
struct World {
    outbox: Outbox,
    services: Services,
    lanes: [ServicePolicy; 2],
    now: Nanos,
    calls: u32,
    next_id: u64,
    /// Calls without an answer yet, with the configuration and the batch.
    open: Vec<(u32, u32, Vec<UsageEvent>)>,
    admitted: BTreeMap<u64, usize>,
    refused: u64,
    /// Ids of events that a service accepted by an answer that arrived.
    taken: BTreeSet<u64>,
    refusals_taken: u64,
    sent: BTreeMap<u64, UsageEvent>,
    counts: Counts,
}

impl World {
    fn new() -> Self {
        Self {
            outbox: Outbox::default(),
            services: Services::default(),
            lanes: [service("a", "t", 1), service("b", "t", 1)],
            now: 0,
            calls: 0,
            next_id: 0,
            open: Vec::new(),
            admitted: BTreeMap::new(),
            refused: 0,
            taken: BTreeSet::new(),
            refusals_taken: 0,
            sent: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Push {
                lane,
                refused,
                key,
                count,
            } => self.push(lane, refused, key, count),
            Step::Tick { config } => {
                self.outbox.tick(&self.services, self.now);
                self.post(config, true);
            }
            Step::Post { config } => self.post(config, false),
            Step::Answer { which, taken } => self.answer(which, taken),
            Step::Lose { which } => {
                if !self.open.is_empty() {
                    let _ = self.open.swap_remove(which % self.open.len());
                }
            }
            Step::Refuse { which } => {
                if let Some(post) =
                    self.outbox
                        .poll(which as u32 % 3, &self.services, true, self.now)
                {
                    self.outbox.failed(post.id, self.now);
                }
            }
            Step::Retire { config } => {
                self.services.retired(config);
                self.outbox.retired(config);
                self.open.retain(|(_, from, _)| *from != config);
            }
            Step::Configure { config, lane } => {
                self.services.configured(config, Some(&self.lanes[lane]))
            }
            Step::Wait { millis } => self.now += millis * MILLI,
        }
        let counts = self.outbox.take_counts();
        self.counts.dropped += counts.dropped;
        self.counts.refusals_dropped += counts.refusals_dropped;
    }

    fn push(&mut self, lane: usize, refused: bool, key: u8, count: u16) {
        for _ in 0..count {
            self.next_id += 1;
            let decision = if refused {
                "key_revoked"
            } else {
                Decision::Allowed.name()
            };
            let event = event(self.next_id, &format!("key_{key}"), decision);
            if refused {
                self.refused += 1;
            } else {
                self.admitted.insert(self.next_id, lane);
            }
            self.outbox
                .push(event, &self.lanes[lane], &self.services, self.now);
        }
    }

    fn post(&mut self, config: u32, flush: bool) {
        while let Some(post) = self.outbox.poll(config, &self.services, flush, self.now) {
            let events = read(&post);
            for event in &events {
                let id = ids(std::slice::from_ref(event))[0];
                if event.is_admitted() {
                    assert_eq!(self.lanes[self.admitted[&id]].cluster, post.service.cluster);
                }
                let before = self.sent.entry(id).or_insert_with(|| event.clone());
                assert_eq!(before, event, "what has an id never changes");
            }
            self.calls += 1;
            self.outbox.sent(post.id, self.calls);
            self.open.push((self.calls, config, events));
        }
    }

    fn answer(&mut self, which: usize, taken: bool) {
        if self.open.is_empty() {
            return;
        }
        let (call, _, events) = self.open.swap_remove(which % self.open.len());
        let known = self.outbox.answered(call, taken, self.now);
        if known && taken {
            for event in events {
                assert!(
                    self.taken.insert(ids(std::slice::from_ref(&event))[0]),
                    "counted twice"
                );
                if !event.is_admitted() {
                    self.refusals_taken += u64::from(event.requests);
                }
            }
        }
    }

    /// Drains the outbox: each service has a live configuration and answers every call.
    fn drain(&mut self) {
        for lane in 0..2u32 {
            self.services
                .configured(10 + lane, Some(&self.lanes[lane as usize]));
        }
        for _ in 0..400 {
            self.run(Step::Wait { millis: 2_100 });
            self.run(Step::Tick { config: 10 });
            while !self.open.is_empty() {
                self.answer(0, true);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn nothing_vanishes(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
            prop_assert!(world.outbox.held <= 1 << 20, "{} bytes", world.outbox.held);
        }
        world.drain();
        let missing = world.admitted.keys().filter(|id| !world.taken.contains(id)).count();
        prop_assert_eq!(missing as u64, world.counts.dropped);
        prop_assert_eq!(world.refusals_taken + world.counts.refusals_dropped, world.refused);
        prop_assert_eq!(world.outbox.held, 0);
    }
}
