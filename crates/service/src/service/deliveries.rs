//! Deliveries of alerts: what waits in the store's outbox is posted, again where it fails, and given up after about a day.
//!
//! # Failure policy
//! A service that ends, or a store that does not answer, in the middle of an attempt leaves it to be repeated under the same id
//! once its lease has run out. A receiver that hangs holds up no other one: each address has one attempt under way at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::sleep;

use super::Service;
use crate::clock::Millis;
use crate::secret;
use crate::store::{AlertKind, Attempted, Due, StoreError, Then};
use crate::webhook::{Answer, problem};

/// How often the outbox is looked into.
const LOOK: Duration = Duration::from_secs(1);

/// How many attempts are under way at once.
const AT_ONCE: usize = 32;

/// Posts what waits, until the service stops.
pub(crate) async fn deliver(service: Arc<Service>) {
    let mut stopping = service.stopping.subscribe();
    let mut sending = JoinSet::new();
    let mut busy: HashMap<Id, String> = HashMap::new();
    loop {
        match service.take(&busy).await {
            Ok(taken) => {
                for due in taken {
                    let (service, address) = (service.clone(), due.address.clone());
                    let task = sending.spawn(async move {
                        if let Err(error) = service.attempt(&due).await {
                            tracing::error!(%error, alert = due.alert, "it is not known what became of a delivery; it is repeated");
                        }
                    });
                    busy.insert(task.id(), address);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the outbox of alerts cannot be read; it is tried again")
            }
        }
        tokio::select! {
            Some(done) = sending.join_next_with_id(), if !sending.is_empty() => {
                let id = done.map_or_else(|panic| panic.id(), |(id, ())| id);
                busy.remove(&id);
            }
            () = sleep(LOOK) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    while sending.join_next().await.is_some() {}
}

impl Service {
    async fn take(&self, busy: &HashMap<Id, String>) -> Result<Vec<Due>, StoreError> {
        let free = AT_ONCE.saturating_sub(busy.len());
        if free == 0 {
            return Ok(Vec::new());
        }
        let busy: Vec<String> = busy.values().cloned().collect();
        let free = u32::try_from(free).unwrap_or(0);
        self.store
            .lease_deliveries(Millis::now(), free, &busy)
            .await
    }

    /// Posts a delivery once, and stores what became of it.
    ///
    /// # Errors
    /// Where the store does not answer: then it is repeated when its lease has run out.
    pub(crate) async fn attempt(&self, due: &Due) -> Result<Attempted, StoreError> {
        let answer = self.sender.post(due, Millis::now()).await;
        let chance = secret::random::<2>()
            .map_or(0.5, |bytes| f64::from(u16::from_be_bytes(bytes)) / 65_536.0);
        let now = Millis::now();
        let done = judge(due, answer, &self.pauses, chance, now);
        self.metrics.delivery(done.then);
        match &done.problem {
            None => tracing::info!(
                alert = due.alert,
                address = due.address,
                attempt = due.attempt,
                "alert delivered"
            ),
            Some(problem) => tracing::warn!(
                alert = due.alert,
                address = due.address,
                attempt = due.attempt,
                problem,
                given_up = !matches!(done.then, Then::Again(_)),
                "alert not delivered"
            ),
        }
        self.store.note_attempt(due, &done, now).await?;
        Ok(done)
    }
}

/// What follows on an answer; `chance` is 0 to 1.
fn judge(due: &Due, answer: Answer, pauses: &[Duration], chance: f64, now: Millis) -> Attempted {
    let (answered, problem) = match answer {
        Answer::Status(status) => (Some(status), problem(status)),
        Answer::None(why) => (None, Some(why)),
    };
    let place = usize::try_from(due.attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let then = match (&problem, answered, pauses.get(place)) {
        (None, ..) => Then::Delivered,
        (_, Some(410), _) => Then::Disable,
        // Somebody waits for the result of a test.
        _ if due.kind == AlertKind::Test => Then::GiveUp,
        (.., Some(pause)) => Then::Again(now.after(pause.mul_f64(0.8 + 0.4 * chance))),
        (.., None) => Then::GiveUp,
    };
    Attempted {
        answered,
        problem,
        then,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_435_200_000);

    fn due(attempt: u32, kind: AlertKind) -> Due {
        Due {
            alert: "alert_1".into(),
            kind,
            address: "address_1".into(),
            url: "https://hooks.example.com/".into(),
            secrets: vec![],
            payload: "{}".into(),
            attempt,
        }
    }

    #[test]
    fn an_answer_decides_what_follows() {
        use AlertKind::{Budget, Test};
        let pauses = [Duration::from_secs(10), Duration::from_secs(100)];
        let silent = || Answer::None("no answer".into());
        let again = |seconds: i64| Then::Again(Millis(NOW.0 + seconds * 1_000));
        for (attempt, kind, answer, then) in [
            (1, Budget, Answer::Status(200), Then::Delivered),
            (3, Budget, Answer::Status(204), Then::Delivered),
            (1, Budget, Answer::Status(302), again(10)),
            (1, Budget, Answer::Status(400), again(10)),
            (2, Budget, Answer::Status(500), again(100)),
            (2, Budget, silent(), again(100)),
            (3, Budget, silent(), Then::GiveUp),
            (4, Budget, Answer::Status(500), Then::GiveUp),
            (1, Budget, Answer::Status(410), Then::Disable),
            (1, Test, Answer::Status(200), Then::Delivered),
            (1, Test, silent(), Then::GiveUp),
            (1, Test, Answer::Status(410), Then::Disable),
        ] {
            let at = format!("{answer:?} at attempt {attempt}");
            let done = judge(&due(attempt, kind), answer, &pauses, 0.5, NOW);
            assert_eq!(done.then, then, "{at}");
            assert_eq!(done.problem.is_none(), then == Then::Delivered, "{at}");
        }
    }

    #[test]
    fn the_wait_is_within_a_fifth_of_the_pause_and_a_day_passes_before_giving_up() {
        let pauses = crate::config::WebhookConfig::default().pauses;
        let mut waited = [0, 0];
        for attempt in 1..=u32::try_from(pauses.len()).unwrap() {
            for (sum, chance) in waited.iter_mut().zip([0.0, 1.0]) {
                let answer = Answer::Status(500);
                let done = judge(
                    &due(attempt, AlertKind::Credit),
                    answer,
                    &pauses,
                    chance,
                    NOW,
                );
                let Then::Again(at) = done.then else {
                    panic!("attempt {attempt} was the last one");
                };
                *sum += at.0 - NOW.0;
            }
        }
        const HOUR: i64 = 3_600_000;
        assert!(waited[0] > 18 * HOUR && waited[1] < 30 * HOUR, "{waited:?}");
    }
}
