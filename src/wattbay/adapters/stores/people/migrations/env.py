"""What Alembic runs: the steps, on the connection and in the transaction that it is given."""

from __future__ import annotations

from alembic import context

from wattbay.adapters.stores.people.tables import TABLES, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=TABLES,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # The transaction is the caller's; SQLite's DDL is in it, too.
)
context.run_migrations()
