"""The index of messages' words: each database's own, so no table of the catalogue."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # `ascii`: a word is letters and digits of ASCII and whatever is not ASCII; we cut words ourselves.
        op.execute(
            "CREATE VIRTUAL TABLE search_index USING "
            "fts5(words, tokenize = 'ascii', detail = 'none', columnsize = 0)"
        )
    else:
        op.execute("CREATE TABLE search_index (number BIGINT PRIMARY KEY, words TEXT[] NOT NULL)")
        op.execute("CREATE INDEX ix_search_index_words ON search_index USING gin (words)")
    op.execute(
        "CREATE TABLE search_progress ("
        "name TEXT PRIMARY KEY, indexed BIGINT NOT NULL, reached BIGINT NOT NULL, reached_at BIGINT NOT NULL)"
    )
    op.execute("INSERT INTO search_progress VALUES ('publications', 0, 0, 0)")
