"""Alembic runs this for every command; `upgrade` hands it an open transaction."""

from alembic import context

from callveil.adapters.ledger_sql import account_tables, rights_tables  # noqa: F401  they add their tables
from callveil.adapters.ledger_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
