//! Objects that providers keep: who made them.

use std::time::Duration;

use gmtech_core::objects::{Object, ObjectId};
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::service::Service;

/// The longest that a question is held, and how often it looks.
const MAX_WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// What is known of each object; held until all are known, for at most `wait`. A proxy may ask before the one that made the
/// object has reported it: its event is on its way then.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn show(
    service: &Service,
    ids: &[ObjectId],
    wait: Duration,
) -> Result<Vec<(ObjectId, Option<Object>)>, ApiError> {
    let until = Instant::now() + wait.min(MAX_WAIT);
    let mut stopping = service.stopping.subscribe();
    loop {
        let answers = service.store.objects(ids).await?;
        let all = answers.iter().all(|(_, object)| object.is_some());
        if all || Instant::now() >= until || *stopping.borrow() {
            return Ok(answers);
        }
        let _ = timeout_at(until.min(Instant::now() + LOOK), stopping.changed()).await;
    }
}
