//! Usage over a range in its largest groups, as a chart shows it.

use std::collections::BTreeMap;

use super::range::Range;
use super::totals::{Measure, Totals};
use crate::clock::Millis;
use crate::store::{Dimension, Result, Store, UsageQuery, UsageRow};

/// How many groups are shown by name; the others are one.
pub const SHOWN: usize = 8;

/// What a chart is of. What it says is the same for all who may see the team.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The team.
    pub team: String,
    /// One key of it; `None` is all.
    pub key: Option<String>,
    /// What is told apart.
    pub by: Dimension,
}

/// Usage over a range.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// Where each span starts.
    pub starts: Vec<Millis>,
    /// All usage, span by span.
    pub all: Vec<Totals>,
    /// All usage of the time before, span by span. It can have more or fewer spans.
    pub before: Vec<Totals>,
    /// Refused requests by reason.
    pub refusals: BTreeMap<String, i64>,
    /// The groups that lead in any measure.
    groups: Vec<Group>,
    /// What is in none of the groups of a measure, where that is not the difference to all: of tags, of which a key can
    /// have several.
    others: Option<Others>,
}

/// A group's usage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The key's id, the owner's address, the tag, model, endpoint or decision; empty is what has none. `None` is all
    /// other groups.
    pub value: Option<String>,
    /// What people call it, if it is a key that has a name.
    pub name: Option<String>,
    /// Span by span.
    pub spans: Vec<Totals>,
    /// In the whole range.
    pub total: Totals,
    /// In the time before.
    pub before: Totals,
}

/// The usage of all groups together, each key once for each of its tags.
#[derive(Clone, Debug, Default)]
struct Others {
    spans: Vec<Totals>,
    before: Totals,
}

impl Chart {
    /// All usage of the range.
    #[must_use]
    pub fn total(&self) -> Totals {
        Totals::sum(&self.all)
    }

    /// All usage of the time before.
    #[must_use]
    pub fn total_before(&self) -> Totals {
        Totals::sum(&self.before)
    }

    /// The groups with the most of a measure, the largest first, and all others as the last one, where they have any usage.
    #[must_use]
    pub fn groups(&self, measure: Measure) -> Vec<Group> {
        let mut shown: Vec<Group> = self.groups.clone();
        shown.retain(|group| group.total.get(measure) > 0);
        shown.sort_by(|a, b| {
            let by_size = b.total.get(measure).cmp(&a.total.get(measure));
            by_size.then_with(|| a.value.cmp(&b.value))
        });
        shown.truncate(SHOWN);
        let (all, before) = match &self.others {
            Some(all) => (&all.spans, all.before),
            None => (&self.all, self.total_before()),
        };
        let rest = Group {
            value: None,
            name: None,
            spans: (0..all.len())
                .map(|at| {
                    let span = |spans: &Vec<Totals>| spans.get(at).copied().unwrap_or_default();
                    let of_shown = shown.iter().map(|group| span(&group.spans));
                    of_shown.fold(span(all), |rest, one| rest.less(&one))
                })
                .collect(),
            total: shown
                .iter()
                .fold(Totals::sum(all), |rest, group| rest.less(&group.total)),
            before: shown
                .iter()
                .fold(before, |rest, group| rest.less(&group.before)),
        };
        if rest.total.get(measure) != 0 {
            shown.push(rest);
        }
        shown
    }

