"""The reference recipe's embedding: what it fits, what it keeps, and what it makes of odd customers."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.domain.clustering import segment
from insiders_assets.domain.embedding import (
    COMPONENTS,
    FEWEST_FOR_UMAP,
    LEAST_IMPORTANCE,
    TREES,
    TreeEmbedding,
    design_matrix,
    fit_tree_embedding,
    in_order_of_appearance,
    revenue_as_the_notebook_added_it,
)
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.fitted_files import leaves_from_files, model_files


def shop(customers: int, seed: int = 0) -> pd.DataFrame:
    """Clusterable customers whose revenue follows what they bought, in the twelve features and plain columns."""
    rng = np.random.default_rng(seed)
    purchases = 1 + rng.poisson(4, customers)
    items = purchases * (20 + rng.poisson(60, customers))
    revenue = items * rng.normal(2.0, 0.2, customers).clip(0.5)
    frame = pd.DataFrame(rng.gamma(2, 5, (customers, len(FEATURES))), columns=list(FEATURES))
    return frame.assign(
        customer_id=[str(10_000 + i) for i in range(customers)],
        appearance_order=range(1, customers + 1),
        clusterable=True,
        gross_revenue=revenue,
        purchases=purchases,
        items_purchased=items,
        avg_ticket=revenue / purchases,
    )


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return shop(60)


@pytest.fixture(scope="module")
def fitted(customers: pd.DataFrame) -> TreeEmbedding:
    return fit_tree_embedding(design_matrix(customers), customers["gross_revenue"].to_numpy())


@pytest.fixture(scope="module")
def files(customers: pd.DataFrame, fitted: TreeEmbedding) -> dict[str, bytes]:
    return model_files(fitted, customers["customer_id"].tolist())


# -- what goes in


def test_customers_stand_in_the_order_in_which_they_first_appeared() -> None:
    mixed = shop(20).sample(frac=1, random_state=1)
    mixed.loc[mixed["appearance_order"].isin([3, 7]), "clusterable"] = False
    found = in_order_of_appearance(mixed)
    assert found["appearance_order"].tolist() == [i for i in range(1, 21) if i not in (3, 7)]
    assert found.index.tolist() == list(range(18))


def test_the_design_matrix_has_the_twelve_features_in_order_and_zero_for_an_undefined_ratio() -> None:
    row = {name: value for value, name in enumerate(FEATURES, start=1)}
    schema = pa.schema([CUSTOMER_FEATURES.arrow_schema.field(name) for name in FEATURES])
    rows = [{name: Decimal(v) if pa.types.is_decimal(schema.field(name).type) else v for name, v in row.items()}]
    rows.append({**rows[0], "returns_ratio": None, "avg_recency_days": None})
    frame = pa.Table.from_pylist(rows, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)
    found = design_matrix(frame[list(reversed(FEATURES))])
    assert found[0].tolist() == list(range(1, 13))
    assert found[1].tolist() == [1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0]


MONEY = st.decimals(Decimal("0.01"), Decimal(500), places=3)
LINES = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.integers(-20, 500), MONEY, st.sampled_from([None, None, "rule"])),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(LINES)
def test_the_forest_s_target_is_the_exact_gross_revenue_but_for_a_millionth_of_a_cent(
    lines: list[tuple[str | None, int, Decimal, str | None]],
) -> None:
    columns = ("customer_id", "quantity", "unit_price", "dropped_by")
    rows = [dict(zip(columns, row, strict=True)) for row in lines]
    schema = pa.schema(
        [
            ("customer_id", pa.string()),
            ("quantity", pa.decimal128(18, 4)),
            ("unit_price", pa.decimal128(18, 4)),
            ("dropped_by", pa.string()),
        ]
    )
    exact: dict[str, Decimal] = {}
    for customer, quantity, price, dropped in lines:
        if customer and quantity >= 0 and not dropped:
            exact[customer] = exact.get(customer, Decimal(0)) + quantity * price
    found = revenue_as_the_notebook_added_it(pa.Table.from_pylist(rows, schema=schema), sorted(exact, reverse=True))
    assert found == pytest.approx([float(exact[name]) for name in sorted(exact, reverse=True)], rel=1e-12, abs=1e-8)


# -- what comes out


def test_the_forest_keeps_the_features_that_matter_and_gives_every_customer_a_leaf_in_every_tree(
    customers: pd.DataFrame, fitted: TreeEmbedding
) -> None:
    assert tuple(fitted.importances) == FEATURES
    assert sum(fitted.importances.values()) == pytest.approx(1.0)
    assert fitted.chosen == tuple(name for name in FEATURES if fitted.importances[name] > LEAST_IMPORTANCE)
    assert max(fitted.importances, key=lambda name: fitted.importances[name]) == "items_purchased"
    assert fitted.leaves.shape == (len(customers), TREES)
    assert fitted.components.shape == (len(customers), COMPONENTS)
    assert np.isfinite(fitted.components).all()


def test_twice_the_same_on_one_machine(customers: pd.DataFrame, fitted: TreeEmbedding, files: dict[str, bytes]) -> None:
    again = fit_tree_embedding(design_matrix(customers), customers["gross_revenue"].to_numpy())
    assert again.importances == fitted.importances
    assert np.array_equal(again.leaves, fitted.leaves)
    assert np.array_equal(again.components, fitted.components)
    # Byte for byte, or else a month made again would be a new version of the same.
    again_kept = model_files(again, customers["customer_id"].tolist())
    assert [name for name in files if again_kept[name] != files[name]] == []


# -- what is kept


def test_the_kept_models_give_the_same_leaves_again_also_for_customers_in_another_order(
    customers: pd.DataFrame, fitted: TreeEmbedding, files: dict[str, bytes]
) -> None:
    assert np.array_equal(leaves_from_files(files, customers), fitted.leaves)
    some = customers.iloc[[40, 3, 17]]
    assert np.array_equal(leaves_from_files(files, some), fitted.leaves[[40, 3, 17]])


def test_the_kept_leaves_name_their_customers(
    customers: pd.DataFrame, fitted: TreeEmbedding, files: dict[str, bytes]
) -> None:
    kept = pq.read_table(io.BytesIO(files["leaves.parquet"])).to_pandas()
    assert kept.pop("customer_id").tolist() == customers["customer_id"].tolist()
    assert np.array_equal(kept.to_numpy(), fitted.leaves)
    about = json.loads(files["embedding.json"])
    assert about["importances"] == fitted.importances and tuple(about["chosen"]) == fitted.chosen


def test_no_kept_file_is_a_pickle(files: dict[str, bytes]) -> None:
    assert set(files) == {"forest.skops", "scaler.skops", "leaves.parquet", "embedding.json"}
    for name in ("forest.skops", "scaler.skops"):
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            assert "schema.json" in archive.namelist()
            assert not [entry for entry in archive.namelist() if entry.endswith((".pkl", ".pickle"))]
    assert files["leaves.parquet"][:4] == b"PAR1"


class Greeting:
    """An object that runs a function of its maker's choice when a pickle of it is read."""

    read: list[str] = []  # noqa: RUF012  (where a pickle that is read leaves its mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return Greeting.read.append, ("hello",)


