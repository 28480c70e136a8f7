"""SQLite's locks belong to the process: closing any handle on the file drops them all."""

import sqlite3
import subprocess
import sys

from callveil.adapters.ledger_sql import open_ledger
from callveil.testing import START

_OTHER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("SELECT count(*) FROM calls").fetchall()
other.close()
"""


def test_a_second_ledger_of_the_same_process_leaves_the_locks_of_the_first(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    first = open_ledger(f"sqlite:///{path}")
    first.note(actor="a", action="test", call_id=None, detail={}, now=START)
    journal = path.with_name(f"{path.name}-wal")
    assert journal.exists()
    second = open_ledger(f"sqlite:///{path}")
    # Whoever closes a database that nobody else has open takes its journal away, under the feet of the first.
    subprocess.run([sys.executable, "-c", _OTHER, str(path)], check=True)
    assert journal.exists()
    first.note(actor="a", action="test", call_id=None, detail={}, now=START)
    assert len(second.audit()) == 2
    first.close()
    second.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
