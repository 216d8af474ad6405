//! One operation of one actor.
//!
//! An actor is a function of the store's answers. It is run again from its start with its earlier answers,
//! makes one more operation, and is stopped by unwinding at the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use crate::shared::{CounterStore, StoreError, SwapError, Version};

/// A store that can be copied and compared. It can only be read directly.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct World(BTreeMap<Vec<u8>, (Vec<u8>, u32)>);

type Read = Option<(Vec<u8>, Version)>;

/// An answer of the store.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Read(Read),
    Swapped(Result<(), SwapError>),
}

/// The panic that stops an actor at an operation beyond its turn.
struct NotNow;

/// The store as one actor sees it: its earlier answers, then one operation on the real store.
pub(super) struct Turn<'a> {
    had: RefCell<std::slice::Iter<'a, Answer>>,
    world: RefCell<World>,
    new: RefCell<Option<Answer>>,
}

/// Lets an actor that `had` these answers make one operation. Returns the store after it and the answer; `None` if the
/// actor has ended.
pub(super) fn step(
    world: &World,
    had: &[Answer],
    act: impl FnOnce(&Turn<'_>),
) -> Option<(World, Answer)> {
    let turn = Turn {
        had: RefCell::new(had.iter()),
        world: RefCell::new(world.clone()),
        new: RefCell::new(None),
    };
    if let Err(stopped) = panic::catch_unwind(AssertUnwindSafe(|| act(&turn)))
        && !stopped.is::<NotNow>()
    {
        panic::resume_unwind(stopped);
    }
    Some((turn.world.into_inner(), turn.new.into_inner()?))
}

impl World {
    fn swap(
        &mut self,
        key: &[u8],
        value: &[u8],
        expected: Option<Version>,
    ) -> Result<(), SwapError> {
        let at = self.0.get(key).map(|(_, version)| Version(*version));
        if at != expected {
            return Err(SwapError::Lost);
        }
        let next = at.map_or(1, |version| version.0 + 1);
        self.0.insert(key.to_vec(), (value.to_vec(), next));
        Ok(())
    }
}

impl CounterStore for World {
    fn get(&self, key: &[u8]) -> Result<Read, StoreError> {
        let value = self.0.get(key).cloned();
        Ok(value.map(|(bytes, version)| (bytes, Version(version))))
    }

    fn swap(&self, _: &[u8], _: &[u8], _: Option<Version>) -> Result<(), SwapError> {
        Err(SwapError::Store(StoreError))
    }
}

impl Turn<'_> {
    fn answer(&self, operation: impl FnOnce(&mut World) -> Answer) -> Answer {
        if let Some(answer) = self.had.borrow_mut().next() {
            return answer.clone();
        }
        if self.new.borrow().is_some() {
            panic::resume_unwind(Box::new(NotNow));
        }
        let answer = operation(&mut self.world.borrow_mut());
        *self.new.borrow_mut() = Some(answer.clone());
        answer
    }
}

impl CounterStore for Turn<'_> {
    fn get(&self, key: &[u8]) -> Result<Read, StoreError> {
        match self.answer(|world| Answer::Read(world.get(key).unwrap_or_default())) {
            Answer::Read(read) => Ok(read),
            Answer::Swapped(_) => panic!("an actor is a function of the store's answers"),
        }
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        match self.answer(|world| Answer::Swapped(World::swap(world, key, value, expected))) {
            Answer::Swapped(swapped) => swapped,
            Answer::Read(_) => panic!("an actor is a function of the store's answers"),
        }
    }
}
