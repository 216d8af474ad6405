//! Addresses of the list and of one key. All that is shown is in the address.

use serde::Deserialize;

use crate::pages::HOME;
use crate::store::{Attention, KeyInfo, KeySort, Standing};

/// What a list shows, as its address says it; empty is not asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) team: String,
    pub(super) search: String,
    pub(super) status: String,
    pub(super) tier: String,
    pub(super) owner: String,
    pub(super) tag: String,
    pub(super) look: String,
    pub(super) sort: String,
    pub(super) reverse: String,
    pub(super) after: String,
    pub(super) skip: String,
}

/// How keys can be, as addresses and people say it.
pub(super) const STANDINGS: [(&str, &str, Standing); 5] = [
    ("active", "Active", Standing::Active),
    ("suspended", "Suspended", Standing::Suspended),
    ("over_budget", "Over budget", Standing::OverBudget),
    ("expired", "Expired", Standing::Expired),
    ("revoked", "Revoked", Standing::Revoked),
];

const SORTS: [(&str, KeySort); 4] = [
    ("created", KeySort::Created),
    ("name", KeySort::Name),
    ("last_used", KeySort::LastUsed),
    ("expires", KeySort::Expires),
];

impl Asked {
    fn pairs(&self) -> [(&'static str, &str); 11] {
        [
            ("team", &self.team),
            ("search", &self.search),
            ("status", &self.status),
            ("tier", &self.tier),
            ("owner", &self.owner),
            ("tag", &self.tag),
            ("look", &self.look),
            ("sort", &self.sort),
            ("reverse", &self.reverse),
            ("after", &self.after),
            ("skip", &self.skip),
        ]
    }

    /// The list's address.
    pub(super) fn address(&self) -> String {
        let pairs: Vec<_> = self
            .pairs()
            .into_iter()
            .filter(|(_, v)| !v.is_empty())
            .collect();
        address(HOME, &pairs)
    }

    /// The whole list of the team.
    pub(super) fn all(&self) -> Self {
        Self {
            team: self.team.clone(),
            ..Self::default()
        }
    }

    /// The keys that deserve a look for one reason.
    pub(super) fn looks_at(&self, attention: Attention) -> Self {
        Self {
            look: attention.name().into(),
            ..self.all()
        }
    }

    /// The same from its first key on.
    pub(super) fn first(&self) -> Self {
        Self {
            after: String::new(),
            skip: String::new(),
            ..self.clone()
        }
    }

    /// The same in another order; the order it has is turned around.
    pub(super) fn sorted(&self, name: &str) -> Self {
        let same = self.sort_name() == name;
        Self {
            sort: name.into(),
            reverse: if same && self.reverse.is_empty() {
                "true".into()
            } else {
                String::new()
            },
            ..self.first()
        }
    }

    /// What the list is sorted by, as the address says it.
    pub(super) fn sort_name(&self) -> &str {
        SORTS
            .iter()
            .find(|(name, _)| *name == self.sort)
            .map_or("created", |(name, _)| name)
    }

    pub(super) fn sort(&self) -> KeySort {
        SORTS
            .iter()
            .find(|(name, _)| *name == self.sort)
            .map_or(KeySort::Created, |(_, sort)| *sort)
    }

    pub(super) fn standing(&self) -> Option<Standing> {
        let found = STANDINGS.iter().find(|(name, ..)| *name == self.status);
        found.map(|(_, _, standing)| *standing)
    }

    pub(super) fn attention(&self) -> Option<Attention> {
        Attention::named(&self.look)
    }

    /// The filters that are set, as people call them.
    pub(super) fn filters(&self) -> Vec<String> {
        let named = [
            ("search", &self.search),
            ("status", &self.status),
            ("tier", &self.tier),
            ("owner", &self.owner),
            ("tag", &self.tag),
        ];
        named
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name} “{value}”"))
            .collect()
    }
}

/// `path` with a query.
pub(super) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = serde_html_form::to_string(pairs).unwrap_or_default();
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}

/// The address of one key, or of something of it such as `edit`.
pub(super) fn key_address(key: &KeyInfo, what: &str) -> String {
    let record = &key.record;
    let path = format!("{HOME}{}/{what}", record.id);
    address(&path, &[("team", record.team.as_str())])
}
