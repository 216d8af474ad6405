"""The measurements of tests, shown at the end of a run whether it passed or not."""

lines: list[str] = []


def tell(line: str) -> None:
    lines.append(line)


def distribution(what: str, seconds: list[float]) -> None:
    """Median, 90th and 99th percentile and the worst, in milliseconds."""
    ordered = sorted(seconds)

    def at(share: float) -> str:
        return f"{1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f}"

    tell(
        f"{what}: {len(ordered)} times; median {at(0.5)} ms, 90 % {at(0.9)} ms, 99 % {at(0.99)} ms, "
        f"worst {1000 * ordered[-1]:.1f} ms"
    )
