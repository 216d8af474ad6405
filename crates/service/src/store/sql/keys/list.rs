//! Lists of keys. What a page costs does not grow with the number of keys.
//!
//! A page reads one index in the list's order, from where the page before ended. It is the narrowest index that fits one of the
//! filters ([`Drive`]); the other filters are checked on each key that it gives. A page reads at most [`keys_looked_at`] keys,
//! so that a filter that few keys pass does not read them all. It may then have fewer keys than were asked for, and says where
//! to go on. Where a filter has an index and few keys pass it, all of them are read instead, in whatever order ([`few`]); and
//! what people search for is looked up by its beginning as well ([`beginning`]).

mod beginning;
mod cursor;
mod few;

use cursor::Cursor;
use sqlx::Any;
use sqlx::query::Query;

use crate::store::sql::cursor::cut;
use crate::store::sql::{Store, rows, signed};
use crate::store::{
    KeyFilter, KeyInfo, KeySort, Page, PageRequest, Result, Standing, StoreError, keys_looked_at,
};

/// Which index a page reads: the whole list's, or that of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drive {
    All,
    Team,
    Tag,
    Owner,
    OverBudget,
    Expired,
    Status,
    Tier,
}

/// A value of a statement.
#[derive(Clone)]
enum Bound {
    Text(String),
    Number(i64),
}

/// A statement under construction.
#[derive(Default)]
struct Statement {
    conditions: Vec<String>,
    bound: Vec<Bound>,
}

impl Statement {
    /// Adds a condition; each `?` in it stands for one of the values.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Bound>) {
        let mut text = String::new();
        let mut values = values.into_iter();
        for part in condition.split_inclusive('?') {
            match (part.strip_suffix('?'), values.next()) {
                (Some(part), Some(value)) => {
                    self.bound.push(value);
                    text.push_str(&format!("{part}${}", self.bound.len()));
                }
                _ => text.push_str(part),
            }
        }
        self.conditions.push(text);
    }

    fn clause(&self) -> String {
        match self.conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", self.conditions.join(" AND ")),
        }
    }
}

/// What a page asks the database.
struct Plan {
    /// The keys on the page.
    select: String,
    /// Where the last key that it looked at stands, if it looked at as many as it may.
    last: Option<String>,
    bound: Vec<Bound>,
    bound_of_last: Vec<Bound>,
}

/// What a list is ordered by, as SQL over `keys`.
fn order_by(sort: KeySort) -> &'static str {
    match sort {
        KeySort::Created => "created_at",
        KeySort::Name => "folded",
        KeySort::LastUsed => "COALESCE(last_used_at, 0)",
        KeySort::Expires => "COALESCE(expires_at, 9223372036854775807)",
    }
}

fn descends(filter: &KeyFilter) -> bool {
    matches!(filter.sort, KeySort::Created | KeySort::LastUsed) != filter.reversed
}

fn drive(filter: &KeyFilter) -> Drive {
    if filter.sort != KeySort::Created {
        return match &filter.team {
            Some(_) => Drive::Team,
            None => Drive::All,
        };
    }
    let standing = filter.standing.map(|(standing, _)| standing);
    match (standing, &filter.team) {
        _ if filter.tag.is_some() => Drive::Tag,
        _ if filter.owner.is_some() => Drive::Owner,
        (Some(Standing::OverBudget), _) => Drive::OverBudget,
        (Some(Standing::Revoked | Standing::Suspended | Standing::Active), _) => Drive::Status,
        (_, Some(_)) => Drive::Team,
        _ if filter.tier.is_some() => Drive::Tier,
        _ => Drive::All,
    }
}

