//! The options for a key's budgets, and their form in the API.

use clap::Args;
use serde_json::{Map, Value, json};

use super::body::merge;
use crate::admin::teams::dollars;

/// Budgets, in dollars.
#[derive(Args, Debug)]
#[command(next_help_heading = "Budgets, in dollars (days, weeks and months are UTC)")]
pub(super) struct Budgets {
    /// The most it may spend in a day
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_day: Option<i64>,
    /// The most it may spend in a week, which begins on Monday
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_week: Option<i64>,
    /// The most it may spend in a calendar month
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_month: Option<i64>,
    /// The most it may ever spend
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_total: Option<i64>,
    /// As --budget-day, but soft: spending more is reported, and nothing is refused
    #[arg(long, value_name = "USD", value_parser = dollars)]
    soft_budget_day: Option<i64>,
    /// As --budget-week, but soft
    #[arg(long, value_name = "USD", value_parser = dollars)]
    soft_budget_week: Option<i64>,
    /// As --budget-month, but soft
    #[arg(long, value_name = "USD", value_parser = dollars)]
    soft_budget_month: Option<i64>,
    /// As --budget-total, but soft
    #[arg(long, value_name = "USD", value_parser = dollars)]
    soft_budget_total: Option<i64>,
    /// The most it may spend on some models, as 'gpt-4o*:day=2.50' (day, week, month, total); may be repeated
    #[arg(long, value_name = "PATTERN:SPAN=USD", value_parser = model_budget)]
    model_budget: Vec<ModelBudget>,
}

/// A budget for some models.
#[derive(Clone, Debug)]
struct ModelBudget {
    pattern: String,
    field: &'static str,
    nanos: i64,
}

fn model_budget(text: &str) -> Result<ModelBudget, String> {
    const SHAPE: &str = "must be PATTERN:SPAN=USD, such as gpt-4o*:day=2.50";
    // A model's name may contain colons.
    let (pattern, budget) = text.rsplit_once(':').ok_or(SHAPE)?;
    let (span, usd) = budget.split_once('=').ok_or(SHAPE)?;
    let field = match span {
        "day" => "day_nano_usd",
        "week" => "week_nano_usd",
        "month" => "month_nano_usd",
        "total" => "total_nano_usd",
        _ => return Err(SHAPE.into()),
    };
    Ok(ModelBudget {
        pattern: pattern.into(),
        field,
        nanos: dollars(usd)?,
    })
}

impl Budgets {
    /// Sets the given budgets in `body`.
    pub(super) fn add_to(&self, body: &mut Map<String, Value>) {
        let hard = [
            ("day_nano_usd", self.budget_day),
            ("week_nano_usd", self.budget_week),
            ("month_nano_usd", self.budget_month),
            ("total_nano_usd", self.budget_total),
        ];
        merge(body, "budgets", given(hard));
        let soft = [
            ("day_nano_usd", self.soft_budget_day),
            ("week_nano_usd", self.soft_budget_week),
            ("month_nano_usd", self.soft_budget_month),
            ("total_nano_usd", self.soft_budget_total),
        ];
        for (field, nanos) in given(soft) {
            of(body, |budgets| merge(budgets, "soft", [(field, nanos)]));
        }
        for ModelBudget {
            pattern,
            field,
            nanos,
        } in &self.model_budget
        {
            of(body, |budgets| {
                let models = budgets.entry("models").or_insert_with(|| json!({}));
                if let Some(models) = models.as_object_mut() {
                    merge(models, pattern, [(*field, json!(nanos))]);
                }
            });
        }
    }
}

/// Changes the budgets in `body`, which are added if they are missing.
fn of(body: &mut Map<String, Value>, change: impl FnOnce(&mut Map<String, Value>)) {
    let budgets = body.entry("budgets").or_insert_with(|| json!({}));
    if let Some(budgets) = budgets.as_object_mut() {
        change(budgets);
    }
}

fn given<const N: usize>(
    amounts: [(&'static str, Option<i64>); N],
) -> impl Iterator<Item = (&'static str, Value)> {
    let given = amounts.into_iter();
    given.filter_map(|(name, nanos)| Some((name, json!(nanos?))))
}
