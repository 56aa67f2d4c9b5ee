"""Facts on the month's segments."""

from __future__ import annotations

import datetime as dt

from insiders_assets.domain.facts.fact import Fact


def segment_facts(month: dt.date) -> list[Fact]:
    """Size and mean revenue of ten segments at most, and their silhouette."""

    def of_rank(rank: int, select: str) -> str:
        return (
            f"SELECT {select} FROM insiders.cluster_labels l JOIN insiders.customer_features f "
            "ON f.month = l.month AND f.customer_id = l.customer_id "
            f"WHERE l.month = DATE '{month}' AND l.cluster_rank = {rank}"
        )

    per_rank = [
        fact
        for rank in range(1, 11)
        for fact in (
            Fact(
                f"segment_{rank:02d}.customers",
                f"Customers in segment {rank}",
                "customers",
                "cluster_labels",
                of_rank(rank, "count(*)"),
            ),
            Fact(
                f"segment_{rank:02d}.mean_gross_revenue",
                f"Mean gross revenue in segment {rank}",
                "currency",
                "cluster_labels",
                of_rank(rank, "avg(CAST(f.gross_revenue AS double precision))"),
                f"customers in segment {rank}",
            ),
        )
    ]
    silhouette = Fact(
        "segments.silhouette",
        "Mean silhouette of the ten segments in the embedding (-1 to 1; not comparable between spaces)",
        "silhouette",
        "cluster_labels",
        f"SELECT avg(silhouette) FROM insiders.cluster_labels WHERE month = DATE '{month}'",
        "segmented customers",
    )
    return [*per_rank, silhouette]
