//! Drops every method of the store at every moment: before its first poll and after each poll, until it
//! completes. After each drop the store reads and writes at once, and every change is there completely or not at all.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use gmtech_core::ident::TierName;
use gmtech_core::objects::ObjectId;
use gmtech_core::record::Status;
use gmtech_core::tier::Tier;
use gmtech_service::clock::Millis;
use gmtech_service::store::*;
use sqlx::Row;
use tokio::time::timeout;

use crate::common::*;

store_tests!(a_method_can_be_dropped_at_every_poll);

/// A proxy that tells nothing of itself.
const PROXY: ProxyTold = ProxyTold {
    filter: None,
    held: Some(1),
    tiers: None,
};

/// More polls than any method needs.
const MAX_POLLS: usize = 400;

/// Far longer than a write takes, far shorter than any deadline in the store.
const AT_ONCE: Duration = Duration::from_secs(4);

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Right after a poll, while the operation that it started is running.
    Polled,
    /// When it can be polled again, after the operation that it started has ended.
    Woken,
}

/// The result of the work, or `None` if it was dropped after so many polls.
async fn dropped_after<T>(
    polls: usize,
    moment: Moment,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut done = 0;
    poll_fn(|cx| {
        if done == polls {
            return Poll::Ready(None);
        }
        done += 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if done == polls && matches!(moment, Moment::Polled) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn any_tier() -> Tier {
    Tier::of_rates(60, 40_000).unwrap()
}

/// The objects that the methods work on; `number` differs from call to call.
struct Scene<'a> {
    store: &'a Store,
    key: &'a KeyInfo,
    /// A key without any change.
    fresh: &'a KeyInfo,
    number: usize,
}

impl Scene<'_> {
    fn once(&self) -> Option<Once> {
        Some(Once {
            token: format!("once-{}", self.number),
            request: [7; 32],
        })
    }

    fn tier(&self) -> TierName {
        TierName::new(&format!("tier-{}", self.number)).unwrap()
    }

    fn token(&self) -> NewServiceToken {
        let mut digest = [9; 32];
        digest[..8].copy_from_slice(&self.number.to_be_bytes());
        NewServiceToken {
            id: format!("tok_{}", self.number),
            name: "ci".into(),
            digest,
            role: Role::Reader,
            team: None,
        }
    }

    fn session(&self) -> StoredSession {
        StoredSession {
            digest: self.token().digest,
            person: Some("usr_kim".into()),
            data: "{}".into(),
            seen_at: NOON,
            expires_at: later(60),
        }
    }

    fn link(&self) -> NewSignInLink {
        NewSignInLink {
            digest: self.token().digest,
            email: Some(format!("l{}@example.com", self.number)),
            admin: true,
            expires_at: later(60),
        }
    }

    /// A link that makes an account without any rights.
    fn idle_link(&self) -> NewSignInLink {
        NewSignInLink {
            email: Some(format!("idle{}@example.com", self.number)),
            admin: false,
            expires_at: later(60),
            ..self.link()
        }
    }

    fn person(&self) -> NewPerson {
        NewPerson {
            id: format!("usr_{}", self.number),
            email: format!("p{}@example.com", self.number),
            name: "Kim".into(),
            password: None,
            admin: false,
        }
    }

    fn provided(&self) -> ProvidedPerson {
        ProvidedPerson {
            voucher: Voucher::Provider {
                issuer: "https://id.example".into(),
                subject: format!("s{}", self.number),
                gives: ProvidedRoles {
                    admin: true,
                    roles: vec![(team("acme"), MemberRole::Viewer)],
                },
            },
            email: Some(format!("o{}@example.com", self.number)),
            name: "Kim".into(),
            id: format!("usr_o{}", self.number),
            takes_account: false,
            admits_anyone: false,
        }
    }

    fn invitation(&self) -> NewInvitation {
        NewInvitation {
            id: format!("inv_{}", self.number),
            digest: self.token().digest,
            team: team("acme"),
            email: format!("i{}@example.com", self.number),
            role: MemberRole::Developer,
            expires_at: later(60),
        }
    }

    /// Adds an address of a team of its own: a team can have ten.
    async fn add_address(&self) -> Result<AlertAddress> {
        let of = format!("hook-{}", self.number);
        self.store.create_team(new_team(&of), &by(NOON)).await?;
        let new = NewAlertAddress {
            id: format!("address_{}", self.number),
            team: team(&of),
            name: "hook".into(),
            url: "https://hooks.example.com/".into(),
            secret: "whsec_c2VjcmV0".into(),
        };
        self.store.add_alert_address(new, &by(NOON)).await
    }

    /// Each after the lease of the one before.
    async fn begin_test(&self) -> Result<Due> {
        let by = by(later(120 * self.number as i64));
        let name = format!("test:{}", self.number);
        self.store
            .begin_alert_test(&self.key.record.team, "address_a", &name, &by)
            .await
    }

    fn event(&self) -> Priced {
        event(self.key, self.number as u64, 10)
    }
}

type Call = for<'a> fn(&'a Scene<'a>) -> BoxFuture<'a, Result<()>>;

macro_rules! calls {
    ($($name:ident: |$scene:ident| $call:expr;)*) => {
        &[$((stringify!($name), {
            fn call<'a>($scene: &'a Scene<'a>) -> BoxFuture<'a, Result<()>> {
                async move { $call.await.map(|_| ()) }.boxed()
            }
            call as Call
        })),*]
    };
}

const CALLS: &[(&str, Call)] = calls! {
    create_key: |s| s.store.create_key(new_key_of("acme"), s.once(), &by(NOON));
    create_keys: |s| s.store.create_keys(vec![new_key_of("acme"), new_key_of("acme")], None, &by(NOON));
    key: |s| s.store.key(&s.key.record.id);
    keys: |s| s.store.keys(&KeyFilter::default(), &page(3, None));
    keys_to_look_at: |s| s.store.keys_to_look_at(&s.key.record.team, Attention::Unused, NOON, 0, 3);
    count_to_look_at: |s| s.store.count_to_look_at(&s.key.record.team, Attention::NoBudget, NOON);
    chain: |s| s.store.chain(&s.key.record.id);
    spent: |s| s.store.spent(&s.key.record.id, NOON);
    update_key: |s| s.store.update_key(
        &s.key.record.id,
        KeyPatch { name: Some(format!("name {}", s.number)), ..KeyPatch::default() },
        &by(NOON)
    );
    set_status: |s| s.store.set_status(&s.fresh.record.id, Status::Revoked, &by(NOON));
    rotate_key: |s| s.store.rotate_key(&s.fresh.record.id, rotation(60), &by(NOON));
    audit: |s| s.store.audit(&AuditFilter::default(), &page(3, None));
    create_team: |s| s.store.create_team(new_team(&format!("team-{}", s.number)), &by(NOON));
    team: |s| s.store.team(&s.key.record.team);
    teams: |s| s.store.teams(None, &page(3, None));
    update_team: |s| s.store.update_team(
        &s.key.record.team,
        TeamPatch { name: Some(format!("name {}", s.number)), ..TeamPatch::default() },
        &by(NOON)
    );
    close_team: |s| async {
        let team = s.store.create_team(new_team(&format!("gone-{}", s.number)), &by(NOON)).await?.team.id;
        s.store.create_key(new_key_of(team.as_str()), None, &by(NOON)).await?;
        s.store.close_team(&team, &by(NOON)).await
    };
    tiers: |s| s.store.tiers();
    keys_of_tier: |s| s.store.keys_of_tier(&s.key.record.tier);
    seed_tiers: |s| async {
        let tiers = [(s.tier(), any_tier())];
        s.store.seed_tiers(&tiers, &by(NOON)).await
    };
    create_tier: |s| async { s.store.create_tier(&s.tier(), &any_tier(), &by(NOON)).await };
    update_tier: |s| async {
        let made = s.store.create_tier(&s.tier(), &any_tier(), &by(NOON)).await?;
        let is = Tier::of_rates(7, 900).unwrap();
        s.store.update_tier(&made.name, &made.tier, &is, &by(NOON)).await
    };
    remove_tier: |s| async {
        let made = s.store.create_tier(&s.tier(), &any_tier(), &by(NOON)).await?;
        s.store.remove_tier(&made.name, &by(NOON)).await
    };
    members: |s| s.store.members(&s.key.record.team);
    put_member: |s| s.store.put_member(
        &s.key.record.team,
        NewMember { email: format!("m{}@example.com", s.number), role: MemberRole::Developer },
        &by(NOON)
    );
    remove_member: |s| s.store.remove_member(&s.key.record.team, "kim@example.com", &by(NOON));
    create_token: |s| s.store.create_token(s.token(), &by(NOON));
    create_token_once: |s| s.store.create_token_once(s.token(), None, &by(NOON));
    configure_token: |s| s.store.configure_token(s.token(), 1_000, &by(NOON));
    note_tokens_used: |s| async { s.store.note_tokens_used(&[(s.token().id, NOON)]).await };
    token: |s| async { s.store.token(&s.token().digest).await };
    tokens: |s| s.store.tokens();
    revoke_token: |s| async { s.store.revoke_token(&s.token().id, &by(NOON)).await };
    create_session: |s| async { s.store.create_session(&s.session(), NOON).await };
    save_session: |s| async { s.store.save_session(&s.session()).await };
    session: |s| async { s.store.session(&s.token().digest).await };
    note_sessions_seen: |s| async { s.store.note_sessions_seen(&[(s.token().digest, NOON)]).await };
    end_session: |s| async { s.store.end_session(&s.token().digest).await };
    forget_sessions: |s| s.store.forget_sessions(Millis(1), Millis(1));
    create_sign_in_link: |s| async { s.store.create_sign_in_link(&s.link(), &by(NOON)).await };
    sign_in_link: |s| async { s.store.sign_in_link(&s.token().digest, NOON).await };
    use_sign_in_link: |s| async {
        s.store.create_sign_in_link(&s.link(), &by(NOON)).await?;
        s.store.use_sign_in_link(&s.token().digest, s.person(), NOON).await
    };
    people: |s| s.store.people();
    has_administrator: |s| s.store.has_administrator();
    account: |s| s.store.account("kim@example.com");
    person_teams: |s| s.store.person_teams("usr_kim");
    update_person: |s| async {
        let patch = PersonPatch { password: Some(format!("hash {}", s.number)), ..PersonPatch::default() };
        s.store.update_person("kim@example.com", patch, &by(NOON)).await
    };
    sign_out_everywhere: |s| s.store.sign_out_everywhere("kim@example.com", &by(NOON));
    note_sign_in: |s| async {
        let kim = s.store.account("kim@example.com").await?.unwrap().person;
        s.store.note_sign_in(&kim, "password", &by(NOON)).await
    };
    provided_person: |s| async { s.store.provided_person(&s.provided(), NOON).await };
    identities: |s| s.store.identities("usr_kim");
    remove_person: |s| async {
        let provided = s.provided();
        s.store.provided_person(&provided, NOON).await?;
        s.store.remove_person(&provided.email.unwrap(), &by(NOON)).await
    };
    invite: |s| s.store.invite(s.invitation(), &by(NOON));
    invitations: |s| s.store.invitations(&s.key.record.team, NOON);
    invitation: |s| async { s.store.invitation(&s.token().digest).await };
    revoke_invitation: |s| async {
        let id = s.store.invite(s.invitation(), &by(NOON)).await?.id;
        s.store.revoke_invitation(&s.key.record.team, &id, &by(NOON)).await
    };
    accept_invitation: |s| async {
        s.store.invite(s.invitation(), &by(NOON)).await?;
        s.store.accept_invitation(&s.token().digest, Some(s.person()), NOON).await
    };
    alerts: |s| async { s.store.alerts(&s.key.record.team, &page(3, None)).await };
    alerts_to_show: |s| s.store.alerts_to_show(&s.key.record.team, "usr_kim", NOON, 3);
    dismiss_alert: |s| async {
        let due = s.begin_test().await?;
        s.store.dismiss_alert(&s.key.record.team, &due.alert, "usr_kim").await
    };
    alert_expiring: |s| async {
        let expires_at = Some(later(s.number as i64 * 60).unix_seconds());
        let new = NewKey { expires_at, ..new_key_of("acme") };
        s.store.create_key(new, None, &by(later(-700_000))).await?;
        s.store.alert_expiring(NOON).await
    };
    forget_alerts: |s| s.store.forget_alerts(Millis(1));
    alert_addresses: |s| s.store.alert_addresses(&s.key.record.team);
    add_alert_address: |s| s.add_address();
    remove_alert_address: |s| async {
        let added = s.add_address().await?;
        s.store.remove_alert_address(&added.team, &added.id, &by(NOON)).await
    };
    enable_alert_address: |s| s.store.enable_alert_address(&s.key.record.team, "address_a", s.number.is_multiple_of(2), &by(NOON));
    rotate_alert_secret: |s| s.store.rotate_alert_secret(&s.key.record.team, "address_a", ("whsec_bmV3", later(60)), &by(NOON));
    lease_deliveries: |s| async {
        s.begin_test().await?;
        s.store.lease_deliveries(later(3_600), 8, &[]).await
    };
    begin_alert_test: |s| s.begin_test();
    note_attempt: |s| async {
        let due = s.begin_test().await?;
        let done = Attempted { answered: Some(200), problem: None, then: Then::Delivered };
        s.store.note_attempt(&due, &done, NOON).await
    };
    deliveries: |s| s.store.deliveries(&s.key.record.team, None, 3);
    deliveries_waiting: |s| s.store.deliveries_waiting();
    forget_invitations: |s| s.store.forget_invitations(Millis(1));
    forget_people: |s| async {
        s.store.create_sign_in_link(&s.idle_link(), &by(NOON)).await?;
        s.store.use_sign_in_link(&s.idle_link().digest, s.person(), Millis(2)).await?;
        s.store.forget_people(Millis(3), &by(NOON)).await
    };
    head: |s| s.store.head();
    changes: |s| s.store.changes(0, 3);
    resolve: |s| async { s.store.resolve(&secret().digest).await };
    new_epoch: |s| async {
        let from = s.store.head().await?;
        s.store.new_epoch(from, "a test", &[], &by(NOON)).await
    };
    place: |s| s.store.place();
    audit_after: |s| s.store.audit_after(0, 3);
    checkpoint: |s| s.store.checkpoint();
    restored: |s| s.store.restored();
    acknowledge: |s| s.store.acknowledge(&by(NOON));
    report: |s| s.store.report("proxy", Head { epoch: 1, version: 1 }, &PROXY, NOON);
    proxies: |s| s.store.proxies(Millis(0));
    forget: |s| s.store.forget(Millis(1));
    ingest_all: |s| async { s.store.ingest_all(&[vec![s.event()].into()], NOON).await };
    credit: |s| s.store.credit(
        &s.key.record.team,
        NewCredit { amount: 5, note: String::new(), once: s.once() },
        &by(NOON)
    );
    ledger: |s| async { s.store.ledger(&s.key.record.team, &page(3, None)).await };
    credited: |s| async { s.store.credited(&s.key.record.team, 0).await };
    charged_by_fallback: |s| s.store.charged_by_fallback(0);
    usage: |s| async {
        let all = UsageQuery::default();
        s.store.usage(&all).await
    };
    usage_leaders: |s| async {
        let all = UsageQuery::default();
        s.store.usage_leaders(&all, 3).await
    };
    usage_spans: |s| async {
        let all = UsageQuery::default();
        s.store.usage_spans(&all, 3).await
    };
    has_more_keys: |s| s.store.has_more_keys("acme", 3);
    keys_beginning: |s| async {
        let filter = KeyFilter { search: Some("k".into()), ..KeyFilter::default() };
        s.store.keys_beginning(&team("acme"), &filter, 3).await
    };
    days_of_keys: |s| async {
        let keys = [s.key.record.id.clone()];
        s.store.days_of_keys(&team("acme"), &keys, (0, 9)).await
    };
    refusals_of_keys: |s| async {
        let keys = [s.key.record.id.clone()];
        s.store.refusals_of_keys(&keys, (0, 9)).await
    };
    key_names: |s| async { s.store.key_names(&[s.key.record.id.to_string()]).await };
    usage_kept: |s| s.store.usage_kept();
    request: |s| s.store.request("7a1c-8f30", None);
    proven: |s| s.store.proven();
    prove: |s| async {
        let was = s.store.proven().await?;
        s.store.prove(was, Millis(NOON.0 + s.number as i64)).await
    };
    judge_budgets: |s| s.store.judge_budgets(Budgeted::All, NOON);
    close_days_before: |s| s.store.close_days_before(1);
    objects: |s| async { s.store.objects(&[ObjectId::of(b"resp_1")]).await };
    forget_objects: |s| s.store.forget_objects(Millis(1));
    prove_write: |s| s.store.prove_write(NOON);
    prove_read: |s| s.store.prove_read();
};

/// Queries that count partial changes: rows of a transaction without its other rows.
const HALVES: &[&str] = &[
    "SELECT COUNT(*) FROM alert_deliveries d WHERE NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = d.alert_id)",
    "SELECT COUNT(*) FROM alerts a WHERE a.kind = 'test' AND NOT EXISTS (SELECT 1 FROM alert_deliveries d WHERE d.alert_id = a.id)",
    "SELECT ABS((SELECT COUNT(*) FROM alert_addresses) - (SELECT COUNT(*) FROM audit WHERE action = 'alert_address.add')
        + (SELECT COUNT(*) FROM audit WHERE action = 'alert_address.remove'))",
    "SELECT COUNT(*) FROM keys WHERE tier = ''",
    "SELECT COUNT(*) FROM keys k WHERE NOT EXISTS (SELECT 1 FROM audit a WHERE a.subject = k.id)
        AND NOT EXISTS (SELECT 1 FROM keys o WHERE o.rotated_to = k.id)",
    "SELECT COUNT(*) FROM keys k WHERE k.rotated_to IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM keys n WHERE n.id = k.rotated_to)",
    "SELECT COUNT(*) FROM keys k WHERE k.status = 'revoked'
        AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.subject = k.id AND a.action = 'key.revoke')",
    "SELECT COUNT(*) FROM keys WHERE version > (SELECT version FROM meta)",
    "SELECT COUNT(*) FROM teams WHERE version > (SELECT version FROM meta)",
    "SELECT COUNT(*) FROM teams t WHERE NOT EXISTS
        (SELECT 1 FROM audit a WHERE a.subject = t.id AND a.action = 'team.create')",
    "SELECT COUNT(*) FROM teams t WHERE t.balance <>
        (SELECT COALESCE(SUM(l.amount), 0) FROM ledger l WHERE l.team_id = t.id)",
    "SELECT ABS((SELECT COUNT(*) FROM events) - (SELECT COALESCE(SUM(requests), 0) FROM usage_daily))",
    "SELECT ABS((SELECT COUNT(*) FROM events) - (SELECT COALESCE(SUM(requests), 0) FROM usage_team_daily))",
    "SELECT ABS((SELECT COUNT(*) FROM events) - (SELECT COALESCE(SUM(events), 0) FROM ledger WHERE kind = 'charge'))",
    "SELECT ABS((SELECT COUNT(*) FROM ledger WHERE kind = 'top_up')
        - (SELECT COUNT(*) FROM audit WHERE action = 'team.credit'))",
    "SELECT ABS((SELECT COUNT(*) FROM members) - (SELECT COUNT(*) FROM audit WHERE action = 'team.member.put')
        + (SELECT COUNT(*) FROM audit WHERE action = 'team.member.remove'))",
    "SELECT ABS((SELECT COUNT(*) FROM admin_tokens) - (SELECT COUNT(*) FROM audit WHERE action = 'token.create'))",
    "SELECT ABS((SELECT COUNT(*) FROM people) - (SELECT COUNT(*) FROM audit WHERE action = 'person.create')
        + (SELECT COUNT(*) FROM audit WHERE action = 'person.remove'))",
    "SELECT COUNT(*) FROM identities i WHERE NOT EXISTS (SELECT 1 FROM people p WHERE p.id = i.person_id)",
    "SELECT COUNT(*) FROM provided_roles r WHERE NOT EXISTS (SELECT 1 FROM members m JOIN people p ON p.email = m.email
        WHERE p.id = r.person_id AND m.team_id = r.team_id AND m.role = r.role)",
    "SELECT ABS((SELECT COUNT(*) FROM invitations) - (SELECT COUNT(*) FROM audit WHERE action = 'team.invite'))",
    "SELECT ABS((SELECT COUNT(*) FROM invitations WHERE revoked_at IS NOT NULL)
        - (SELECT COUNT(*) FROM audit WHERE action = 'team.uninvite'))",
    "SELECT COUNT(*) FROM invitations i WHERE i.accepted_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM members m WHERE m.team_id = i.team_id AND m.email = i.email)",
    "SELECT ABS((SELECT COUNT(*) FROM idempotency) - (SELECT COUNT(*) FROM keys WHERE created_by = 'tester' AND id IN
        (SELECT result FROM idempotency)) - (SELECT COUNT(*) FROM ledger WHERE kind = 'top_up'))",
];

