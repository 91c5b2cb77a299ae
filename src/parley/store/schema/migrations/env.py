"""Called by Alembic with the connection that `store.schema.migrate` opened."""

from alembic import context

from parley.store.schema.catalogue import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=False,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