    /// Asks the store.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn ask(store: &Store, subject: &Subject, range: &Range) -> Result<Self> {
        let starts = range.starts();
        let before_starts = range.before_starts();
        let now = subject.query(range);
        let then = UsageQuery {
            from: Some(range.before_from),
            to: Some(range.before_to),
            ..now.clone()
        };
        let rows = store.usage(&now).await?.items;
        let mut refusals: BTreeMap<String, i64> = BTreeMap::new();
        for (reason, count) in rows.iter().flat_map(|row| &row.refusals) {
            let sum = refusals.entry(reason.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        let mut chart = Self {
            all: spans(&starts, &rows),
            before: spans(&before_starts, &store.usage(&then).await?.items),
            refusals,
            ..Self::default()
        };
        let by = vec![subject.by];
        let each = u32::try_from(SHOWN).unwrap_or(u32::MAX);
        let leaders = UsageQuery {
            by: by.clone(),
            every: None,
            ..now.clone()
        };
        let leaders = store.usage_leaders(&leaders, each).await?;
        if !leaders.is_empty() {
            chart.groups = groups(store, subject, (&now, &then), &starts, leaders).await?;
        }
        if subject.by == Dimension::Tag {
            // The tags that are left out are told by what is not among those that are shown.
            let shown: Vec<_> = chart
                .groups
                .iter()
                .filter_map(|g| g.value.clone())
                .collect();
            let except = BTreeMap::from([(Dimension::Tag, shown)]);
            let query = |of: UsageQuery, every| UsageQuery {
                except: except.clone(),
                every,
                ..of
            };
            let every = now.every;
            let rest = store.usage(&query(now, every)).await?.items;
            let rest = spans(&starts, &rest);
            let before = store.usage(&query(then, None)).await?.items;
            let in_groups = |at: usize| {
                let span = |g: &Group| g.spans.get(at).copied().unwrap_or_default();
                let spans: Vec<Totals> = chart.groups.iter().map(span).collect();
                Totals::sum(&spans)
            };
            let groups_before: Vec<Totals> = chart.groups.iter().map(|g| g.before).collect();
            let before: Vec<Totals> = before.iter().map(Totals::of).chain(groups_before).collect();
            chart.others = Some(Others {
                spans: rest
                    .iter()
                    .enumerate()
                    .map(|(at, span)| span.plus(&in_groups(at)))
                    .collect(),
                before: Totals::sum(&before),
            });
        }
        chart.starts = starts;
        Ok(chart)
    }
}

impl Subject {
    /// All of its usage, span by span.
    fn query(&self, range: &Range) -> UsageQuery {
        let team = (Dimension::Team, self.team.clone());
        let key = self.key.clone().map(|key| (Dimension::Key, key));
        UsageQuery {
            by: Vec::new(),
            every: Some(range.every),
            source: range.source(),
            from: Some(range.from),
            to: Some(range.to),
            only: [Some(team), key].into_iter().flatten().collect(),
            ..UsageQuery::default()
        }
    }
}

async fn groups(
    store: &Store,
    subject: &Subject,
    (now, then): (&UsageQuery, &UsageQuery),
    starts: &[Millis],
    leaders: Vec<String>,
) -> Result<Vec<Group>> {
    let by = subject.by;
    let among = |query: &UsageQuery| UsageQuery {
        by: vec![by],
        among: [(by, leaders.clone())].into(),
        ..query.clone()
    };
    let mut of: BTreeMap<String, Vec<UsageRow>> = BTreeMap::new();
    let value = |row: &UsageRow| row.groups.get(&by).cloned().unwrap_or_default();
    for row in store.usage(&among(now)).await?.items {
        of.entry(value(&row)).or_default().push(row);
    }
    let whole = UsageQuery {
        every: None,
        ..among(then)
    };
    let before = store.usage(&whole).await?.items;
    let before: BTreeMap<String, Totals> = before
        .iter()
        .map(|row| (value(row), Totals::of(row)))
        .collect();
    let mut names = match by {
        Dimension::Key => store.key_names(&leaders).await?,
        _ => BTreeMap::new(),
    };
    let group = |(value, rows): (String, Vec<UsageRow>)| {
        let spans = spans(starts, &rows);
        Group {
            name: names.remove(&value),
            total: Totals::sum(&spans),
            before: before.get(&value).copied().unwrap_or_default(),
            spans,
            value: Some(value),
        }
    };
    Ok(of.into_iter().map(group).collect())
}

/// The usage of each span; nothing where there is no row.
fn spans(starts: &[Millis], rows: &[UsageRow]) -> Vec<Totals> {
    let mut by_start: BTreeMap<Millis, Totals> = BTreeMap::new();
    for row in rows {
        let start = row.start.unwrap_or(Millis(0));
        let sum = by_start.entry(start).or_default();
        *sum = sum.plus(&Totals::of(row));
    }
    let of = |start| by_start.get(start).copied().unwrap_or_default();
    starts.iter().map(of).collect()
}
