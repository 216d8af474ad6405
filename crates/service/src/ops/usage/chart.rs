//! Usage over a range in its largest groups, as a chart shows it.

use std::collections::{BTreeMap, BTreeSet};

use super::range::Range;
use super::totals::{Measure, Totals, refuses};
use crate::clock::{MINUTE_MS, Millis};
use crate::store::{Dimension, Every, Result, Store, UsageQuery, UsageSpan};

/// How many groups are shown by name; the others are one.
pub const SHOWN: usize = 8;

/// A team with more keys has too many to read each of them span by span.
const MANY_KEYS: u32 = 200;

/// The most rows of all groups and spans; where there are more, only the groups that lead are read.
const MOST_ROWS: u32 = 20_000;

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
        let by = subject.by;
        // Of very many keys only those that lead are read span by span.
        let many = by == Dimension::Key
            && subject.key.is_none()
            && store.has_more_keys(&subject.team, MANY_KEYS).await?;
        let all = match many {
            true => None,
            false => Spans::ask(store, subject.query(range), range, MOST_ROWS).await?,
        };
        let told = match &all {
            Some(all) => all.clone(),
            None => Spans::of_leaders(store, subject, range).await?,
        };
        let starts = range.starts();
        let mut groups = told.groups(&starts);
        if by == Dimension::Key {
            let ids: Vec<String> = groups.iter().filter_map(|g| g.value.clone()).collect();
            let mut names = store.key_names(&ids).await?;
            for group in &mut groups {
                let id = group.value.as_deref().unwrap_or_default();
                group.name = names.remove(id);
            }
        }
        let whole = subject.whole().query(range);
        let others = match (by, &all) {
            // All groups together are more than the whole.
            (Dimension::Tag, Some(all)) => Some(Others::of(all, &starts)),
            (Dimension::Tag, None) => {
                let shown = groups.iter().filter_map(|g| g.value.clone()).collect();
                let except = UsageQuery {
                    except: [(by, shown)].into(),
                    ..whole.clone()
                };
                let rest = Spans::ask(store, except, range, u32::MAX).await?;
                Some(Others::of(&rest.unwrap_or_default(), &starts).with(&groups))
            }
            _ => None,
        };
        let sum = match all.filter(|_| by != Dimension::Tag) {
            Some(all) => all,
            None => Spans::ask(store, whole, range, u32::MAX)
                .await?
                .unwrap_or_default(),
        };
        let mut refusals: BTreeMap<String, i64> = BTreeMap::new();
        for span in sum.now.iter().filter(|span| refuses(&span.decision)) {
            let sum = refusals.entry(span.decision.clone()).or_default();
            *sum = sum.saturating_add(span.requests);
        }
        Ok(Self {
            all: by_span(&starts, &sum.now),
            before: by_span(&range.before_starts(), &sum.before),
            starts,
            refusals,
            groups,
            others,
        })
    }
}

impl Subject {
    /// The same without groups.
    fn whole(&self) -> Self {
        Self {
            by: Dimension::Team,
            ..self.clone()
        }
    }

    /// All of its usage, span by span.
    fn query(&self, range: &Range) -> UsageQuery {
        let team = (Dimension::Team, self.team.clone());
        let key = self.key.clone().map(|key| (Dimension::Key, key));
        UsageQuery {
            by: vec![self.by],
            every: Some(range.every),
            source: range.source(),
            from: Some(range.from),
            to: Some(range.to),
            only: [Some(team), key].into_iter().flatten().collect(),
            ..UsageQuery::default()
        }
    }
}

/// The usage of groups in a range and in the time before.
#[derive(Clone, Debug, Default)]
struct Spans {
    now: Vec<UsageSpan>,
    before: Vec<UsageSpan>,
}

