"""What a model gives back.

Belongs here: the shape of an answer, and the refusal to give one. Does not belong here: any model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from insiders_assets.errors import InsidersError


class CannotForecastError(InsidersError):
    """A model lacks what it needs; the sentence says what. The others go on without it."""


@dataclass(frozen=True)
class Outcome:
    """What a model says: net revenue for each day of the horizon, or nothing and, in `note`, why.

    of_seeds: what each seed of a model that draws says, (days, seeds). files: the fitted model. seconds: what it took.
    """

    daily: pd.Series | None = None
    note: str | None = None
    of_seeds: pd.DataFrame | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    library: str = ""
    seconds: float = 0.0
