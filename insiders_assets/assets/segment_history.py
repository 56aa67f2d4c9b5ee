"""The segments up to a month, replayed from the labels of all months up to it.

Belongs here: reading what the customers' segments and the segments' profiles both stand on. Does not belong here: the
replay (:mod:`insiders_assets.domain.segments`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.programme_history import columns_of
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.partitions import month_of
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.domain.segments import MonthOfClusters, MonthOfSegments


def replayed_segments(labels: Dataset, features: Dataset) -> tuple[np.ndarray, MonthOfSegments]:
    """The last month's segmented customers (n,), and their segments."""
    from insiders_assets.domain.segments import replay

    months = [_month_of_clusters(scope, labels.only(scope), features.only(scope)) for scope in labels.scopes]
    return np.asarray(months[-1].customer_ids), replay(months)[-1]


def _month_of_clusters(scope: str, labels: Dataset, features: Dataset) -> MonthOfClusters:
    from insiders_assets.domain.segments import MonthOfClusters

    ranked = labels.arrow(["customer_id", "cluster_rank"])
    ranked = ranked.filter(pc.is_valid(ranked["cluster_rank"]))
    customers = columns_of(features, (*FEATURES, "gross_revenue"))
    # Labels and features of a month name the same customers, and each table is sorted by customer.
    segmented = np.isin(customers.ids.astype(str), ranked["customer_id"].to_numpy().astype(str))
    columns = {name: column[segmented] for name, column in customers.columns.items()}
    return MonthOfClusters(
        month=month_of(scope),
        customer_ids=customers.ids[segmented],
        labels=ranked["cluster_rank"].cast(pa.int64()).to_numpy(),
        features={name: columns[name] for name in FEATURES},
        revenue=columns["gross_revenue"],
    )
