//! People whom a provider or a proxy vouches for, and the roles that groups give and take.

use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_group_takes_away_what_it_gave_and_nothing_else,
    administrators_of_groups_are_so_while_the_group_is_theirs,
    an_account_is_found_by_the_providers_id_and_never_taken_by_its_address,
    who_is_let_in,
    a_removed_person_keeps_no_role_of_a_group,
);

const ADA: &str = "ada@example.com";

fn provided(groups: &[(&str, MemberRole)]) -> ProvidedPerson {
    ProvidedPerson {
        voucher: Voucher::Provider {
            issuer: "https://id.example".into(),
            subject: "ada".into(),
            gives: ProvidedRoles {
                admin: false,
                roles: groups.iter().map(|(id, role)| (team(id), *role)).collect(),
            },
        },
        email: Some(ADA.into()),
        name: "Ada".into(),
        id: "usr_ada".into(),
        takes_account: false,
        admits_anyone: true,
    }
}

fn administrator(admin: bool) -> ProvidedPerson {
    let mut asked = provided(&[]);
    if let Voucher::Provider { gives, .. } = &mut asked.voucher {
        gives.admin = admin;
    }
    asked
}

async fn sign_in(stand: &Stand, asked: &ProvidedPerson) -> Person {
    match stand.store.provided_person(asked, NOON).await.unwrap() {
        Provided::SignedIn(person) => person,
        refused => panic!("{refused:?}"),
    }
}

async fn new_acme(stand: &Stand) {
    let made = stand.store.create_team(new_team("acme"), &by(NOON)).await;
    made.unwrap();
}

async fn role(stand: &Stand) -> Option<MemberRole> {
    let members = stand.store.members(&team("acme")).await.unwrap();
    let ada = members.iter().find(|of| of.email.eq_ignore_ascii_case(ADA));
    ada.map(|of| of.role)
}

enum Step {
    /// Ada signs in, and a group gives this role in the team.
    Groups(Option<MemberRole>),
    /// Somebody makes her this by hand.
    Hand(MemberRole),
    /// The same, with her address in other letters.
    Written(MemberRole),
    /// Somebody removes her.
    Remove,
}

async fn a_group_takes_away_what_it_gave_and_nothing_else(stand: &Stand) {
    use MemberRole::{Developer, Owner, Viewer};
    use Step::{Groups, Hand, Remove, Written};
    let stories: &[&[(Step, Option<MemberRole>)]] = &[
        &[
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(Some(Owner)), Some(Owner)),
            (Groups(Some(Viewer)), Some(Viewer)),
            (Groups(None), None),
            (Groups(None), None),
        ],
        &[
            (Hand(Viewer), Some(Viewer)),
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(None), Some(Viewer)),
        ],
        &[
            (Hand(Owner), Some(Owner)),
            (Groups(Some(Developer)), Some(Owner)),
            (Groups(None), Some(Owner)),
        ],
        &[
            (Written(Viewer), Some(Viewer)),
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(None), Some(Viewer)),
        ],
        &[
            (Hand(Developer), Some(Developer)),
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(None), Some(Developer)),
        ],
        // What somebody has decided since is by hand, even if it is the same.
        &[
            (Groups(Some(Developer)), Some(Developer)),
            (Hand(Owner), Some(Owner)),
            (Groups(None), Some(Owner)),
        ],
        &[
            (Groups(Some(Developer)), Some(Developer)),
            (Hand(Developer), Some(Developer)),
            (Groups(None), Some(Developer)),
        ],
        &[
            (Groups(Some(Developer)), Some(Developer)),
            (Hand(Viewer), Some(Viewer)),
            (Groups(Some(Developer)), Some(Developer)),
            (Groups(None), Some(Viewer)),
        ],
        &[
            (Hand(Viewer), Some(Viewer)),
            (Groups(Some(Owner)), Some(Owner)),
            (Remove, None),
            (Groups(Some(Owner)), Some(Owner)),
            (Groups(None), None),
        ],
    ];
    new_acme(stand).await;
    let acme = team("acme");
    for (number, story) in stories.iter().enumerate() {
        for (at, (step, is)) in story.iter().enumerate() {
            match step {
                Groups(given) => {
                    let groups: Vec<_> = given.iter().map(|role| ("acme", *role)).collect();
                    sign_in(stand, &provided(&groups)).await;
                }
                Hand(role) | Written(role) => {
                    let email = match step {
                        Written(_) => "Ada@example.com",
                        _ => ADA,
                    };
                    let member = NewMember {
                        email: email.into(),
                        role: *role,
                    };
                    let put = stand.store.put_member(&acme, member, &by(NOON)).await;
                    put.unwrap();
                }
                Remove => {
                    let removed = stand.store.remove_member(&acme, ADA, &by(NOON)).await;
                    removed.unwrap();
                }
            }
            assert_eq!(role(stand).await, *is, "story {number}, step {at}");
        }
        sign_in(stand, &provided(&[])).await;
        for email in [ADA, "Ada@example.com"] {
            let _ = stand.store.remove_member(&acme, email, &by(NOON)).await;
        }
        assert_eq!(role(stand).await, None, "story {number}");
    }
    // A team that is not there or closed is passed over.
    sign_in(stand, &provided(&[("none", Owner)])).await;
    stand.store.close_team(&acme, &by(NOON)).await.unwrap();
    sign_in(stand, &provided(&[("acme", Owner)])).await;
    assert_eq!(role(stand).await, None);
}

