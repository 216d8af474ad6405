//! People whom others vouch for: a provider, or a proxy in front of the pages. And the roles that a provider's groups give.
//!
//! A role of groups stands beside what was given by hand: the higher one counts, and only what groups gave is taken away
//! with them. Whoever changes such a role by hand makes it one that was given by hand.

use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::super::{Store, Tx, members, note, rows};
use crate::clock::Millis;
use crate::store::{
    By, Identity, MemberRole, NewPerson, Person, Provided, ProvidedPerson, ProvidedRoles, Result,
    Voucher,
};

impl Store {
    /// Signs in somebody whom others vouch for. A provider's account is found by its id, and is linked at the first sign-in
    /// to the account with the address, which is made where there is none.
    pub async fn provided_person(&self, who: &ProvidedPerson, now: Millis) -> Result<Provided> {
        let mut tx = self.begin().await?;
        let mut person = match known(&mut tx, who).await? {
            Some(person) => person,
            None => match adopt(&mut tx, who, now).await? {
                Provided::SignedIn(person) => person,
                refused => return Ok(refused),
            },
        };
        let by = By::person(&person.email, now);
        let how = match &who.voucher {
            Voucher::Provider { gives, .. } => {
                apply(&mut tx, &mut person, gives, &by).await?;
                "oidc"
            }
            Voucher::Proxy => "header",
        };
        super::signed_in(&mut tx, &person, how, &by).await?;
        self.commit(tx).await?;
        Ok(Provided::SignedIn(person))
    }

    /// The accounts at providers that sign this person in.
    pub async fn identities(&self, person: &str) -> Result<Vec<Identity>> {
        let found = sqlx::query(
            "SELECT issuer, created_at FROM identities WHERE person_id = $1 ORDER BY created_at, issuer",
        )
        .bind(person)
        .fetch_all(&self.readers)
        .await?;
        let identity = |row: &sqlx::any::AnyRow| {
            Ok(Identity {
                issuer: row.try_get(0)?,
                created_at: Millis(row.try_get(1)?),
            })
        };
        found.iter().map(identity).collect()
    }
}

/// The person to whom this voucher has led before.
async fn known(tx: &mut Tx, who: &ProvidedPerson) -> Result<Option<Person>> {
    let Voucher::Provider {
        issuer, subject, ..
    } = &who.voucher
    else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT p.* FROM people p JOIN identities i ON i.person_id = p.id
         WHERE i.issuer = $1 AND i.subject = $2",
    )
    .bind(&**issuer)
    .bind(&**subject)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(rows::person).transpose()
}

