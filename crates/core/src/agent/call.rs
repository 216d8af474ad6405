//! A request to the key service.

use std::rc::Rc;

use crate::config::ServicePolicy;
use crate::time::Nanos;

/// A request to the key service, as any host can send it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The service, with its cluster and token.
    pub service: ServicePolicy,
    /// The method.
    pub method: &'static str,
    /// The path, with its query.
    pub path: String,
    /// The body, if it has one.
    pub body: Option<Rc<Vec<u8>>>,
    /// How long the answer may take, in nanoseconds.
    pub timeout: Nanos,
}

impl Call {
    /// Makes a GET request without a body.
    pub(crate) fn get(service: &ServicePolicy, path: String, timeout: Nanos) -> Self {
        Self {
            service: service.clone(),
            method: "GET",
            path,
            body: None,
            timeout,
        }
    }
}
