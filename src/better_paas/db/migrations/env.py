"""Alembic's entry: migrations run on the engine that `schema.upgrade_to` hands over."""

from alembic import context

from better_paas.db.base import Base

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
