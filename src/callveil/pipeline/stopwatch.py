"""Wall time per step of a call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up seconds per named step."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._started = perf_counter()

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a block of code."""
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds[step] += perf_counter() - started

    def each(self, step: str, items: Iterable[T]) -> Iterator[T]:
        """Time the making of each item, not what is done with it."""
        iterator = iter(items)
        while True:
            with self(step):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds per step so far, in the order of first use, and "total"."""
        steps = {step: round(seconds, 3) for step, seconds in self._seconds.items()}
        return {**steps, "total": round(perf_counter() - self._started, 3)}
