"""Sets of time: arrays of shape (n, 2) with start and end in seconds, sorted, not overlapping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Times: TypeAlias = NDArray[np.float64]


def union(stretches: Iterable[tuple[float, float]]) -> Times:
    """Join stretches that overlap or touch; empty ones vanish."""
    joined: list[list[float]] = []
    for start, end in sorted(stretch for stretch in stretches if stretch[1] > stretch[0]):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return np.array(joined, np.float64).reshape(-1, 2)


def intersect(a: Times, b: Times) -> Times:
    """What lies in both."""
    starts = np.maximum(a[:, None, 0], b[None, :, 0])
    ends = np.minimum(a[:, None, 1], b[None, :, 1])
    inside = ends > starts
    both = np.stack([starts[inside], ends[inside]], axis=1)
    order: Times = both[np.argsort(both[:, 0])]
    return order


def minus(a: Times, b: Times) -> Times:
    """What lies in `a` and not in `b`."""
    edges = np.concatenate([[-np.inf], b.ravel(), [np.inf]])
    return intersect(a, edges.reshape(-1, 2))


def length_s(a: Times) -> float:
    """Total seconds."""
    return float((a[:, 1] - a[:, 0]).sum())


def covered_s(a: Times, start_s: float, end_s: float) -> float:
    """Seconds of one stretch that lie in `a`."""
    return float(np.clip(np.minimum(a[:, 1], end_s) - np.maximum(a[:, 0], start_s), 0.0, None).sum())
