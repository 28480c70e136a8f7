"""Alembic runs this for every command; `upgrade` hands it an open transaction."""

from alembic import context

from callveil.adapters.ledger_sql import (  # noqa: F401  they add their tables
    account_tables,
    policy_tables,
    review_tables,
    rights_tables,
    search_tables,
)
from callveil.adapters.ledger_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
