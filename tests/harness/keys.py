"""Keys as the gate's operators make them, written a second time and independently of the Rust code.

`gmtech_`, 256 random bits in 43 base62 digits, and the CRC-32 of all that in 6. The tests hold the
text, the configuration only ever gets the digest.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "gmtech_"

# Every secret that this test run has made: none may appear in a log, a metric or an answer.
_made: set[str] = set()
_WORD = re.compile(r"[0-9A-Za-z]{12,}")


def base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def new_text() -> str:
    """The text of a valid key that is in no table."""
    body = PREFIX + base62(int.from_bytes(secrets.token_bytes(32), "big"), 43)
    text = body + base62(zlib.crc32(body.encode()), 6)
    _made.add(text[len(PREFIX) :])
    return text


def remember(text: str) -> None:
    """Adds a key that was made elsewhere to the secrets that may not appear."""
    assert text.startswith(PREFIX), "not a key"
    _made.add(text[len(PREFIX) :])


def mistyped(text: str) -> str:
    """The same key with its last digit replaced by the next one: the checksum no longer fits."""
    last = ALPHABET[(ALPHABET.index(text[-1]) + 1) % 62]
    return text[:-1] + last


@dataclass(frozen=True, eq=False)
class Key:
    """A key and its record in the gate."""

    text: str = field(repr=False)
    id: str
    team: str
    tier: str
    extra: dict = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def bearer(self) -> str:
        return f"Bearer {self.text}"

    def record(self) -> dict:
        return {"id": self.id, "team": self.team, "tier": self.tier, **self.extra}


def make(tier: str = "free", *, team: str | None = None, **extra) -> Key:
    """A fresh key with an id and (unless given) a team of its own; `extra` is more of its record."""
    mark = secrets.token_hex(6)
    return Key(new_text(), f"key_{mark}", team or f"team-{mark}", tier, extra)


def table(keys) -> dict:
    """The configuration's `keys`: records by digest."""
    return {key.digest: key.record() for key in keys}


def leaked_in(text: str) -> list[str]:
    """Made keys whose secret part, or the first 12 characters of it, stands in `text`, prefix or not.

    Four characters may be shown anywhere; the rest of a key nowhere.
    """
    words = "\n".join(set(_WORD.findall(text)))
    return sorted(f"{PREFIX}{secret[:4]}…" for secret in _made if secret[:12] in words)