/// A page of at most `limit` keys, which looks at no more than `most`.
fn plan(filter: &KeyFilter, after: Option<&Cursor>, limit: u32, most: u32) -> Plan {
    let drive = drive(filter);
    let (from, at, id) = match drive {
        Drive::Tag => ("key_tags", "key_tags.created_at", "key_tags.key_id"),
        _ => ("keys", order_by(filter.sort), "id"),
    };
    let (before, direction) = match descends(filter) {
        true => ("<", "DESC"),
        false => (">", "ASC"),
    };
    let mut walked = Statement::default();
    walk(filter, drive, &mut walked);
    if let Some(Cursor { at: value, id: key }) = after {
        let place = [value.clone(), Bound::Text(key.clone())];
        walked.and(&format!("({at}, {id}) {before} (?, ?)"), place);
    }
    let order = format!("ORDER BY {at} {direction}, {id} {direction}");
    let page = limit.saturating_add(1);
    let clause = walked.clause();
    let mut asked = Statement {
        conditions: Vec::new(),
        bound: walked.bound.clone(),
    };
    ask(filter, drive, &mut asked);
    if asked.conditions.is_empty() {
        let from = match drive {
            Drive::Tag => "key_tags JOIN keys ON keys.id = key_tags.key_id",
            _ => from,
        };
        return Plan {
            select: format!("SELECT keys.* FROM {from} {clause} {order} LIMIT {page}"),
            last: None,
            bound: walked.bound,
            bound_of_last: Vec::new(),
        };
    }
    let walk = format!("FROM {from} {clause} {order} LIMIT");
    let looked_at = match drive {
        Drive::Tag => format!(
            "(SELECT key_id, created_at AS tagged_at {walk} {most}) AS walked JOIN keys ON keys.id = walked.key_id"
        ),
        _ => format!("(SELECT * {walk} {most}) AS keys"),
    };
    let order = match drive {
        Drive::Tag => format!("ORDER BY tagged_at {direction}, keys.id {direction}"),
        _ => order,
    };
    let clause = asked.clause();
    Plan {
        select: format!("SELECT keys.* FROM {looked_at} {clause} {order} LIMIT {page}"),
        last: Some(format!(
            "SELECT {at}, {id} {walk} 1 OFFSET {}",
            most.saturating_sub(1)
        )),
        bound: asked.bound,
        bound_of_last: walked.bound,
    }
}

/// The filters that the index answers.
fn walk(filter: &KeyFilter, drive: Drive, walked: &mut Statement) {
    let text = |value: &str| Bound::Text(value.into());
    if let Some(team) = &filter.team
        && has_team(drive)
    {
        let condition = match drive {
            Drive::Tag => "key_tags.team_id = ?",
            _ => "team_id = ?",
        };
        walked.and(condition, [text(team.as_str())]);
    }
    match drive {
        Drive::All | Drive::Team => {}
        Drive::Tag => walked.and("tag = ?", filter.tag.as_deref().map(text)),
        Drive::Owner => walked.and("owner = ?", filter.owner.as_deref().map(text)),
        Drive::OverBudget => walked.and("over_budget = 1", []),
        Drive::Expired => {
            let now = filter.standing.map(|(_, now)| signed(now.unix_seconds()));
            let end = order_by(KeySort::Expires);
            walked.and(&format!("{end} <= ?"), now.map(Bound::Number));
        }
        Drive::Tier => walked.and("tier = ?", filter.tier.as_ref().map(|t| text(t.as_str()))),
        Drive::Status => {
            let standing = filter.standing.map(|(standing, _)| standing);
            let status = match standing {
                Some(Standing::Revoked) => "revoked",
                Some(Standing::Suspended) => "suspended",
                _ => "active",
            };
            walked.and("status = ?", [text(status)]);
        }
    }
    if filter.sort == KeySort::Expires {
        let end = order_by(KeySort::Expires);
        if let Some(before) = filter.expires_before {
            walked.and(&format!("{end} < ?"), [Bound::Number(signed(before))]);
        }
        if let Some(from) = filter.expires_after {
            let range = format!("{end} >= ? AND {end} < 9223372036854775807");
            walked.and(&range, [Bound::Number(signed(from))]);
        }
    }
}

/// Whether the index tells teams apart.
fn has_team(drive: Drive) -> bool {
    matches!(
        drive,
        Drive::Team | Drive::Tag | Drive::Status | Drive::Expired
    )
}

