"""Tables of BENCHMARKS.md."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """A table whose first column is left-aligned, the others right.

    Args:
        head: Of each column.
        rows: As long as the head.
    """
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def met(is_met: bool) -> str:
    """How an aim is told."""
    return "met" if is_met else "**missed**"
