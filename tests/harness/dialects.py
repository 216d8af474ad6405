"""SDKs of several providers, each in a process that makes the calls given to it, one after the other."""

import json
import subprocess

from . import paths
from .gate import Gate


def node(gate: Gate, sdk: str, calls: list[dict]) -> list[dict]:
    """An SDK for Node, through `node/dialects.mjs`: of each call `{"answer": …}` or `{"error": {class, message,
    status, type, requestID}}`."""
    order = {"sdk": sdk, "root": gate.url(""), "calls": calls}
    return _run(["node", str(paths.TESTS / "node/dialects.mjs")], order)


def litellm(gate: Gate, calls: list[dict]) -> list[dict]:
    """LiteLLM, through `litellm_story.py`: of each call `{"answer": …}` or `{"error": {class, status, message}}`."""
    order = {"root": gate.url(""), "calls": calls}
    return _run([str(paths.litellm()), str(paths.TESTS / "harness/litellm_story.py")], order)


def _run(command: list[str], order: dict) -> list[dict]:
    done = subprocess.run([*command, json.dumps(order)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == len(order["calls"])
    return told
