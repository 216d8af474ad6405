"""The official Node SDK, through `node/story.mjs`."""

import json
import subprocess

from .paths import TESTS


def story(base_url: str, key: str, call: str, **options) -> dict:
    """`{"answer": …}` or `{"error": {class, message, status, code, type, requestID}}`."""
    order = {"baseURL": base_url, "apiKey": key, "call": call, "options": options}
    done = subprocess.run(
        ["node", str(TESTS / "node/story.mjs"), json.dumps(order)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
