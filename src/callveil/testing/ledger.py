"""A ledger for tests: a real one, in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callveil.adapters.ledger_sql import SqlLedger


@contextmanager
def temporary_ledger() -> Iterator[SqlLedger]:
    """An empty ledger on SQLite, gone afterwards."""
    from callveil.adapters.ledger_sql import open_ledger

    with tempfile.TemporaryDirectory(prefix="callveil-ledger-") as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3")
        try:
            yield ledger
        finally:
            ledger.close()
