//! People and their teams: owners, invitations that are over, accounts of which nothing is left.

use std::time::Duration;

use gmtech_service::clock::{DAY_MS, Millis, Reading};
use gmtech_service::store::*;

use crate::common::browser::Browser;
use crate::common::http::Api;
use crate::common::*;

store_tests!(
    owners_who_remove_each_other_at_once_leave_one,
    only_the_service_takes_the_last_owner_away,
    invitations_that_are_over_are_dropped,
    accounts_of_which_nothing_is_left_are_removed,
);

/// As a person of the team.
fn by_person(email: &str) -> By {
    By::person(email, NOON)
}

async fn put(store: &Store, email: &str, role: MemberRole, by: &By) -> Result<Member> {
    let member = NewMember {
        email: email.into(),
        role,
    };
    store.put_member(&team("acme"), member, by).await
}

async fn owners(store: &Store) -> usize {
    let members = store.members(&team("acme")).await.unwrap();
    let is_owner = |member: &&Member| member.role == MemberRole::Owner;
    members.iter().filter(is_owner).count()
}

async fn owners_who_remove_each_other_at_once_leave_one(stand: &Stand) {
    let (one, other) = (&*stand.store, stand.url.open().await);
    one.create_team(new_team("acme"), &by(NOON)).await.unwrap();
    for round in 0..10 {
        for email in ["a@example.com", "b@example.com"] {
            put(one, email, MemberRole::Owner, &by(NOON)).await.unwrap();
        }
        let acme = team("acme");
        // Half of the time the second one steps the first down instead.
        let (a, b) = (by_person("a@example.com"), by_person("b@example.com"));
        let first = one.remove_member(&acme, "b@example.com", &a);
        let second = async {
            match round % 2 {
                0 => other.remove_member(&acme, "a@example.com", &b).await,
                _ => put(&other, "a@example.com", MemberRole::Viewer, &b)
                    .await
                    .map(drop),
            }
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(owners(one).await, 1, "round {round}: {first:?} {second:?}");
        let refused = [first, second].into_iter().filter_map(Result::err);
        let refused: Vec<_> = refused.collect();
        assert!(
            matches!(refused[..], [StoreError::LastOwner]),
            "round {round}: {refused:?}"
        );
    }
}

async fn only_the_service_takes_the_last_owner_away(stand: &Stand) {
    let store = &*stand.store;
    let acme = team("acme");
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    for (email, role) in [
        ("a@example.com", MemberRole::Owner),
        ("v@example.com", MemberRole::Viewer),
    ] {
        put(store, email, role, &by(NOON)).await.unwrap();
    }
    let own = by_person("a@example.com");
    let stepped = put(store, "a@example.com", MemberRole::Viewer, &own).await;
    assert!(matches!(stepped, Err(StoreError::LastOwner)), "{stepped:?}");
    // Who is no owner can go, and the owner can be an owner again.
    put(store, "a@example.com", MemberRole::Owner, &own)
        .await
        .unwrap();
    store
        .remove_member(&acme, "v@example.com", &own)
        .await
        .unwrap();
    store
        .remove_member(&acme, "a@example.com", &by(NOON))
        .await
        .unwrap();
    assert_eq!(owners(store).await, 0);
    // A team without owners may get members without one.
    put(store, "v@example.com", MemberRole::Viewer, &own)
        .await
        .unwrap();
}

fn invitation(n: u8, expires_at: Millis) -> NewInvitation {
    NewInvitation {
        id: format!("inv_{n}"),
        digest: [n; 32],
        team: team("acme"),
        email: format!("i{n}@example.com"),
        role: MemberRole::Viewer,
        expires_at,
    }
}

fn person(id: &str) -> NewPerson {
    NewPerson {
        id: id.into(),
        email: String::new(),
        name: "Kim".into(),
        password: None,
        admin: false,
    }
}

async fn invitations_that_are_over_are_dropped(stand: &Stand) {
    let store = &*stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    for (n, expires_at) in [
        (1, later(60)),
        (2, later(60)),
        (3, later(5)),
        (4, later(60)),
    ] {
        store
            .invite(invitation(n, expires_at), &by(NOON))
            .await
            .unwrap();
    }
    let accepted = store.accept_invitation(&[1; 32], Some(person("usr_1")), later(1));
    accepted.await.unwrap();
    store
        .revoke_invitation(&team("acme"), "inv_2", &by(later(1)))
        .await
        .unwrap();
    let left = async || {
        let mut left = Vec::new();
        for n in 1..=4 {
            if store.invitation(&[n; 32]).await.unwrap().is_some() {
                left.push(n);
            }
        }
        left
    };
    for (before, dropped, expected) in [
        (later(1), 0, vec![1, 2, 3, 4]),
        (later(2), 2, vec![3, 4]),
        (later(6), 1, vec![4]),
        (later(61), 1, vec![]),
        (later(61), 0, vec![]),
    ] {
        assert_eq!(store.forget_invitations(before).await.unwrap(), dropped);
        assert_eq!(left().await, expected, "{before:?}");
    }
    assert_eq!(store.members(&team("acme")).await.unwrap().len(), 1);
}

async fn accounts_of_which_nothing_is_left_are_removed(stand: &Stand) {
    let store = &*stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    // Each of them signs in by a link; something is left of all but the first two.
    for (n, name) in (1..).zip([
        "idle", "provided", "member", "admin", "known", "shown", "fresh",
    ]) {
        let email = format!("{name}@example.com");
        let link = NewSignInLink {
            digest: [n; 32],
            email: Some(email.clone()),
            admin: name == "admin",
            expires_at: later(60),
        };
        store.create_sign_in_link(&link, &by(NOON)).await.unwrap();
        let at = match name {
            "fresh" => later(50),
            _ => NOON,
        };
        let used = store.use_sign_in_link(&link.digest, person(&format!("usr_{name}")), at);
        used.await.unwrap();
    }
    put(store, "Member@example.com", MemberRole::Viewer, &by(NOON))
        .await
        .unwrap();
    let password = PersonPatch {
        password: Some("hash".into()),
        ..PersonPatch::default()
    };
    store
        .update_person("known@example.com", password, &by(NOON))
        .await
        .unwrap();
    let provided = ProvidedPerson {
        voucher: Voucher::Provider {
            issuer: "https://id.example".into(),
            subject: "s".into(),
            gives: ProvidedRoles {
                admin: false,
                roles: vec![],
            },
        },
        email: Some("provided@example.com".into()),
        name: "Kim".into(),
        id: "usr_other".into(),
        takes_account: false,
        admits_anyone: true,
    };
    store.provided_person(&provided, NOON).await.unwrap();
    let session = StoredSession {
        digest: [9; 32],
        person: Some("usr_shown".into()),
        data: "{}".into(),
        seen_at: NOON,
        expires_at: later(60),
    };
    store.create_session(&session, NOON).await.unwrap();

    assert_eq!(store.forget_people(NOON, &by(later(60))).await.unwrap(), 0);
    let gone = store.forget_people(later(40), &by(later(60))).await;
    assert_eq!(gone.unwrap(), 2);
    let people = store.people().await.unwrap();
    let ids: Vec<&str> = people.iter().map(|person| &*person.id).collect();
    let kept = [
        "usr_admin",
        "usr_fresh",
        "usr_known",
        "usr_member",
        "usr_shown",
    ];
    assert_eq!(ids, kept, "by address");
    // Who comes back by the provider gets an account as at first.
    let again = store.provided_person(&provided, later(60)).await.unwrap();
    let Provided::SignedIn(person) = again else {
        panic!("{again:?}");
    };
    assert_eq!(person.id, "usr_other");
}

#[tokio::test]
async fn housekeeping_drops_what_is_over() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let fields = [("email", "new@example.com"), ("role", "viewer")];
    let invited = owner.post("/users/team/invite?team=acme", &fields).await;
    let (_, rest) = invited.body.split_once("/users/invitations/").unwrap();
    let token = rest.split('<').next().unwrap().trim().to_owned();
    let digest = gmtech_service::secret::digest(&token);
    let _idle = Browser::signed_in(&api, "idle@example.com", false).await;
    let store = &api.service.store;
    let start = Reading::now();
    for (days, invitation, people) in [(0, true, 2), (10, true, 2), (15, false, 2), (120, false, 1)]
    {
        let reading = Reading {
            wall: Millis(start.wall.0 + days * DAY_MS),
            uptime: start.uptime + Duration::from_secs(days as u64 * 86_400),
        };
        // The second look sees that the sessions of the first have ended.
        for _ in 0..2 {
            api.service.housekeeping(reading).await.unwrap();
        }
        let found = store.invitation(&digest).await.unwrap();
        assert_eq!(found.is_some(), invitation, "after {days} days");
        assert_eq!(store.people().await.unwrap().len(), people, "{days} days");
    }
}
