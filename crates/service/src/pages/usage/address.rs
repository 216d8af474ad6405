//! What the address of the page says, and addresses that say something else.

use gmtech_core::ident::TeamId;
use maud::{Markup, html};
use serde::Serialize;

use crate::ops::usage::overview::AskOverview;
use crate::ops::usage::range::AskRange;
use crate::ops::usage::totals::Measure;

/// The fields whose mistakes stand beside them.
pub(super) const FIELDS: [&str; 5] = ["measure", "by", "range", "from", "to"];

/// What the address says. Nothing of it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Asked {
    pub(super) team: Option<String>,
    pub(super) measure: Option<String>,
    pub(super) by: Option<String>,
    pub(super) range: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) key: Option<String>,
}

impl Asked {
    /// Reads a query string. What it does not know, it leaves out.
    pub(super) fn read(query: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let mut asked = Self::default();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Some(field) = asked.field(&name) {
                *field = Some(value);
            }
        }
        asked.plain()
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "team" => &mut self.team,
            "measure" => &mut self.measure,
            "by" => &mut self.by,
            "range" => &mut self.range,
            "from" => &mut self.from,
            "to" => &mut self.to,
            "key" => &mut self.key,
            _ => return None,
        })
    }

    /// Without days that a named range does not need: the form sends them with it.
    fn plain(mut self) -> Self {
        if self.range.as_deref().is_some_and(|range| range != "custom") {
            (self.from, self.to) = (None, None);
        }
        self
    }

    pub(super) fn overview(&self) -> AskOverview {
        AskOverview {
            measure: self.measure.clone(),
            by: self.by.clone(),
            range: AskRange {
                range: self.range.clone(),
                from: self.from.clone(),
                to: self.to.clone(),
            },
            key: self.key.clone(),
        }
    }

    pub(super) fn of_team(self, team: &TeamId) -> Self {
        Self {
            team: Some(team.to_string()),
            ..self
        }
    }

    pub(super) fn of_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            by: None,
            ..self.clone()
        }
    }

    pub(super) fn without_key(&self) -> Self {
        Self {
            key: None,
            ..self.clone()
        }
    }

    pub(super) fn with_measure(&self, measure: Measure) -> Self {
        Self {
            measure: Some(measure.name().to_owned()),
            ..self.clone()
        }
    }

    /// The address at `path`.
    pub(super) fn address(&self, path: &str) -> String {
        match serde_urlencoded::to_string(self) {
            Ok(query) if !query.is_empty() => format!("{path}?{query}"),
            _ => path.to_owned(),
        }
    }

    /// Some of the fields, for a form that asks for the others.
    pub(super) fn hidden(&self, names: &[&str]) -> Markup {
        let mut copy = self.clone();
        html! {
            @for name in names {
                @if let Some(Some(value)) = copy.field(name) {
                    input type="hidden" name=(name) value=(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_was_asked_and_no_more() {
        for (query, address) in [
            ("", "/u"),
            ("by=key&measure=cost&by=owner", "/u?measure=cost&by=owner"),
            ("range=7d&from=2026-11-01&to=2026-11-02", "/u?range=7d"),
            (
                "range=custom&from=2026-11-01&to=",
                "/u?range=custom&from=2026-11-01",
            ),
            ("from=2026-11-01", "/u?from=2026-11-01"),
            ("team=a%26b&utm=1", "/u?team=a%26b"),
            ("%ff=%ff", "/u"),
        ] {
            assert_eq!(Asked::read(query).address("/u"), address, "{query}");
        }
    }
}
