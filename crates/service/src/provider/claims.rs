//! What a provider says about a person, in a token or in its user info.

use std::collections::BTreeMap;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{
    AdditionalClaims, EndUserEmail, EndUserName, LocalizedClaim, StandardClaims, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most groups that are looked at.
const MOST_GROUPS: usize = 10_000;

/// Claims that the library does not know by name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct AllClaims {
    #[serde(flatten)]
    all: BTreeMap<String, Value>,
}

impl AdditionalClaims for AllClaims {}

impl AllClaims {
    /// Those that say something: a null is as good as none.
    fn said(&self) -> BTreeMap<String, Value> {
        let said = self.all.iter().filter(|(_, value)| !value.is_null());
        said.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// The claims of an ID token.
pub(super) type IdTokenClaims = openidconnect::IdTokenClaims<AllClaims, CoreGenderClaim>;

/// What matters here of what a provider says.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    pub(super) name: Option<String>,
    others: BTreeMap<String, Value>,
}

impl Claims {
    /// Of a token that was verified.
    pub(super) fn of_token(claims: &IdTokenClaims) -> Self {
        let others = claims.additional_claims();
        Self::new(
            claims.email(),
            claims.email_verified(),
            claims.name(),
            others,
        )
    }

    /// Of user info about the person of the token.
    pub(super) fn of_user_info(said: &UserInfoClaims<AllClaims, CoreGenderClaim>) -> Self {
        let claims: &StandardClaims<CoreGenderClaim> = said.standard_claims();
        let others = said.additional_claims();
        Self::new(
            claims.email(),
            claims.email_verified(),
            claims.name(),
            others,
        )
    }

    fn new(
        email: Option<&EndUserEmail>,
        is_verified: Option<bool>,
        name: Option<&LocalizedClaim<EndUserName>>,
        others: &AllClaims,
    ) -> Self {
        Self {
            email: email.map(|email| email.to_string()),
            email_verified: is_verified == Some(true),
            name: name
                .and_then(|name| name.get(None))
                .map(|name| name.to_string()),
            others: others.said(),
        }
    }

    /// Whether there is nothing more to ask for.
    pub(super) fn is_complete(&self, groups: &str) -> bool {
        let email = self.email.is_some() && self.email_verified;
        email && self.name.is_some() && self.others.contains_key(groups)
    }

    /// What the token says, and what it does not from `more`. An address and its verification stay together.
    pub(super) fn or(self, more: Self) -> Self {
        let (email, email_verified) = match self.email {
            None => (more.email, more.email_verified),
            email if email == more.email => (email, self.email_verified || more.email_verified),
            email => (email, self.email_verified),
        };
        let mut others = more.others;
        others.extend(self.others);
        Self {
            email,
            email_verified,
            name: self.name.or(more.name),
            others,
        }
    }

    /// The groups: a list of names, or one name. Whatever else it is counts as none.
    pub(super) fn groups(&self, claim: &str) -> Vec<String> {
        match self.others.get(claim) {
            Some(Value::Array(groups)) => {
                let names = groups.iter().take(MOST_GROUPS).filter_map(Value::as_str);
                names.map(str::to_owned).collect()
            }
            Some(Value::String(group)) => vec![group.clone()],
            _ => Vec::new(),
        }
    }
}
