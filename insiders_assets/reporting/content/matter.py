"""What a report is made from, and small pieces that several answers share.

Belongs here: the facts of a month and the texts that tables keep beside them. Does not belong here: any answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from insiders_assets.domain.facts import Fact, Outline
from insiders_assets.domain.messages import say
from insiders_assets.domain.restatement import Restatement
from insiders_assets.domain.scaling import signed_log
from insiders_assets.reporting.document import Cell, Figure, Part, Picture, Quoted

SHADES = 5
NOT_THERE = "–"
# Where customers come from or go to who are in one of two months alone.
NOT_BEFORE, GONE = say("not there before"), say("gone")


@dataclass(frozen=True)
class Matter:
    """A month's facts, and what tables keep in words.

    facts: as the month has them; rows: of REPORT_FACTS by key. names: of segments, those of the month before too;
    profiles: rows of SEGMENT_PROFILES, best first. card: row of PROGRAMME_RULE. version: of the rule in force, empty
    where there is none yet. actions: rows of MARKETING_ACTIONS. pictures: those that were drawn. moved: how the month
    stood in its earlier version, if it was restated. published: the row of REVENUE_FORECAST that is quoted of the next
    month.
    """

    outline: Outline
    facts: Sequence[Fact]
    rows: Mapping[str, Mapping[str, Any]]
    currency: str
    names: Mapping[int, Quoted] = field(default_factory=dict)
    profiles: Sequence[Mapping[str, Any]] = ()
    card: Mapping[str, Any] | None = None
    version: str = ""
    actions: Sequence[Mapping[str, Any]] = ()
    pictures: Collection[str] = ()
    moved: Restatement | None = None
    published: Mapping[str, Any] | None = None

    def value(self, key: str) -> float | None:
        """The value of a fact; None where it has none, or where the month has no such fact."""
        return self.rows[key]["value"] if key in self.rows else None

    def query(self, select: str, table: str, where: str = "") -> str:
        """A query on the warehouse over the month's rows of a table."""
        more = f" AND {where}" if where else ""
        return f"SELECT {select} FROM insiders.{table} WHERE month = DATE '{self.month}'{more}"

    @property
    def days_missing(self) -> str | None:
        """The fact that says how many days of the month are not in the data, if there are any."""
        key = f"forecast.{self.month:%Y-%m}.days_forecast"
        return key if self.value(key) else None

    @property
    def month(self) -> dt.date:
        """The month."""
        return self.outline.month

    def name(self, segment: int) -> Part:
        """A segment as a reader knows it: its number and its name."""
        if segment in self.names and segment >= 0:
            return say("{number}. {name}", number=str(segment), name=self.names[segment])
        return self.names.get(segment, str(segment))

    def picture(self, name: str, caption: Part, shows: Part) -> list[Picture]:
        """A picture, if it was drawn."""
        return [Picture(name, caption, shows)] if name in self.pictures else []


def figure(key: str) -> Cell:
    """A cell with a figure; money without its currency, a dash where there is no value."""
    return Cell([Figure(key, bare=True, missing=NOT_THERE)])


def words(*parts: Part, strong: bool = False) -> Cell:
    """A cell with words."""
    return Cell(parts, strong=strong)


def shaded(matter: Matter, keys: Sequence[str]) -> list[Cell]:
    """A column of a heat map: cells of figures, from pale for the lowest value to strong for the highest, by the
    logarithm; without shades where all are alike."""
    values = np.array([np.nan if matter.value(key) is None else matter.value(key) for key in keys], dtype="float64")
    logs = signed_log(values)
    known = logs[np.isfinite(logs)]
    spread = float(known.max() - known.min()) if len(known) else 0.0
    if spread <= 0:
        return [figure(key) for key in keys]
    places = np.nan_to_num((logs - known.min()) / spread, nan=-1.0)
    levels = np.where(places < 0, 0, np.minimum(places * SHADES, SHADES - 1).astype(int) + 1)
    return [Cell(figure(key).parts, shade=int(level)) for key, level in zip(keys, levels, strict=True)]
