//! Where in the configuration a mistake stands.

use serde_path_to_error::{Path, Segment};

/// The names that lead to a mistake; `.` for the document itself. A text that ends too early ends below a name that is
/// not known, which is left out.
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
