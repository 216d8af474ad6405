//! Why a key deserves a look.

/// What there is to look at: keys that work and could do harm, or that are refused and still tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// It works, and never expires.
    NeverExpires,
    /// It works, and has no budget of any kind.
    NoBudget,
    /// It works, and was neither used nor made in the last 90 days.
    Unused,
    /// It works, and expires within seven days.
    ExpiresSoon,
    /// It is revoked, and was refused for that in the last seven days.
    RevokedInUse,
}

impl Attention {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::RevokedInUse,
        Self::ExpiresSoon,
        Self::Unused,
        Self::NoBudget,
        Self::NeverExpires,
    ];

    /// Its name in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverExpires => "never_expires",
            Self::NoBudget => "no_budget",
            Self::Unused => "unused",
            Self::ExpiresSoon => "expires_soon",
            Self::RevokedInUse => "revoked_in_use",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }
}