async fn a_method_can_be_dropped_at_every_poll(stand: &Stand) {
    let key = &with_key(stand).await;
    let store = &*stand.store;
    let kim = NewMember {
        email: "kim@example.com".into(),
        role: MemberRole::Owner,
    };
    store
        .put_member(&team("acme"), kim, &by(NOON))
        .await
        .unwrap();
    let link = NewSignInLink {
        digest: [1; 32],
        email: Some("kim@example.com".into()),
        admin: false,
        expires_at: later(60),
    };
    store.create_sign_in_link(&link, &by(NOON)).await.unwrap();
    let kim = NewPerson {
        id: "usr_kim".into(),
        email: String::new(),
        name: "Kim".into(),
        password: None,
        admin: false,
    };
    store
        .use_sign_in_link(&link.digest, kim, NOON)
        .await
        .unwrap();
    let address = NewAlertAddress {
        id: "address_a".into(),
        team: team("acme"),
        name: "hook".into(),
        url: "https://hooks.example.com/".into(),
        secret: "whsec_c2VjcmV0".into(),
    };
    store.add_alert_address(address, &by(NOON)).await.unwrap();
    let budgeted = NewKey {
        budgets: Budgets {
            day_nano_usd: Some(1),
            ..Budgets::default()
        },
        ..new_key_of("acme")
    };
    store.create_key(budgeted, None, &by(NOON)).await.unwrap();
    let mut other = stand.url.connect().await;
    let mut number = 0;
    for (name, call) in CALLS {
        let spare = (0..40).map(|_| new_key_of("acme")).collect();
        let spare = store
            .create_keys(spare, None, &by(NOON))
            .await
            .unwrap()
            .keys;
        let mut spare = spare.iter().cycle();
        for moment in [Moment::Polled, Moment::Woken] {
            for polls in 0.. {
                assert!(polls < MAX_POLLS, "{name} has no end");
                number += 1;
                let scene = Scene {
                    store,
                    key,
                    fresh: spare.next().unwrap(),
                    number,
                };
                let given = dropped_after(polls, moment, call(&scene)).await;
                let works = async {
                    store.prove_write(NOON).await.unwrap();
                    store.prove_read().await.unwrap();
                };
                let at = format!("{name}, dropped after {polls} polls ({moment:?})");
                assert!(
                    timeout(AT_ONCE, works).await.is_ok(),
                    "{at}: no write at once"
                );
                match given {
                    None => {}
                    Some(Err(StoreError::Unavailable(why) | StoreError::Unconfirmed(why))) => {
                        panic!("{at}: {why}")
                    }
                    Some(_) => break,
                }
            }
        }
        for sql in HALVES {
            let sql = &format!("SELECT CAST(({sql}) AS BIGINT)");
            let halves: i64 = sqlx::query(sql)
                .fetch_one(&mut other)
                .await
                .unwrap()
                .try_get(0)
                .unwrap();
            assert_eq!(halves, 0, "{name}, dropped in the middle: {sql}");
        }
        // As many reads at once as the store has readers: no reader was lost.
        let reads = futures::future::join_all((0..16).map(|_| store.head()));
        let reads = timeout(AT_ONCE, reads).await.expect(name);
        assert!(reads.iter().all(|read| read.is_ok()), "{name}: {reads:?}");
    }
}