/// The filters that are checked on each key.
fn ask(filter: &KeyFilter, drive: Drive, asked: &mut Statement) {
    let text = |value: &str| Bound::Text(value.into());
    if let Some(team) = &filter.team
        && !has_team(drive)
    {
        asked.and("keys.team_id = ?", [text(team.as_str())]);
    }
    if let Some(tag) = filter.tag.as_deref()
        && drive != Drive::Tag
    {
        let tagged =
            "EXISTS (SELECT 1 FROM key_tags WHERE key_tags.key_id = keys.id AND key_tags.tag = ?)";
        asked.and(tagged, [text(tag)]);
    }
    if let Some(owner) = filter.owner.as_deref()
        && drive != Drive::Owner
    {
        asked.and("owner = ?", [text(owner)]);
    }
    if let Some(tier) = &filter.tier
        && drive != Drive::Tier
    {
        asked.and("tier = ?", [text(tier.as_str())]);
    }
    if let Some((standing, now)) = filter.standing {
        let now = || Bound::Number(signed(now.unix_seconds()));
        let alive = "(expires_at IS NULL OR expires_at > ?)";
        match standing {
            Standing::Revoked if drive == Drive::Status => {}
            Standing::Revoked => asked.and("status = 'revoked'", []),
            Standing::Expired => asked.and("status <> 'revoked' AND expires_at <= ?", [now()]),
            Standing::Suspended => asked.and(&format!("status = 'suspended' AND {alive}"), [now()]),
            Standing::OverBudget => {
                let spent = format!("status = 'active' AND over_budget = 1 AND {alive}");
                asked.and(&spent, [now()]);
            }
            Standing::Active => {
                let works = format!("status = 'active' AND over_budget = 0 AND {alive}");
                asked.and(&works, [now()]);
            }
        }
    }
    if filter.sort != KeySort::Expires {
        if let Some(before) = filter.expires_before {
            asked.and("expires_at < ?", [Bound::Number(signed(before))]);
        }
        if let Some(from) = filter.expires_after {
            asked.and("expires_at >= ?", [Bound::Number(signed(from))]);
        }
    }
    if let Some(search) = filter.search.as_deref() {
        let pattern = || text(&format!("%{}%", escaped(search)));
        let begins = text(&format!("{}%", escaped(search)));
        asked.and(
            r"(folded LIKE ? ESCAPE '\' OR lower(keys.id) LIKE ? ESCAPE '\' OR lower(redacted) LIKE ? ESCAPE '\')",
            [pattern(), pattern(), begins],
        );
    }
}

/// The text with LIKE's special characters escaped.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Store {
    /// Keys in the order of the filter. A page may have fewer than its limit, even none, where the filter passes few of the
    /// keys that were looked at; the list ends where there is no next page.
    pub async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<KeyInfo>> {
        let after = page
            .after
            .as_deref()
            .map(|text| Cursor::read(text, filter).ok_or(StoreError::BadCursor));
        let after = after.transpose()?;
        let (after, limit) = (after.as_ref(), page.limit);
        let mut plan = plan(filter, after, limit, at_first(limit));
        if plan.last.is_some()
            && let Some(few) = self.few(filter).await?
        {
            plan = few.plan(after, limit);
        }
        let mut items = self.keys_of(&plan).await?;
        if plan.last.is_some() && items.len() <= usize::try_from(limit).unwrap_or(usize::MAX) {
            plan = self::plan(filter, after, limit, keys_looked_at(limit));
            items = self.keys_of(&plan).await?;
        }
        let mut page = cut(items, limit, |key| Cursor::of(key, filter).write(filter));
        if let (None, Some(last)) = (&page.next, &plan.last) {
            let row = bind(last, &plan.bound_of_last)
                .fetch_optional(&self.readers)
                .await?;
            let cursor = row.map(|row| Cursor::of_row(&row, filter)).transpose()?;
            page.next = cursor.map(|cursor| cursor.write(filter));
        }
        Ok(page)
    }
}

impl Store {
    async fn keys_of(&self, plan: &Plan) -> Result<Vec<KeyInfo>> {
        let found = bind(&plan.select, &plan.bound);
        let found = found.fetch_all(&self.readers).await?;
        found.iter().map(rows::key).collect()
    }
}

/// How many keys a page looks at before it looks at as many as it may: a filter that many keys pass fills it with these. A
/// database puts in order whatever it was told to look at.
fn at_first(limit: u32) -> u32 {
    limit.saturating_mul(4)
}

fn bind<'q>(sql: &'q str, bound: &[Bound]) -> Query<'q, Any, sqlx::any::AnyArguments<'q>> {
    let query = sqlx::query(sql);
    bound.iter().fold(query, |query, value| match value {
        Bound::Text(text) => query.bind(text.clone()),
        Bound::Number(number) => query.bind(*number),
    })
}

#[cfg(test)]
mod tests;
