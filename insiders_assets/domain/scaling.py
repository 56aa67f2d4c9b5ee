"""Putting skewed features on a scale on which they can be compared.

Belongs here: transformations that several parts of the science share. Does not belong here: what is compared.
"""

from __future__ import annotations

import numpy as np


def signed_log(values: np.ndarray | np.float64) -> np.ndarray:
    """sign(x) log(1 + |x|), of any shape; NaN stays NaN."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