#[test]
fn no_method_is_left_out() {
    let tested: BTreeSet<String> = CALLS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut methods = BTreeSet::new();
    collect_methods(&sources, &mut methods);
    let renamed: Vec<_> = tested.difference(&methods).collect();
    assert!(renamed.is_empty(), "not found in {sources:?}: {renamed:?}");
    // `close` ends the store; `watch` only subscribes.
    let left: Vec<_> = methods
        .difference(&tested)
        .filter(|name| !["close", "watch"].contains(&&***name))
        .collect();
    assert!(left.is_empty(), "add a row to CALLS for each of: {left:?}");
}

/// Collects the public methods of the store.
fn collect_methods(folder: &Path, methods: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_methods(&path, methods);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("\nimpl Store {\n").skip(1) {
            let (block, _) = block.split_once("\n}\n").unwrap();
            let fns = block
                .split("    pub ")
                .skip(1)
                .chain(block.split("    pub(crate) ").skip(1));
            for signature in fns {
                let signature = signature.strip_prefix("async ").unwrap_or(signature);
                let signature = signature.strip_prefix("fn ").expect(signature);
                let (name, arguments) = signature.split_once('(').unwrap();
                if arguments.trim_start().starts_with("&self") {
                    methods.insert(name.to_owned());
                }
            }
        }
    }
}
