//! Opens a database whose schema is older than lineages.

use gmtech_core::record::Status;
use gmtech_service::store::*;
use sqlx::Connection;
use sqlx::migrate::Migrator;

/// The last migration without lineages.
const BEFORE: &str = "0006_";

const ROWS: &[&str] = &[
    "INSERT INTO meta (id, epoch, version) VALUES (1, 5, 20)",
    "INSERT INTO teams (id, name, created_at, version) VALUES ('acme', 'A', 0, 1)",
    "INSERT INTO keys (id, digest, redacted, name, team_id, tier, status, limits, budget_day, budget_month, created_at,
        created_by, rotated_to, version) VALUES
     ('k1', zeroblob(32), 'r', 'A', 'acme', 'free', 'active', '{}', 5, NULL, 1, 't', 'k2', 2),
     ('k2', randomblob(32), 'r', 'B', 'acme', 'pro', 'active', '{}', NULL, NULL, 2, 't', 'k3', 3),
     ('k3', randomblob(32), 'r', 'C', 'acme', 'pro', 'active', '{\"requests_per_minute\":9}', 7, 8, 3, 't', NULL, 4),
     ('k4', randomblob(32), 'r', 'D', 'acme', 'free', 'suspended', '{}', NULL, NULL, 4, 't', NULL, 5),
     ('k5', randomblob(32), 'r', 'E', 'acme', 'free', 'suspended', '{}', NULL, NULL, 5, 't', NULL, 6)",
    "INSERT INTO admin_tokens (id, name, digest, role, team_id, created_at) VALUES
     ('tok_1', 'x', zeroblob(32), 'team_admin', 'acme', 0)",
    "INSERT INTO audit (at, actor, action, subject, team_id, detail) VALUES
     (0, 'tok_1', 'key.suspend', 'k4', 'acme', '{}')",
    "INSERT INTO usage_daily VALUES
     (20000, 'acme', 'k1', 'o3', 'allowed', 2, 10, 0, 0, 0, 5, 0, 0, 15, 0, 100, 7),
     (20000, 'acme', 'k3', 'o3', 'allowed', 1, 20, 0, 0, 0, 6, 0, 0, 26, 0, 30, 9),
     (20000, 'acme', 'k3', 'o3', 'key_revoked', 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8)",
];

#[tokio::test(flavor = "multi_thread")]
async fn chains_budgets_and_suspensions_are_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("migrations");
    std::fs::create_dir(&old).unwrap();
    for entry in std::fs::read_dir("migrations/sqlite").unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name.to_str().unwrap() <= &*format!("{BEFORE}~") {
            std::fs::copy(entry.path(), old.join(name)).unwrap();
        }
    }
    let path = dir.path().join("gmtech.db");
    std::fs::File::create(&path).unwrap();
    sqlx::any::install_default_drivers();
    let mut raw = sqlx::AnyConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    let migrations = Migrator::new(old.as_path()).await.unwrap();
    migrations.run(&mut raw).await.unwrap();
    for row in ROWS {
        sqlx::query(row).execute(&mut raw).await.unwrap();
    }
    raw.close().await.unwrap();

    let store = Store::sqlite(&path).await.unwrap();
    let key = async |id: &str| store.key(&id.parse().unwrap()).await.unwrap();
    let (first, second, last) = (key("k1").await, key("k2").await, key("k3").await);
    for key in [&first, &second, &last] {
        assert_eq!(key.record.account().as_str(), "k1");
        // The whole chain gets the settings of its last key.
        assert_eq!(key.record.tier.as_str(), "pro");
        assert_eq!(key.record.limits, last.record.limits);
        let (day, month) = (key.budgets.day_nano_usd, key.budgets.month_nano_usd);
        assert_eq!((day, month), (Some(7), Some(8)));
        assert!(key.version > 20, "proxies learn of it");
    }
    assert_eq!(second.rotated_from, Some(first.record.id.clone()));
    let (by_team, by_nobody) = (key("k4").await, key("k5").await);
    assert_eq!(by_team.suspended_by, Some(Role::TeamAdmin));
    assert_eq!(by_nobody.suspended_by, Some(Role::Admin));
    assert_eq!(by_team.record.status, Status::Suspended);
    assert_eq!(store.head().await.unwrap().version, last.version);

    // The days of keys are the sums of their models and decisions.
    let ids: Vec<_> = ["k1", "k2", "k3"].map(|id| id.parse().unwrap()).into();
    let acme = "acme".parse().unwrap();
    let days = store.days_of_keys(&acme, &ids, (0, 30_000)).await.unwrap();
    let mut told: Vec<_> = days
        .iter()
        .map(|d| {
            (
                &*d.key,
                d.day,
                [d.requests, d.refused, d.tokens, d.cost, d.last_used_at.0],
            )
        })
        .collect();
    told.sort_unstable();
    let expected = [
        ("k1", 20_000, [2, 0, 15, 100, 7]),
        ("k3", 20_000, [5, 4, 26, 30, 9]),
    ];
    assert_eq!(told, expected);

    // The team's sums are those of its keys.
    for by in [Dimension::Team, Dimension::Owner] {
        let query = UsageQuery {
            by: vec![by],
            every: Some(Every::Day),
            ..UsageQuery::default()
        };
        let found = store.usage(&query).await.unwrap().items;
        let [row] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (row.requests, row.refusals["key_revoked"]),
            (7, 4),
            "{by:?}"
        );
        assert_eq!((row.tokens.total(), row.cost_nano_usd), (41, 130));
        assert_eq!(row.last_used_at.unwrap().0, 9);
    }
}