/// The account of somebody to whom this voucher leads for the first time.
async fn adopt(tx: &mut Tx, who: &ProvidedPerson, now: Millis) -> Result<Provided> {
    let Some(email) = &who.email else {
        return Ok(Provided::Unknown);
    };
    let by = By::person(email, now);
    let person = match super::find(tx, email).await? {
        Some(_) if !who.takes_account => return Ok(Provided::Taken),
        Some(person) => person,
        None if !may_enter(tx, who, email, now).await? => return Ok(Provided::Unknown),
        None => {
            let new = NewPerson {
                id: who.id.clone(),
                email: email.clone(),
                name: who.name.clone(),
                password: None,
                admin: false,
            };
            super::insert(tx, &new, &by).await?
        }
    };
    if let Voucher::Provider {
        issuer, subject, ..
    } = &who.voucher
    {
        sqlx::query(
            "INSERT INTO identities (issuer, subject, person_id, created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(&**issuer)
        .bind(&**subject)
        .bind(&*person.id)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
        let detail = json!({"email": person.email, "issuer": issuer});
        note(tx, &by, "person.link_provider", &person.id, None, detail).await?;
    }
    Ok(Provided::SignedIn(person))
}

/// Whether somebody without an account may have one: a group gives a role, a team knows the address, or everybody may.
async fn may_enter(tx: &mut Tx, who: &ProvidedPerson, email: &str, now: Millis) -> Result<bool> {
    let of_group = match &who.voucher {
        Voucher::Provider { gives, .. } => gives.admin || !gives.roles.is_empty(),
        Voucher::Proxy => false,
    };
    if who.admits_anyone || of_group {
        return Ok(true);
    }
    let known = sqlx::query(
        "SELECT 1 FROM members WHERE LOWER(email) = $1
         UNION ALL
         SELECT 1 FROM invitations WHERE email = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2
         LIMIT 1",
    )
    .bind(email)
    .bind(now.0)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(known.is_some())
}

/// Gives what the groups give, and takes away what they gave before and give no more.
async fn apply(tx: &mut Tx, person: &mut Person, gives: &ProvidedRoles, by: &By) -> Result<()> {
    let row = sqlx::query("SELECT admin_provided FROM people WHERE id = $1")
        .bind(&*person.id)
        .fetch_one(&mut **tx)
        .await?;
    let was_provided = row.try_get::<i64, _>(0)? != 0;
    if gives.admin && !person.admin {
        super::set_admin(tx, person, true, true, by).await?;
    } else if !gives.admin && person.admin && was_provided {
        super::set_admin(tx, person, false, true, by).await?;
        person.generation = super::end_sessions(tx, &person.id).await?;
    }
    for (team, role) in provided(tx, &person.id).await? {
        if gives.roles.iter().all(|(given, _)| given.as_str() != team) {
            set_role(tx, person, &team, Some(role), None, by).await?;
        }
    }
    for (team, role) in &gives.roles {
        let before = provided_role(tx, &person.id, team).await?;
        set_role(tx, person, team.as_str(), before, Some(*role), by).await?;
    }
    Ok(())
}

/// Takes away all that groups gave.
pub(super) async fn take_back(tx: &mut Tx, person: &Person, by: &By) -> Result<()> {
    for (team, role) in provided(tx, &person.id).await? {
        set_role(tx, person, &team, Some(role), None, by).await?;
    }
    Ok(())
}

/// What groups gave in a team, and what was given by hand before.
#[derive(Clone, Copy)]
struct Raised {
    to: MemberRole,
    from: Option<MemberRole>,
}

async fn provided(tx: &mut Tx, person: &str) -> Result<Vec<(String, Raised)>> {
    let found = sqlx::query("SELECT * FROM provided_roles WHERE person_id = $1 ORDER BY team_id")
        .bind(person)
        .fetch_all(&mut **tx)
        .await?;
    found
        .iter()
        .map(|row| Ok((row.try_get("team_id")?, raised(row)?)))
        .collect()
}

async fn provided_role(tx: &mut Tx, person: &str, team: &TeamId) -> Result<Option<Raised>> {
    let row = sqlx::query("SELECT * FROM provided_roles WHERE person_id = $1 AND team_id = $2")
        .bind(person)
        .bind(team.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(raised).transpose()
}

fn raised(row: &sqlx::any::AnyRow) -> Result<Raised> {
    let from: Option<String> = row.try_get("given_by_hand")?;
    Ok(Raised {
        to: rows::role_named(row.try_get("role")?)?,
        from: from.map(rows::role_named).transpose()?,
    })
}

/// Makes a person what the groups say in an open team; nothing is done in a team that is not there or closed.
async fn set_role(
    tx: &mut Tx,
    person: &Person,
    team: &str,
    before: Option<Raised>,
    given: Option<MemberRole>,
    by: &By,
) -> Result<()> {
    let open = sqlx::query("SELECT 1 FROM teams WHERE id = $1 AND closed_at IS NULL")
        .bind(team)
        .fetch_optional(&mut **tx)
        .await?;
    if open.is_none() {
        return Ok(());
    }
    let is = members::role_of(tx, team, &person.email).await?;
    // Where the role is another one now, somebody has changed it by hand.
    let by_hand = match before {
        Some(before) if is == Some(before.to) => before.from,
        _ => is,
    };
    let raised = given.filter(|given| by_hand.is_none_or(|by_hand| given.outranks(by_hand)));
    remember(tx, &person.id, team, raised.map(|to| (to, by_hand))).await?;
    let role = raised.or(by_hand);
    if role == is {
        return Ok(());
    }
    let action = match role {
        Some(role) => {
            members::set(tx, team, &person.email, role, by.now).await?;
            "team.member.put"
        }
        None => {
            members::delete(tx, team, &person.email).await?;
            "team.member.remove"
        }
    };
    let detail = json!({"email": person.email, "role": role, "by": "groups"});
    note(tx, by, action, team, Some(team), detail).await
}

async fn remember(
    tx: &mut Tx,
    person: &str,
    team: &str,
    raised: Option<(MemberRole, Option<MemberRole>)>,
) -> Result<()> {
    let Some((to, from)) = raised else {
        sqlx::query("DELETE FROM provided_roles WHERE person_id = $1 AND team_id = $2")
            .bind(person)
            .bind(team)
            .execute(&mut **tx)
            .await?;
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO provided_roles (person_id, team_id, role, given_by_hand) VALUES ($1, $2, $3, $4)
         ON CONFLICT (person_id, team_id) DO UPDATE SET role = excluded.role, given_by_hand = excluded.given_by_hand",
    )
    .bind(person)
    .bind(team)
    .bind(to.name())
    .bind(from.map(MemberRole::name))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