async fn administrators_of_groups_are_so_while_the_group_is_theirs(stand: &Stand) {
    let hand = |admin| PersonPatch {
        admin: Some(admin),
        ..PersonPatch::default()
    };
    assert!(!sign_in(stand, &administrator(false)).await.admin);
    let promoted = sign_in(stand, &administrator(true)).await;
    assert!(promoted.admin);
    assert!(sign_in(stand, &administrator(true)).await.admin);
    // The last one too: a group that is lost must not keep its power.
    let demoted = sign_in(stand, &administrator(false)).await;
    assert!(!demoted.admin && demoted.generation > promoted.generation);
    // By hand it stays, also if the group had given it before.
    sign_in(stand, &administrator(true)).await;
    stand
        .store
        .update_person(ADA, hand(true), &by(NOON))
        .await
        .unwrap();
    assert!(sign_in(stand, &administrator(false)).await.admin);
}

async fn an_account_is_found_by_the_providers_id_and_never_taken_by_its_address(stand: &Stand) {
    let first = sign_in(stand, &provided(&[])).await;
    let moved = ProvidedPerson {
        email: Some("eve@example.com".into()),
        ..provided(&[])
    };
    assert_eq!(
        sign_in(stand, &moved).await.id,
        first.id,
        "the address changes nothing"
    );
    let nameless = ProvidedPerson {
        email: None,
        ..provided(&[])
    };
    assert_eq!(sign_in(stand, &nameless).await.email, ADA);
    for (issuer, subject) in [
        ("https://id.example", "mallory"),
        ("https://other.example", "ada"),
    ] {
        let other = |takes_account| ProvidedPerson {
            voucher: Voucher::Provider {
                issuer: issuer.into(),
                subject: subject.into(),
                gives: ProvidedRoles::default(),
            },
            id: "usr_other".into(),
            takes_account,
            ..provided(&[])
        };
        let refused = stand
            .store
            .provided_person(&other(false), NOON)
            .await
            .unwrap();
        assert!(matches!(refused, Provided::Taken), "{refused:?}");
        assert_eq!(sign_in(stand, &other(true)).await.id, first.id);
    }
    let identities = stand.store.identities(&first.id).await.unwrap();
    let issuers: Vec<_> = identities.iter().map(|of| &*of.issuer).collect();
    assert_eq!(issuers.len(), 3);
    assert!(issuers.contains(&"https://other.example"));
}

async fn who_is_let_in(stand: &Stand) {
    new_acme(stand).await;
    let store = &stand.store;
    let asked = |email: &str, roles: &[(&str, MemberRole)], proxy: bool| {
        let asked = provided(roles);
        ProvidedPerson {
            voucher: match (proxy, asked.voucher) {
                (true, _) => Voucher::Proxy,
                (false, Voucher::Provider { issuer, gives, .. }) => Voucher::Provider {
                    issuer,
                    subject: email.into(),
                    gives,
                },
                (false, Voucher::Proxy) => Voucher::Proxy,
            },
            email: Some(email.into()),
            id: format!("usr_{email}"),
            takes_account: proxy,
            admits_anyone: false,
            ..asked
        }
    };
    let member = NewMember {
        email: "Member@example.com".into(),
        role: MemberRole::Viewer,
    };
    store
        .put_member(&team("acme"), member, &by(NOON))
        .await
        .unwrap();
    for (number, (email, ends)) in [
        ("invited@example.com", later(60)),
        ("late@example.com", NOON),
    ]
    .into_iter()
    .enumerate()
    {
        let new = NewInvitation {
            id: format!("inv_{number}"),
            digest: [number as u8; 32],
            team: team("acme"),
            email: email.into(),
            role: MemberRole::Viewer,
            expires_at: ends,
        };
        store.invite(new, &by(NOON)).await.unwrap();
    }
    let viewer = [("acme", MemberRole::Viewer)];
    for (email, roles, proxy, enters) in [
        ("nobody@example.com", &[][..], false, false),
        ("nobody@example.com", &[], true, false),
        ("late@example.com", &[], false, false),
        ("invited@example.com", &[], false, true),
        ("member@example.com", &[], true, true),
        ("group@example.com", &viewer, false, true),
        // Accounts by now.
        ("invited@example.com", &[], false, true),
        ("member@example.com", &[], true, true),
    ] {
        let done = store
            .provided_person(&asked(email, roles, proxy), NOON)
            .await
            .unwrap();
        let entered = matches!(done, Provided::SignedIn(_));
        assert_eq!(entered, enters, "{email}, proxy {proxy}: {done:?}");
    }
    let anyone = ProvidedPerson {
        admits_anyone: true,
        ..asked("nobody@example.com", &[], true)
    };
    sign_in(stand, &anyone).await;
    let nameless = ProvidedPerson {
        email: None,
        admits_anyone: true,
        ..asked("ghost@example.com", &[], false)
    };
    let refused = store.provided_person(&nameless, NOON).await.unwrap();
    assert!(matches!(refused, Provided::Unknown), "{refused:?}");
}

async fn a_removed_person_keeps_no_role_of_a_group(stand: &Stand) {
    new_acme(stand).await;
    sign_in(stand, &provided(&[("acme", MemberRole::Owner)])).await;
    stand.store.remove_person(ADA, &by(NOON)).await.unwrap();
    assert_eq!(role(stand).await, None);
}
