"""Where customers stand in the embedding, which segment they fall in, and the segments that last over months.

Belongs here: the results of embedding and clustering. Does not belong here: who is a member of the programme.
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table, View

COMPONENT_COLUMNS = tuple(f"component_{number}" for number in range(1, 11))

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
            Column(name, REAL, f"UMAP component {number} of the forest's space (no unit).", precision=4)
            for number, name in enumerate(COMPONENT_COLUMNS, start=1)
        ),
    ),
)

FOREST_IMPORTANCES = Table(
    "forest_importances",
    "What the forest behind the embedding looks at: the importance of every feature; empty in a month that is too "
    "small.",
    (
        MONTH,
        Column("feature", TEXT, "Column of customer_features.", key=True),
        Column(
            "importance",
            REAL,
            "Share of the forest's decrease of variance that splits on the feature bring (0-1, all sum to 1).",
            at_least=0,
            at_most=1,
        ),
        Column("chosen", FLAG, "Whether the forest whose leaves are embedded was fitted on it."),
        *FOUND_BY,
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
            "not segmented (the month has too few clusterable customers, or nothing tells them apart).",
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

# Ids of those who are in no segment that lasts.
NOT_CLUSTERABLE_ID, NOT_SEGMENTED_ID = 0, -1

CUSTOMER_SEGMENTS = Table(
    "customer_segments",
    "The segment of every customer, under an id that stays the same from month to month; customers who cannot be "
    "clustered are a segment too, so the rows are all customers of the month.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "segment_id",
            WHOLE,
            "Lasting id, from 1; 0: not clusterable; -1: the month has no segments.",
            at_least=-1,
        ),
        Column("segment_en", TEXT, "Name of the segment in English, given when it began."),
        Column("segment_pt", TEXT, "The same in Portuguese."),
    ),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    "The segments of the month: name, what they are like now, how many and how much, what became of them since the "
    "month before.",
    (
        MONTH,
        Column("segment_id", WHOLE, "Lasting id, from 1; 0: not clusterable.", key=True, at_least=0),
        Column("name_en", TEXT, "Name in English, given when the segment began; a handle, not a promise."),
        Column("name_pt", TEXT, "The same in Portuguese."),
        Column("profile_en", TEXT, "What the segment is like this month, in English."),
        Column("profile_pt", TEXT, "The same in Portuguese."),
        Column("customers", WHOLE, "Customers.", at_least=0),
        Column("cluster_rank", WHOLE, "Rank by mean revenue, from 1; empty for id 0.", nullable=True, at_least=1),
        Column("mean_revenue", REAL, "Mean gross revenue per customer, in the shop's currency.", precision=4),
        Column("born", DATE, "Month in which the segment began; empty for id 0.", nullable=True),
        Column(
            "kept",
            REAL,
            "Share of its customers of the month before who are still in it, of those clusterable now (0-1).",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column("change_en", TEXT, "Split, merged, new or ended segments that it comes of, in words.", nullable=True),
        Column("change_pt", TEXT, "The same in Portuguese.", nullable=True),
    ),
)

SEGMENT_MOVEMENT = View(
    "segment_movement",
    "Customers by the segment of the month before and that of the month; segment_before is empty for who is new, "
    "segment_now for who is not there any more. So rows and columns add up to all customers of both months.",
    """
    SELECT month, segment_before, segment_now, count(*) AS customers
    FROM (SELECT month, customer_id, max(before) AS segment_before, max(now) AS segment_now
          FROM (SELECT month, customer_id, CAST(NULL AS bigint) AS before, segment_id AS now
                FROM insiders.customer_segments
                UNION ALL
                SELECT CAST(month + INTERVAL '1 month' AS date), customer_id, segment_id, NULL
                FROM insiders.customer_segments
                WHERE month < (SELECT max(month) FROM insiders.customer_segments)) both_months
          GROUP BY month, customer_id) moved
    GROUP BY month, segment_before, segment_now
    """,
)
