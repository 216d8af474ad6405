//! Checks that the filter's module is at the path in the configuration.
//!
//! Envoy checks this too, but only when it starts, perhaps long after the configuration was made.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::nodes::http_filter;

/// The first bytes of every WebAssembly module.
const MAGIC: &[u8] = b"\0asm";

/// Checks the filter's module, if there is a filter and its module is a file.
///
/// # Errors
/// If the file is missing or is not a Wasm module; the message names it.
pub(super) fn check(config: &mut Value) -> Result<()> {
    // Without the filter, or with a module that Envoy fetches, there is no file to look at.
    let Ok(filter) = http_filter(config, "gmtech") else {
        return Ok(());
    };
    let file = filter.pointer("/config/vm_config/code/local/filename");
    match file.and_then(Value::as_str) {
        Some(path) => is_module(Path::new(path)),
        None => Ok(()),
    }
}

fn is_module(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .with_context(|| {
            format!(
                "there is no filter at {}: put it there, name it with --filter-wasm (`make wasm` builds it), \
                 or say --allow-missing-module if Envoy runs elsewhere",
                path.display()
            )
        })?;
    if start != MAGIC {
        bail!("{} is not a WebAssembly module", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_recognised_by_its_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("filter.wasm");
        for (bytes, module) in [
            (&b"\0asm\x01\0\0\0"[..], true),
            (b"\0as", false),
            (b"ELF", false),
            (b"", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(is_module(&path).is_ok(), module, "{bytes:?}");
        }
        let missing = dir.path().join("nothing.wasm");
        let said = format!("{:#}", is_module(&missing).unwrap_err());
        assert!(
            said.contains("nothing.wasm") && said.contains("--filter-wasm"),
            "{said}"
        );
        assert!(is_module(dir.path()).is_err());
    }
}
