"""Groups of endpoints."""

# The groups that are closed by default.
CLOSED = [
    "stored_responses", "stored_completions", "background", "conversations", "files", "uploads", "batches", "fine_tuning",
    "vector_stores", "assistants", "containers", "evals", "videos", "realtime", "model_deletion", "engines", "skills",
    "agents", "cached_contents", "voices", "organization", "other",
]  # fmt: skip
