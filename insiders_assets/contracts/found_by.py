"""The columns in which a table notes what found its figures, so that a recorded number can be made again.

Belongs here: those columns. Does not belong here: which function it was (the fact that quotes the number says so).
"""

from functools import cache
from importlib.metadata import version

from insiders_assets.contracts.table import TEXT, WHOLE, Column

# Nullable: months made before that was noted have neither.
FOUND_BY = (
    Column("library", TEXT, "Library and version that found the figures.", nullable=True),
    Column("seed", WHOLE, "Seed of what was drawn; empty where nothing was.", nullable=True),
)


@cache
def library(name: str) -> str:
    """A library and its version, as the column `library` holds them."""
    return f"{name} {version(name)}"
