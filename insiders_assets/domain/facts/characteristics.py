"""Facts on what members and segments are like: how many, means and medians, and a ratio of means beside them."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.contracts.segments import NOT_CLUSTERABLE_ID
from insiders_assets.domain.facts.fact import (
    CLUSTERABLE,
    COUNT,
    CURRENCY,
    CUSTOMERS,
    DAYS,
    INSIDERS,
    ITEMS,
    MEMBER,
    MEMBERSHIP,
    SHARE,
    Fact,
    Outline,
    mean_of,
    median_of,
    one_row,
    over_features,
    ratio,
)
from insiders_assets.domain.feature_words import FEATURES, WORDS
from insiders_assets.domain.messages import Message, say

# Column of customer_features -> its words and unit, in the order in which a profile shows them.
PROFILE = {
    "gross_revenue": (say("gross revenue in the window"), CURRENCY),
    "avg_ticket": (say("ticket per customer"), CURRENCY),
    "purchases": (say("purchases"), COUNT),
    "items_purchased": (say("items bought"), ITEMS),
    "avg_basket_size": (say("items per purchase"), ITEMS),
    "recency_days": (say("days since the last purchase"), DAYS),
    "avg_recency_days": (say("days between visits"), DAYS),
    "number_returns": (say("credit notes"), COUNT),
    "returns_ratio": (say("returned value per revenue"), SHARE),
}
STATISTICS = {
    "mean": (say("Mean {measure}, {group}"), mean_of),
    "median": (say("Median {measure}, {group}"), median_of),
}


def characteristic_facts(outline: Outline) -> list[Fact]:
    """What members are like, and all clusterable customers beside them."""
    members = _like("members", INSIDERS, MEMBERSHIP, over_features(outline.month, MEMBER))
    everybody = _like("clusterable", CLUSTERABLE, "customer_features", over_features(outline.month, "f.clusterable"))
    return [*members, *everybody]


def segment_facts(outline: Outline) -> list[Fact]:
    """How many customers every segment has and what they are like, by its lasting id; and the silhouette of all."""
    found: list[Fact] = []
    for segment in outline.segments:
        group = say("segment {number}", number=str(segment))
        if segment == NOT_CLUSTERABLE_ID:
            group = say("customers seen on one day only")
        rows = (
            "FROM insiders.customer_segments s "
            "JOIN insiders.customer_features f ON f.month = s.month AND f.customer_id = s.customer_id "
            f"WHERE s.month = DATE '{outline.month}' AND s.segment_id = {segment}"
        )
        key = f"segment_{segment:02d}"
        found.append(
            Fact(
                f"{key}.customers",
                say("Customers, {group}", group=group),
                CUSTOMERS,
                "customer_segments",
                "count(*)",
                rows,
            )
        )
        found += _like(key, group, "customer_segments", rows)
    importances = [
        Fact(
            f"forest.{feature}",
            say("Importance of {feature} in the forest behind the embedding", feature=WORDS[feature].words),
            "score",
            "forest_importances",
            "importance",
            one_row("forest_importances", outline.month, f"feature = '{feature}'"),
            say("all features"),
            "RandomForestRegressor.feature_importances_",
        )
        for feature in FEATURES
    ]
    silhouette = Fact(
        "segments.silhouette",
        say("Mean silhouette of the segments in the embedding (-1 to 1; not comparable between spaces)"),
        "silhouette",
        "cluster_labels",
        "avg(silhouette)",
        f"FROM insiders.cluster_labels WHERE month = DATE '{outline.month}'",
        say("segmented customers"),
    )
    return [*found, *importances, silhouette]


def _like(key: str, group: Message, source: str, rows: str) -> Iterator[Fact]:
    for column, (measure, unit) in PROFILE.items():
        for name, (words, statistic) in STATISTICS.items():
            said = say(words.template, measure=measure, group=group)
            yield Fact(f"{key}.{name}_{column}", said, unit, source, statistic(column), rows, group)
    yield Fact(
        f"{key}.ticket_as_ratio_of_means",
        say("Gross revenue per purchase, {group} (a ratio of means, not a mean of tickets)", group=group),
        CURRENCY,
        source,
        ratio("sum(f.gross_revenue)", "sum(f.purchases)"),
        rows,
        say("purchases"),
    )
    yield Fact(
        f"{key}.ticket_as_ratio_of_medians",
        say("Median gross revenue per median purchases, {group}", group=group),
        CURRENCY,
        source,
        ratio(median_of("gross_revenue"), median_of("purchases")),
        rows,
        say("median purchases"),
    )