impl Spans {
    /// What the query says, of both times; `None` where that is more than so many rows.
    async fn ask(
        store: &Store,
        query: UsageQuery,
        range: &Range,
        most: u32,
    ) -> Result<Option<Self>> {
        // Two times that touch are read at once, unless they share a month.
        if range.before_to == range.from && range.every != Every::Month {
            let both = UsageQuery {
                from: Some(range.before_from),
                ..query
            };
            let start = Some(Millis(range.from.saturating_mul(MINUTE_MS)));
            let found = store.usage_spans(&both, most).await?;
            return Ok(found.map(|found| {
                let (now, before) = found.into_iter().partition(|span| span.start >= start);
                Self { now, before }
            }));
        }
        let then = UsageQuery {
            from: Some(range.before_from),
            to: Some(range.before_to),
            ..query.clone()
        };
        let now = store.usage_spans(&query, most).await?;
        let before = store.usage_spans(&then, most).await?;
        Ok(now.zip(before).map(|(now, before)| Self { now, before }))
    }

    /// Of the groups that lead.
    async fn of_leaders(store: &Store, subject: &Subject, range: &Range) -> Result<Self> {
        let query = subject.query(range);
        let each = u32::try_from(SHOWN).unwrap_or(u32::MAX);
        let leaders = store.usage_leaders(&query, each).await?;
        if leaders.is_empty() {
            return Ok(Self::default());
        }
        let query = UsageQuery {
            among: [(subject.by, leaders)].into(),
            ..query
        };
        let found = Self::ask(store, query, range, u32::MAX).await?;
        Ok(found.unwrap_or_default())
    }

    /// The groups that lead in any measure.
    fn groups(&self, starts: &[Millis]) -> Vec<Group> {
        let mut totals: BTreeMap<&str, Totals> = BTreeMap::new();
        for span in &self.now {
            let sum = totals.entry(&span.group).or_default();
            *sum = sum.plus(&Totals::of_span(span));
        }
        let mut leading = BTreeSet::new();
        for measure in Measure::ALL {
            let size = |name: &&str| totals.get(name).map_or(0, |t| t.get(measure));
            let mut names: Vec<&str> = totals.keys().copied().collect();
            names.sort_by_key(|name| std::cmp::Reverse(size(name)));
            leading.extend(names.into_iter().take(SHOWN).filter(|name| size(name) > 0));
        }
        let group = |name: &str| {
            let of = |spans: &[UsageSpan]| -> Vec<UsageSpan> {
                spans.iter().filter(|s| s.group == name).cloned().collect()
            };
            let spans = by_span(starts, &of(&self.now));
            Group {
                value: Some(name.to_owned()),
                name: None,
                total: Totals::sum(&spans),
                spans,
                before: sum(&of(&self.before)),
            }
        };
        leading.into_iter().map(group).collect()
    }
}

impl Others {
    fn of(all: &Spans, starts: &[Millis]) -> Self {
        Self {
            spans: by_span(starts, &all.now),
            before: sum(&all.before),
        }
    }

    /// These and some groups.
    fn with(mut self, groups: &[Group]) -> Self {
        for group in groups {
            for (sum, span) in self.spans.iter_mut().zip(&group.spans) {
                *sum = sum.plus(span);
            }
            self.before = self.before.plus(&group.before);
        }
        self
    }
}

fn sum(spans: &[UsageSpan]) -> Totals {
    let each: Vec<Totals> = spans.iter().map(Totals::of_span).collect();
    Totals::sum(&each)
}

/// The usage of each span; nothing where there is none.
fn by_span(starts: &[Millis], spans: &[UsageSpan]) -> Vec<Totals> {
    let mut by_start: BTreeMap<Millis, Totals> = BTreeMap::new();
    for span in spans {
        let start = span.start.unwrap_or(Millis(0));
        let sum = by_start.entry(start).or_default();
        *sum = sum.plus(&Totals::of_span(span));
    }
    let of = |start| by_start.get(start).copied().unwrap_or_default();
    starts.iter().map(of).collect()
}