@pytest.fixture
def unread() -> Iterator[None]:
    Greeting.read.clear()
    yield
    assert Greeting.read == []


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("name", ["forest.skops", "scaler.skops"])
def test_a_pickle_in_place_of_a_model_is_refused_unread(
    customers: pd.DataFrame, files: dict[str, bytes], name: str
) -> None:
    with pytest.raises(zipfile.BadZipFile):
        leaves_from_files({**files, name: pickle.dumps(Greeting())}, customers)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("name", ["forest.skops", "scaler.skops"])
def test_a_model_file_with_a_type_of_somebody_s_own_is_refused(
    customers: pd.DataFrame, files: dict[str, bytes], name: str
) -> None:
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Greeting"):
        leaves_from_files({**files, name: skops.io.dumps(Greeting())}, customers)


# -- odd customers: no crash, and nothing that a reader would trip over


def assert_sensible(customers: pd.DataFrame) -> TreeEmbedding:
    found = fit_tree_embedding(design_matrix(customers), customers["gross_revenue"].to_numpy())
    assert found.leaves.shape == (len(customers), TREES)
    assert found.components.shape == (len(customers), COMPONENTS)
    assert np.isfinite(found.components).all()
    segments = segment(found.components, customers["gross_revenue"].to_numpy())
    assert set(segments.ranks) == set(range(1, 1 + min(10, len(np.unique(found.leaves, axis=0)))))
    assert np.isfinite(segments.silhouettes).all()
    files = model_files(found, customers["customer_id"].tolist())
    assert np.array_equal(leaves_from_files(files, customers), found.leaves)
    return found


@pytest.mark.parametrize("number", [FEWEST_FOR_UMAP, FEWEST_FOR_UMAP + 1, 16])
def test_the_fewest_customers_can_be_embedded_and_segmented(number: int) -> None:
    assert_sensible(shop(number, seed=number))


def test_customers_who_are_all_alike_share_every_leaf() -> None:
    alike = shop(1).loc[[0] * 40].assign(customer_id=[str(i) for i in range(40)])
    found = assert_sensible(alike)
    assert found.chosen == FEATURES
    assert (found.leaves == found.leaves[0]).all()


def test_a_feature_that_is_the_same_for_everybody_is_not_chosen() -> None:
    found = assert_sensible(shop(40).assign(number_returns=0, monetary_returns=0.0, returns_ratio=0.0))
    assert not {"number_returns", "monetary_returns", "returns_ratio"} & set(found.chosen)


def test_one_customer_who_outweighs_all_others_is_no_trouble() -> None:
    customers = shop(40)
    for name in ("gross_revenue", "items_purchased"):
        customers[name] = customers[name].astype(float)
        customers.loc[0, name] *= 1e6
    assert_sensible(customers)
