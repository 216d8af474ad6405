"""Go's way of writing durations, as `time.ParseDuration` reads it: what OpenAI's reset headers hold."""

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|µs|us|ns|m|s)")


def seconds(text: str) -> float:
    """`6m0s` is 360.0; anything that Go would not print fails."""
    parts = _PART.findall(text)
    assert parts and "".join(n + u for n, u in parts) == text, f"not a Go duration: {text!r}"
    units = [list(_UNITS).index(u) for _, u in parts]
    assert units == sorted(units), f"units out of order: {text!r}"
    return sum(float(n) * _UNITS[u] for n, u in parts)
