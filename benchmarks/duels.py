"""The platform beside :mod:`.naive`: the same step of the reference month, from the same input, in one warm process.

Belongs here: pairs of the same work, and the proof that both gave the same. Does not belong here: a pair whose halves
do different work; a ratio of these would mean nothing.

Run it: ``python -m benchmarks.duels OUT HOME FILE``, HOME being one in which FILE was run to the last month.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks import naive
from benchmarks.measure import own_cpu_seconds

if TYPE_CHECKING:
    import pyarrow as pa

    from insiders_assets.assets.platform import Platform

ROUNDS = 3
FEATURES, EMBEDDING, SCAN = "features, cleaning included", "forest and UMAP", "k scan, 2…25"


@dataclass(frozen=True)
class Duel:
    """Least CPU and wall seconds of ROUNDS warm rounds of each side, and in what their results agree."""

    name: str
    our_cpu: float
    naive_cpu: float
    our_wall: float
    naive_wall: float
    agreement: str

    @property
    def ratio(self) -> float:
        """How many times our CPU time the naive rendering takes."""
        return self.naive_cpu / self.our_cpu


def duel(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], agree: Callable[[Any, Any], str]) -> Duel:
    """Run both sides once to warm up and compare their results, then ROUNDS times in turn, and keep the least times.

    In turn, so that another job on the machine slows both.
    """
    print(f"  {name}", file=sys.stderr, flush=True)
    agreement = agree(ours(), theirs())
    rounds = [[_timed(side) for side in (ours, theirs)] for _ in range(ROUNDS)]
    (our_cpu, our_wall), (naive_cpu, naive_wall) = (np.min(side, axis=0).tolist() for side in zip(*rounds, strict=True))
    return Duel(name, our_cpu, naive_cpu, our_wall, naive_wall, agreement)


def _timed(side: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = own_cpu_seconds(), time.perf_counter()
    side()
    return own_cpu_seconds() - cpu, time.perf_counter() - wall


def reference_month(platform: Platform, file: Path) -> list[Duel]:
    """The duels of the last month that the home has, whose window is the whole file."""
    from insiders_assets.contracts.customers import CUSTOMER_FEATURES
    from insiders_assets.contracts.lines import RAW_INVOICES
    from insiders_assets.contracts.segments import TREE_EMBEDDING
    from insiders_assets.domain import clustering, embedding

    scopes = platform.lake.scopes(RAW_INVOICES.name)
    last = scopes[-1]
    lines = naive.read_lines(file)
    landed = _landed_lines(platform)
    features = duel(
        FEATURES,
        lambda: _our_features(platform, landed, last),
        lambda: naive.naive_features(lines),
        _same_features,
    )

    kept = platform.lake.dataset(RAW_INVOICES, scopes).arrow(["customer_id", "quantity", "unit_price", "dropped_by"])
    customers = embedding.in_order_of_appearance(platform.lake.dataset(CUSTOMER_FEATURES, [last]).frame())
    theirs = naive.naive_features(lines)
    theirs = theirs[theirs["clusterable"]]

    def our_embedding() -> embedding.TreeEmbedding:
        target = embedding.revenue_as_the_notebook_added_it(kept, customers["customer_id"].tolist())
        return embedding.fit_tree_embedding(embedding.design_matrix(customers), target)

    def naive_embedding() -> tuple[pd.Series, np.ndarray, np.ndarray]:
        leaves, importances = naive.naive_forest(theirs)
        return importances, leaves, naive.naive_embedding(leaves)

    embedded = duel(EMBEDDING, our_embedding, naive_embedding, _same_embedding)

    table = platform.lake.dataset(TREE_EMBEDDING, [last]).frame().set_index("customer_id").drop(columns="month")
    points = table.loc[customers["customer_id"]].to_numpy("float64")
    revenue = customers["gross_revenue"].to_numpy("float64")
    scan = duel(
        SCAN,
        lambda: clustering.segment(points, revenue),
        lambda: (naive.naive_k_scan(points), naive.naive_clusters(points, theirs)),
        _same_clusters,
    )
    return [features, embedded, scan]


def _landed_lines(platform: Platform) -> pa.Table:
    """The good lines of all live files, in memory and not yet cleaned: what the naive side has in its frame."""
    import pyarrow.parquet as pq

    from insiders_assets.contracts.lines import LANDED_LINES

    ledger, store = platform.ledger(), platform.lake.store
    paths = [f"{store.root}/{part.path}" for month in ledger.months() for part in ledger.parts(month).values()]
    return pq.ParquetDataset(paths, filesystem=store.filesystem, schema=LANDED_LINES.arrow_schema).read()


def _our_features(platform: Platform, landed: pa.Table, month: str) -> pa.Table:
    import datetime as dt

    from insiders_assets.domain import features, invoices

    engine = platform.engine
    cleaned = invoices.with_dropping_rule(invoices.single_file(engine.table(landed)), invoices.UCI)
    raw = engine.run(cleaned.mutate(month=cleaned.invoiced_at.truncate("M").date()))
    return engine.run(features.customer_features(engine.table(raw), dt.date.fromisoformat(month)))


def _same_features(ours: pa.Table, theirs: pd.DataFrame) -> str:
    frame = ours.to_pandas().sort_values("appearance_order").set_index("customer_id")
    frame.index = frame.index.astype(int)
    assert frame.index.tolist() == theirs.index.tolist(), "other customers, or in another order"
    for name in ("gross_revenue", *naive.FOREST_FEATURES):
        np.testing.assert_allclose(frame[name].astype(float), theirs[name].astype(float), atol=1e-6, err_msg=name)
    clusterable = theirs["clusterable"].to_numpy(bool)
    assert (frame["clusterable"].to_numpy(bool) == clusterable).all()
    return f"{len(frame):,} customers ({clusterable.sum():,} clusterable), every feature equal"


def _same_embedding(ours: Any, theirs: tuple[pd.Series, np.ndarray, np.ndarray]) -> str:
    importances, leaves, components = theirs
    difference = max(abs(ours.importances[name] - share) for name, share in importances.items())
    assert difference < 0.001, f"importances differ by {difference:.4f}"
    assert ours.components.shape == components.shape
    same = (ours.leaves == leaves).mean() if ours.leaves.shape == leaves.shape else 0.0
    return f"importances within {difference:.4f}, {same:.1%} of the leaf numbers equal"


def _same_clusters(ours: Any, theirs: tuple[list[tuple[int, float]], pd.Series]) -> str:
    scan, clusters = theirs
    difference = max(abs(ours.scan[k] - silhouette) for k, silhouette in scan)
    assert difference < 1e-5, f"silhouettes differ by {difference}"
    assert (ours.ranks == clusters.to_numpy()).all(), "other clusters"
    return f"all {len(clusters):,} labels equal, silhouettes within {difference:.0e}"


def main() -> None:
    """Measure and write the duels as JSON."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.settings import load_settings

    out, home, file = (Path(argument) for argument in sys.argv[1:])
    with open_platform(load_settings(home)) as platform:
        duels = reference_month(platform, file)
    out.write_text(json.dumps([asdict(one) for one in duels]))


if __name__ == "__main__":
    main()
