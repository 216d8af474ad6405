//! A store of each kind for one test, and helpers to fill it.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test binary uses a part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

pub mod browser;
pub mod http;
pub mod log;
pub mod provider;

use std::sync::Arc;

use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::Millis;
use gmtech_service::secret::{new_key, random};
use gmtech_service::store::*;

/// 2026-11-23T12:00:00Z.
pub const NOON: Millis = Millis(1_795_435_200_000);

pub struct Stand {
    pub store: Arc<Store>,
    /// Another process's view of the same database.
    pub url: Location,
    _dir: tempfile::TempDir,
}

impl Stand {
    /// A store in another database.
    pub fn over(store: Arc<Store>, url: Location) -> Self {
        Self {
            store,
            url,
            _dir: tempfile::tempdir().unwrap(),
        }
    }
}

#[derive(Clone)]
pub enum Location {
    File(std::path::PathBuf),
    Server(String),
}

impl Location {
    pub async fn open(&self) -> Store {
        match self {
            Self::File(path) => Store::sqlite(path).await.unwrap(),
            Self::Server(url) => Store::postgres(url).await.unwrap(),
        }
    }

    /// A connection to the database that bypasses the store.
    pub async fn connect(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self {
            Self::File(path) => format!("sqlite://{}", path.display()),
            Self::Server(url) => url.clone(),
        };
        <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
            .await
            .unwrap()
    }

    /// The statements that make every other writer wait until `COMMIT`.
    pub fn begin_writing(&self) -> &'static [&'static str] {
        match self {
            Self::File(_) => &["BEGIN IMMEDIATE"],
            Self::Server(_) => &["BEGIN", "LOCK TABLE meta IN EXCLUSIVE MODE"],
        }
    }
}

pub async fn sqlite() -> Stand {
    let dir = tempfile::tempdir().unwrap();
    let url = Location::File(dir.path().join("gmtech.db"));
    Stand {
        store: Arc::new(url.open().await),
        url,
        _dir: dir,
    }
}

/// A new database on the server of `GMTECH_TEST_POSTGRES_URL`; `None` without one.
pub async fn postgres() -> Option<Stand> {
    let url = empty_postgres().await?;
    Some(Stand::over(Arc::new(url.open().await), url))
}

/// As [`postgres`], but empty.
pub async fn empty_postgres() -> Option<Location> {
    let server = std::env::var("GMTECH_TEST_POSTGRES_URL").ok()?;
    sqlx::any::install_default_drivers();
    let name = format!("t{}", hex::encode(random::<8>().unwrap()));
    let mut admin = <sqlx::AnyConnection as sqlx::Connection>::connect(&server)
        .await
        .unwrap();
    sqlx::query(&format!("CREATE DATABASE {name}"))
        .execute(&mut admin)
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    Some(Location::Server(format!("{base}/{name}")))
}

pub fn by(now: Millis) -> By {
    By {
        actor: "tester".into(),
        now,
        authority: Authority::Full,
    }
}

pub fn team(id: &str) -> TeamId {
    TeamId::new(id).unwrap()
}

pub fn later(seconds: i64) -> Millis {
    Millis(NOON.0 + seconds * 1000)
}

pub fn new_team(id: &str) -> NewTeam {
    NewTeam {
        id: team(id),
        name: format!("Team {id}"),
        prepaid: false,
        policy: None,
        once: None,
    }
}

pub fn secret() -> KeySecret {
    let key = new_key().unwrap();
    KeySecret {
        id: KeyId::generate(&random().unwrap()).unwrap(),
        digest: key.digest(),
        redacted: key.redacted(),
    }
}

pub fn new_key_of(team_id: &str) -> NewKey {
    NewKey {
        secret: secret(),
        name: "ci".into(),
        team: team(team_id),
        tier: TierName::new("free").unwrap(),
        models: None,
        limits: LimitOverrides::default(),
        expires_at: None,
        budgets: Budgets::default(),
        addresses: None,
        endpoints: None,
        owner: None,
        metadata: Default::default(),
        tags: vec![],
    }
}

/// As [`by`], as an administrator of a team.
pub fn by_team(now: Millis) -> By {
    By {
        actor: "team".into(),
        authority: Authority::Team,
        ..by(now)
    }
}

pub fn rotation(overlap_seconds: u64) -> Rotation {
    Rotation {
        secret: secret(),
        overlap_seconds,
        once: None,
    }
}

pub fn page(limit: u32, after: Option<String>) -> PageRequest {
    PageRequest { after, limit }
}

pub fn event(key: &KeyInfo, n: u64, cost: i64) -> Priced {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Priced {
        event: UsageEvent {
            id,
            key: key.record.id.clone(),
            team: key.record.team.clone(),
            tier: key.record.tier.clone(),
            model: Some(ModelId::new("gpt-4o").unwrap()),
            endpoint: Label::clip("/v1/chat/completions"),
            decision: Label::clip("allowed").into(),
            status: 200,
            duration_ms: 12,
            started_unix_ms: NOON.0 as u64,
            usage: Usage::Exact(Tokens::of(10, 5)),
            requests: 1,
            object: None,
            request_id: Label::default(),
            endpoint_group: Label::default(),
        },
        cost,
        priced_by: "test",
    }
}

/// Ingests one batch.
#[allow(async_fn_in_trait, reason = "tests need no bounds on the future")]
pub trait IngestOne {
    async fn ingest(&self, events: &[Priced], now: Millis) -> Result<Ingested>;
}

impl IngestOne for Store {
    async fn ingest(&self, events: &[Priced], now: Millis) -> Result<Ingested> {
        let mut done = self.ingest_all(&[events.to_vec().into()], now).await?;
        Ok(done.pop().unwrap())
    }
}

/// A team with a key.
pub async fn with_key(stand: &Stand) -> KeyInfo {
    stand
        .store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let made = stand
        .store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap();
    made.key
}
