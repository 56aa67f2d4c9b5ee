"""Where customers stand in the embedding, and which segment they fall in.

Belongs here: the results of embedding and clustering. Does not belong here: who is a member of the programme.
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.table import FLAG, REAL, TEXT, WHOLE, Column, Table

COMPONENTS = 10

SEGMENTED = "segmented"
NOT_CLUSTERABLE = "not clusterable"
NOT_SEGMENTED = "not segmented"

TREE_EMBEDDING = Table(
    "tree_embedding",
    "Clusterable customers in the space of the forest's leaves, reduced by UMAP; empty in a month that is too small.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "landmark",
            FLAG,
            "Whether the embedding was fitted on the customer; others were placed by the landmarks near them.",
            nullable=True,
        ),
        *(
            Column(f"component_{i}", REAL, f"UMAP component {i} of the forest's space (no unit).", precision=4)
            for i in range(1, COMPONENTS + 1)
        ),
    ),
)

CLUSTER_LABELS = Table(
    "cluster_labels",
    "The segment of every customer of the month; rank 1 is the segment with the highest mean gross revenue.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "status",
            TEXT,
            "segmented; not clusterable (fewer than two activity dates or no purchase); "
            "not segmented (the month has too few clusterable customers).",
            among=(SEGMENTED, NOT_CLUSTERABLE, NOT_SEGMENTED),
        ),
        Column("cluster_rank", WHOLE, "Rank of the segment by mean gross revenue, from 1.", nullable=True, at_least=1),
        Column(
            "silhouette",
            REAL,
            "Silhouette of the customer in the embedding; of landmarks only.",
            nullable=True,
            precision=4,
        ),
    ),
)
