"""Fitted models as files that need no pickle: forest and scaler in skops, leaves in Parquet, the rest in JSON.

Belongs here: packing and reloading, so that the same model gives the same bytes and the same leaves. Does not belong
here: fitting (:mod:`.embedding`, :mod:`.proximity`) or writing files.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from insiders_assets.domain.embedding import TreeEmbedding, design_matrix
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.proximity import ProximityEmbedding

if TYPE_CHECKING:
    import pandas as pd

# sklearn's own compiled tree is the one type beyond skops' defaults; anything else in a file is refused.
ABOUT = "embedding.json"
TRUSTED = ["sklearn.tree._tree.Tree"]


def model_files(fitted: TreeEmbedding | ProximityEmbedding, customer_ids: list[str]) -> dict[str, bytes]:
    """The fitted models as files; `customer_ids` are those whose leaves were fitted (the landmarks), in order."""
    import pyarrow.parquet as pq
    import skops.io

    leaves = io.BytesIO()
    columns = {f"tree_{i}": fitted.leaves[:, i].astype("int32") for i in range(fitted.leaves.shape[1])}
    pq.write_table(pa.table({"customer_id": customer_ids, **columns}), leaves, compression="zstd")
    scaler = fitted.scaler if isinstance(fitted, TreeEmbedding) else None
    about = {"features": list(FEATURES), "chosen": list(fitted.chosen), "importances": dict(fitted.importances)}
    return {
        "forest.skops": _plain(skops.io.dumps(fitted.forest)),
        **({"scaler.skops": _plain(skops.io.dumps(scaler))} if scaler else {}),
        "leaves.parquet": leaves.getvalue(),
        ABOUT: json.dumps(about, indent=1).encode(),
    }


def _plain(archive: bytes) -> bytes:
    """A skops archive without the time of writing and without memory addresses: equal models give equal bytes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        schema = old.read("schema.json").decode()
        found = re.findall(r'"__id__": ([0-9]+)|"([0-9]+)\.npy"', schema)
        addresses = dict.fromkeys(by_id or by_file for by_id, by_file in found)
        numbers = {address: str(i) for i, address in enumerate(addresses)}

        def numbered(place: re.Match[str]) -> str:
            return place[0].replace(place[1], numbers[place[1]])

        schema = re.sub(r'"__id__": ([0-9]+)', numbered, schema)
        schema = re.sub(r'"([0-9]+)\.npy"', numbered, schema)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for name in old.namelist():
                content = schema.encode() if name == "schema.json" else old.read(name)
                new_name = f"{numbers[name.removesuffix('.npy')]}.npy" if name.endswith(".npy") else name
                new.writestr(zipfile.ZipInfo(new_name), content, zipfile.ZIP_DEFLATED, 1)
        return written.getvalue()


def leaves_from_files(files: Mapping[str, bytes], customers: pd.DataFrame) -> np.ndarray:
    """Leaf numbers (n, trees) of customers in a forest that was kept by :func:`model_files`."""
    import skops.io

    chosen = json.loads(files["embedding.json"])["chosen"]
    matrix = design_matrix(customers)
    if "scaler.skops" in files:
        matrix = skops.io.loads(files["scaler.skops"]).transform(matrix)
    forest = skops.io.loads(files["forest.skops"], trusted=TRUSTED)
    leaves: np.ndarray = forest.apply(matrix[:, [FEATURES.index(name) for name in chosen]])
    return leaves
