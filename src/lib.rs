//! The GMTech key gate as an Envoy HTTP filter.
