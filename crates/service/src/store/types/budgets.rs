//! What a key may spend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Budgets, one for each span of time, in nano-dollars; `None` is no budget. Days, weeks and months are UTC; a week begins
/// on Monday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Amounts {
    /// A day.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub day_nano_usd: Option<i64>,
    /// A week.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub week_nano_usd: Option<i64>,
    /// A calendar month.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub month_nano_usd: Option<i64>,
    /// All time.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub total_nano_usd: Option<i64>,
}

impl Amounts {
    /// Each budget with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<i64>); 4] {
        [
            ("day_nano_usd", self.day_nano_usd),
            ("week_nano_usd", self.week_nano_usd),
            ("month_nano_usd", self.month_nano_usd),
            ("total_nano_usd", self.total_nano_usd),
        ]
    }

    /// Each budget, in the order of [`Self::named`].
    pub fn each_mut(&mut self) -> [&mut Option<i64>; 4] {
        [
            &mut self.day_nano_usd,
            &mut self.week_nano_usd,
            &mut self.month_nano_usd,
            &mut self.total_nano_usd,
        ]
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a key, with all that rotation continues, may spend, in nano-dollars; null is no budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// A UTC day.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub day_nano_usd: Option<i64>,
    /// A UTC week, from Monday on.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub week_nano_usd: Option<i64>,
    /// A UTC calendar month.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub month_nano_usd: Option<i64>,
    /// All time.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_000_i64)]
    pub total_nano_usd: Option<i64>,
    /// Budgets that refuse nothing: to pass one is shown, and is in the audit log once.
    pub soft: Amounts,
    /// Budgets of some models, by pattern (`gpt-4o*`), at most 16: a spent one refuses these models only.
    pub models: BTreeMap<String, Amounts>,
}

impl Budgets {
    /// Those for all models.
    #[must_use]
    pub fn hard(&self) -> Amounts {
        Amounts {
            day_nano_usd: self.day_nano_usd,
            week_nano_usd: self.week_nano_usd,
            month_nano_usd: self.month_nano_usd,
            total_nano_usd: self.total_nano_usd,
        }
    }

    /// Replaces those for all models.
    pub fn set_hard(&mut self, amounts: Amounts) {
        self.day_nano_usd = amounts.day_nano_usd;
        self.week_nano_usd = amounts.week_nano_usd;
        self.month_nano_usd = amounts.month_nano_usd;
        self.total_nano_usd = amounts.total_nano_usd;
    }

    /// Whether there is none of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which keys' budgets are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgeted {
    /// Those that are spent: a new day or month may open them.
    Spent,
    /// All that have one: the clock was wrong, and what was judged by it may be too.
    All,
}
