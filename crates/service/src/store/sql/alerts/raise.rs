//! Raising alerts, within the transaction that gives rise to them.
//!
//! An alert and its deliveries are one with what is told: both are there, or neither. What was told is looked up by its name
//! first, so that a judgement that changes nothing writes nothing.

use gmtech_core::ident::TeamId;
use serde_json::{Map, Value, json};
use sqlx::Row;

use crate::clock::{DAY_MS, Millis, day_name, month_start, week_start};
use crate::money::format_usd;
use crate::store::sql::Tx;
use crate::store::thresholds::{About, alert_id, newly_used, refused_step};
use crate::store::{AlertKind, Amounts, KeyInfo, Result};

/// For how long an alert without a period of its own is worth a line on a page, in milliseconds: a week.
const SHOWN: i64 = 7 * DAY_MS;

/// An alert to be raised.
pub(in crate::store::sql) struct New<'a> {
    pub(in crate::store::sql) about: &'a str,
    pub(in crate::store::sql) step: i64,
    pub(in crate::store::sql) lasting: bool,
    pub(in crate::store::sql) kind: AlertKind,
    pub(in crate::store::sql) team: &'a TeamId,
    /// The key, if it is about one.
    pub(in crate::store::sql) key: Option<&'a KeyInfo>,
    pub(in crate::store::sql) message: String,
    /// What it says beyond that, by name.
    pub(in crate::store::sql) data: Value,
    pub(in crate::store::sql) shown_until: i64,
}

/// The step that was told last of this.
pub(in crate::store::sql) async fn told(tx: &mut Tx, about: &str) -> Result<Option<i64>> {
    let row = sqlx::query("SELECT MAX(step) FROM alerts WHERE about = $1")
        .bind(about)
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get(0)?)
}

/// Stores an alert; gives its id and its place.
pub(super) async fn store(tx: &mut Tx, new: &New<'_>, now: Millis) -> Result<(String, i64)> {
    let id = alert_id(new.about, new.step);
    let row = sqlx::query(
        "INSERT INTO alerts (id, about, step, lasting, at, shown_until, team_id, key_id, kind, message, payload)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING seq",
    )
    .bind(&*id)
    .bind(new.about)
    .bind(new.step)
    .bind(i64::from(new.lasting))
    .bind(now.0)
    .bind(new.shown_until)
    .bind(new.team.as_str())
    .bind(new.key.map(|key| key.record.id.to_string()))
    .bind(new.kind.name())
    .bind(&*new.message)
    .bind(payload(new, now).to_string())
    .fetch_one(&mut **tx)
    .await?;
    tracing::info!(team = %new.team, kind = new.kind.name(), alert = id, step = new.step, "alert");
    Ok((id, row.try_get(0)?))
}

/// Stores an alert, and puts it into the outbox for each address of the team that is on.
pub(in crate::store::sql) async fn raise(tx: &mut Tx, new: &New<'_>, now: Millis) -> Result<()> {
    let (id, seq) = store(tx, new, now).await?;
    let topic = new
        .key
        .map_or(new.team.as_str(), |key| key.record.account().as_str());
    sqlx::query(
        "INSERT INTO alert_deliveries (alert_id, address_id, seq, topic, status, created_at, next_at)
         SELECT $1, id, $2, $3, 'waiting', $4, $4 FROM alert_addresses WHERE team_id = $5 AND disabled_at IS NULL",
    )
    .bind(&*id)
    .bind(seq)
    .bind(topic)
    .bind(now.0)
    .bind(new.team.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn payload(new: &New<'_>, now: Millis) -> Value {
    let mut data = Map::new();
    data.insert("team".into(), json!(new.team));
    data.insert("message".into(), json!(new.message));
    if let Some(key) = new.key {
        data.insert("key".into(), json!(key.record.id));
        data.insert("key_name".into(), json!(key.name));
        data.insert("key_redacted".into(), json!(key.redacted));
    }
    if let Value::Object(more) = &new.data {
        data.extend(more.clone());
    }
    json!({"type": new.kind.name(), "timestamp": now.to_rfc3339(), "data": data})
}

/// A budget of one span of time, and what is used of it.
pub(in crate::store::sql) struct Used<'a> {
    /// `soft`, a pattern of models, or nothing.
    pub(in crate::store::sql) of: Of<'a>,
    /// The budgets of each span.
    pub(in crate::store::sql) budgets: Amounts,
    /// What was spent in each span, in nano-dollars, in the order of [`Amounts::named`].
    pub(in crate::store::sql) spent: [i64; 4],
}

/// What budgets are for.
#[derive(Clone, Copy)]
pub(in crate::store::sql) enum Of<'a> {
    /// All models; a spent one refuses.
    All,
    /// All models; a spent one refuses nothing.
    Soft,
    /// Some models.
    Models(&'a str),
}

impl Of<'_> {
    /// A word in front of the name of the span, for what is stored.
    fn mark(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Soft => "soft ".into(),
            Self::Models(pattern) => format!("{pattern} "),
        }
    }
}

