"""Alembic runs this for every command; `upgrade` hands it an open transaction."""

from alembic import context

from callveil.adapters.ledger_sql import rights_tables, search_tables  # noqa: F401  add their tables
from callveil.adapters.ledger_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
