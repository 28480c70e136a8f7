"""The ledger in an SQL database: SQLite for one machine, PostgreSQL for several."""

from callveil.adapters.ledger_sql.ledger import SqlLedger, open_ledger

__all__ = ["SqlLedger", "open_ledger"]
