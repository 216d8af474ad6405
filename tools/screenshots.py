"""Writes pictures of the pages into docs/images: the local stack with its sample data, in headless Chromium.

    .venv/bin/python tools/screenshots.py        (`make screenshots` builds what it needs)
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness.browser import chromium  # noqa: E402

IMAGES = ROOT / "docs" / "images"
TEAM = "?team=demo"
WIDE = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
PICTURES = [
    ("keys", f"/users/api-keys/{TEAM}", WIDE),
    ("create", f"/users/api-keys/new{TEAM}", WIDE),
    ("usage", f"/users/usage/{TEAM}", WIDE),
    ("limits", f"/users/limits/{TEAM}", WIDE),
    ("team", f"/users/team/{TEAM}", WIDE),
    ("usage-dark", f"/users/usage/{TEAM}", {**WIDE, "color_scheme": "dark"}),
    ("keys-phone", f"/users/api-keys/{TEAM}", PHONE),
]
# Longer than the stack takes to start on a busy machine.
READY_WITHIN = 120


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(directory: Path) -> tuple[subprocess.Popen, str]:
    """The stack, and its one-time sign-in link."""
    names = ["API_PORT", "ENVOY_ADMIN_PORT", "UPSTREAM_PORT", "SERVICE_PORT", "SYNC_PORT"]
    env = {**os.environ, **{name: str(free_port()) for name in names}, "LOCAL_DIR": str(directory / "local")}
    output = directory / "output"
    with output.open("w") as out:
        stack = subprocess.Popen([ROOT / "target/debug/gmtech", "up"], cwd=ROOT, env=env, stdout=out, stderr=out)
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and stack.poll() is None:
        if link := re.search(r"sign in +(\S+)", output.read_text()):
            return stack, link.group(1)
        time.sleep(0.2)
    stack.terminate()
    raise SystemExit(f"the stack did not start:\n{output.read_text()}")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp())
    stack, link = start(directory)
    try:
        with chromium() as browser:
            first = browser.new_context()
            page = first.new_page()
            page.goto(link)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/users/**")
            base, state = re.match(r"https?://[^/]+", link).group(0), first.storage_state()
            for name, path, options in PICTURES:
                page = browser.new_context(storage_state=state, **options).new_page()
                page.goto(base + path)
                # Charts and live numbers have come when nothing is loaded any more.
                page.wait_for_load_state("load")
                page.wait_for_timeout(1_000)
                page.screenshot(path=IMAGES / f"{name}.png")
                print(f"docs/images/{name}.png")
    finally:
        stack.terminate()
        stack.wait()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
