//! The place of a mistake in the configuration.

use serde_path_to_error::{Path, Segment};

/// Formats the path of a mistake; `.` is the document itself. If the text ends too early, the last segment is not known
/// and is left out.
pub(super) fn written(path: &Path) -> String {
    let mut written = String::new();
    for segment in path {
        let name = match segment {
            Segment::Unknown => continue,
            Segment::Seq { .. } => segment.to_string(),
            _ if written.is_empty() => segment.to_string(),
            _ => format!(".{segment}"),
        };
        written.push_str(&name);
    }
    if written.is_empty() {
        ".".into()
    } else {
        written
    }
}
