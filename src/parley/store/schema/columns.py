"""What the tables' definitions share: the catalogue of all tables, and columns that come again and again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in an INTEGER primary key."""


def text_column(name: str, *, null: bool = False) -> Column[str]:
    """A text of any length."""
    return Column(name, Text, nullable=null)


def instant(name: str, *, null: bool = False) -> Column[int]:
    """Milliseconds since 1970."""
    return Column(name, BigInteger, nullable=null)


def flag(name: str) -> Column[bool]:
    """Yes or no."""
    return Column(name, Boolean, nullable=False)


def of_app() -> Column[str]:
    """Whose row it is."""
    return Column("app_id", Text, ForeignKey("apps.id", ondelete="CASCADE"), nullable=False)
