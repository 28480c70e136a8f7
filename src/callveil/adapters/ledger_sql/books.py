"""The books beside the ledger. See `ports.Books`."""

from __future__ import annotations

from callveil.adapters.ledger_sql.accounts import SqlAccounts
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.holds import SqlHolds
from callveil.adapters.ledger_sql.notices import SqlNotices
from callveil.adapters.ledger_sql.policy_sets import SqlPolicySets
from callveil.adapters.ledger_sql.proposals import SqlProposals
from callveil.adapters.ledger_sql.removals import SqlRemovals
from callveil.adapters.ledger_sql.requests import SqlRequests
from callveil.adapters.ledger_sql.reviews import SqlReviews
from callveil.adapters.ledger_sql.subject_index import SqlSubjectIndex


class SqlBooks:
    """All of them, over one database.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self.accounts = SqlAccounts(database)
        self.subjects = SqlSubjectIndex(database)
        self.holds = SqlHolds(database)
        self.requests = SqlRequests(database)
        self.notices = SqlNotices(database)
        self.removals = SqlRemovals(database)
        self.reviews = SqlReviews(database)
        self.proposals = SqlProposals(database)
        self.policy_sets = SqlPolicySets(database)
