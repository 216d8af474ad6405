//! The contract of every store. Each test runs on SQLite, and on PostgreSQL if `GMTECH_TEST_POSTGRES_URL` names a
//! server (`tests/postgres.sh` starts one).
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails loudly"
)]

#[path = "../common/mod.rs"]
mod common;

/// Makes two tests from one: `name::sqlite` and `name::postgres`.
macro_rules! store_tests {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(&crate::common::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                match crate::common::postgres().await {
                    Some(stand) => super::$name(&stand).await,
                    None => eprintln!("skipped: GMTECH_TEST_POSTGRES_URL is not set"),
                }
            }
        }
    )*};
}

mod alerts;
mod attention;
mod audit;
mod bounds;
mod cancel;
mod charts;
mod database;
mod days;
mod failures;
mod follower;
mod intake;
mod key_days;
mod keys;
mod lineage;
mod lists;
mod money;
mod objects;
mod people;
mod policies;
mod provided;
mod sync;
mod tiers;
mod tokens;
mod upgrade;
mod usage;
