"""Compares the upstream's own count of usage with the key service's: they must agree to the token."""

import sqlite3

import httpx

from .gate import Gate
from .service import Service
from .waiting import wait_until


def truth(gate: Gate) -> dict[str, dict]:
    """The upstream's own sums by key."""
    told = httpx.get(f"{gate.mock.url}/__mock/usage", trust_env=False).raise_for_status().json()
    return {key: sums["completed"] for key, sums in told["keys"].items()}


def counted(service: Service) -> dict[str, dict]:
    """The service's sums by key, in the upstream's field names."""
    return {
        key: {
            "requests": row["requests"],
            "prompt_tokens": row["input_tokens"],
            "completion_tokens": row["output_tokens"],
            "total_tokens": row["total_tokens"],
        }
        for key, row in service.usage(by="key").items()
    }


def agree(service: Service, gate: Gate, deadline: float = 15) -> None:
    """Waits until the ledger agrees with the upstream for every key, and checks that the sums by model and by key agree."""
    wait_until("the ledger to agree with the upstream", lambda: counted(service) == truth(gate), deadline, every=0.05)
    by_model = service.usage(by="model")
    by_key = service.usage(by="key")
    for field in ("requests", "total_tokens", "cost_nano_usd"):
        assert sum(r[field] for r in by_model.values()) == sum(r[field] for r in by_key.values()), field


def events(service: Service, where: str = "decision = 'allowed'") -> list[str]:
    """The ids of the events in the database that match the condition."""
    with sqlite3.connect(f"file:{service.file}?mode=ro", uri=True) as db:
        return [row[0].hex() for row in db.execute(f"SELECT id FROM events WHERE {where}")]