/// Tells what parts of a key's budgets are used.
pub(in crate::store::sql) async fn budgets(
    tx: &mut Tx,
    key: &KeyInfo,
    used: &Used<'_>,
    now: Millis,
) -> Result<()> {
    let day = now.day();
    let month = month_start(day);
    let spans = [
        ("day", "today's", Some(day), Some(day + 1)),
        (
            "week",
            "this week's",
            Some(week_start(day)),
            Some(week_start(day) + 7),
        ),
        (
            "month",
            "this month's",
            Some(month),
            Some(month_start(month + 31)),
        ),
        ("total", "the total", None, None),
    ];
    let amounts = used.budgets.named();
    for (((span, words, from, to), (_, amount)), spent) in
        spans.into_iter().zip(amounts).zip(used.spent)
    {
        let Some(amount) = amount else { continue };
        if newly_used(amount, spent, None).is_empty() {
            continue;
        }
        let which = format!("{}{span}", used.of.mark());
        let about = About::Budget {
            account: key.record.account(),
            which: &which,
            from,
            amount,
        };
        let name = about.name();
        for percent in newly_used(amount, spent, told(tx, &name).await?) {
            let kind = match used.of {
                Of::Soft => "soft budget",
                _ => "budget",
            };
            let models = match used.of {
                Of::Models(pattern) => format!(" for {pattern}"),
                _ => String::new(),
            };
            let new = New {
                about: &name,
                step: percent,
                lasting: about.is_lasting(),
                kind: AlertKind::Budget,
                team: &key.record.team,
                key: Some(key),
                message: format!(
                    "{percent} % of {words} {kind}{models} of key {} is used.",
                    key.name
                ),
                data: json!({
                    "percent": percent,
                    "period": span,
                    "period_start": from.map(day_name),
                    "soft": matches!(used.of, Of::Soft),
                    "models": match used.of { Of::Models(pattern) => Some(pattern), _ => None },
                    "budget_nano_usd": amount,
                    "spent_nano_usd": spent,
                }),
                shown_until: to.map_or(now.0.saturating_add(SHOWN), |to| to.saturating_mul(DAY_MS)),
            };
            raise(tx, &new, now).await?;
        }
    }
    Ok(())
}

/// Tells what part of a team's credit is used: `pool` was the balance right after the last top-up, at `since`.
pub(in crate::store::sql) async fn credit(
    tx: &mut Tx,
    team: &TeamId,
    (pool, since): (i64, Millis),
    balance: i64,
    now: Millis,
) -> Result<()> {
    let used = pool.saturating_sub(balance);
    if newly_used(pool, used, None).is_empty() {
        return Ok(());
    }
    let about = About::Credit { team, since, pool };
    let name = about.name();
    for percent in newly_used(pool, used, told(tx, &name).await?) {
        let new = New {
            about: &name,
            step: percent,
            lasting: about.is_lasting(),
            kind: AlertKind::Credit,
            team,
            key: None,
            message: format!(
                "{percent} % of the credit of team {team} is used: {} of {} dollars are left.",
                format_usd(balance),
                format_usd(pool)
            ),
            data: json!({
                "percent": percent,
                "credit_nano_usd": pool,
                "balance_nano_usd": balance,
                "topped_up_at": since.to_rfc3339(),
            }),
            shown_until: now.0.saturating_add(SHOWN),
        };
        raise(tx, &new, now).await?;
    }
    Ok(())
}

/// Tells that a revoked key was refused at `refused_at`.
pub(in crate::store::sql) async fn revoked_in_use(
    tx: &mut Tx,
    key: &KeyInfo,
    refused_at: Millis,
    now: Millis,
) -> Result<()> {
    let Some(day) = refused_step(refused_at, now) else {
        return Ok(());
    };
    let about = About::Revoked {
        key: &key.record.id,
    };
    let name = about.name();
    if told(tx, &name).await?.is_some_and(|told| told >= day) {
        return Ok(());
    }
    let new = New {
        about: &name,
        step: day,
        lasting: about.is_lasting(),
        kind: AlertKind::RevokedInUse,
        team: &key.record.team,
        key: Some(key),
        message: format!(
            "Key {} is revoked, and some client still uses it.",
            key.name
        ),
        data: json!({"last_seen_at": refused_at.to_rfc3339()}),
        shown_until: now.0.saturating_add(SHOWN),
    };
    raise(tx, &new, now).await
}
