//! The proxy-facing API, through its router and a real SQLite file.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails loudly"
)]

#[path = "../common/mod.rs"]
mod common;

mod changes;
mod own;
mod restored;
mod tiers;
mod usage;

use std::collections::BTreeMap;

use common::http::*;
use gmtech_core::record::Status;
use gmtech_core::sync::{Frame, FrameKind};

/// A proxy that does as the filter does: it keeps the received data and asks for later changes.
#[derive(Default)]
pub(crate) struct Proxy {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) keys: BTreeMap<String, Status>,
    pub(crate) exhausted: BTreeMap<String, bool>,
}

impl Proxy {
    pub(crate) async fn poll(&mut self, api: &Api, more: &str) -> Frame {
        let path = format!(
            "/sync/v1/changes?proxy=envoy-1&epoch={}&since={}{more}",
            self.epoch, self.version
        );
        let frame = api.frame(&path).await;
        match frame.kind {
            FrameKind::Snapshot => {
                *self = Self {
                    epoch: frame.epoch,
                    ..Self::default()
                }
            }
            FrameKind::Delta => assert_eq!((frame.epoch, frame.from), (self.epoch, self.version)),
            FrameKind::Resolved => panic!("not asked for"),
        }
        self.version = frame.to;
        for key in &frame.keys {
            let record = key.state.as_ref().unwrap().record.readable().unwrap();
            self.keys.insert(record.id.to_string(), record.status);
        }
        for team in &frame.teams {
            self.exhausted.insert(team.team.to_string(), team.exhausted);
        }
        frame
    }

    pub(crate) async fn follow(&mut self, api: &Api, more: &str) -> usize {
        let mut pages = 1;
        while self.poll(api, more).await.more {
            pages += 1;
        }
        pages
    }
}
