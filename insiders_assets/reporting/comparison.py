"""The page that shows spaces and clusterers of a month side by side, with its pictures inside.

Belongs here: laying the comparison out. Does not belong here: comparing or drawing (:mod:`.pictures`).
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from insiders_assets.domain.spaces import FAIR
from insiders_assets.reporting.forms.html import templates


def render_comparison(
    month: dt.date,
    spaces: Sequence[Mapping[Any, Any]],
    trials: Sequence[Mapping[str, Any]],
    reason: str,
    pictures: Mapping[str, bytes | None],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    spaces: rows of EMBEDDING_SPACES. trials: rows of CLUSTERER_TRIALS. reason: why one of them is preferred.
    pictures: PNG by name.
    """
    shown = {
        name.removesuffix(".png"): base64.b64encode(picture).decode() for name, picture in pictures.items() if picture
    }
    best: dict[str, Mapping[str, Any]] = {}
    for trial in sorted(trials, key=lambda row: -(row["silhouette"] or -2.0)):
        best.setdefault(trial["clusterer"], trial)
    return (
        templates()
        .get_template("comparison.html")
        .render(
            month=month,
            spaces=spaces,
            fair=FAIR,
            trials=[*best.values(), *(one for one in trials if one["preferred"] and one not in best.values())],
            all_trials=trials,
            reason=reason,
            pictures=shown,
            number=lambda value, decimals=2: "" if value is None or value != value else f"{value:.{decimals}f}",
        )
    )
