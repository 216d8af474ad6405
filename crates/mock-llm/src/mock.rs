//! The state that all requests share.

use std::sync::Arc;

use crate::Config;
use crate::capture::Capture;
use crate::shelf::Shelf;

/// The mock: its configuration, its capture and its stored objects.
#[derive(Debug)]
pub(crate) struct Mock {
    pub config: Config,
    pub capture: Arc<Capture>,
    pub shelf: Shelf,
}

impl Mock {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            capture: Arc::default(),
            shelf: Shelf::default(),
        }
    }
}
