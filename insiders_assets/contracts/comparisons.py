"""Spaces and clusterers side by side, for the months that are compared.

Belongs here: tables of comparisons. Does not belong here: what a month's own result is (:mod:`.segments`). How long
something took is kept, and is no content: the same comparison on a slower machine is the same.
"""

from insiders_assets.contracts.customers import MONTH
from insiders_assets.contracts.table import FLAG, REAL, TEXT, WHOLE, Column, Table


def _agreement(name: str, words: str) -> Column:
    return Column(name, REAL, words, nullable=True, precision=4)


EMBEDDING_SPACES = Table(
    "embedding_spaces",
    "PCA, t-SNE, UMAP and the tree embedding of the same customers. Silhouettes in the spaces' own distances cannot be "
    "compared with each other; those in the common space, and stabilities, can.",
    (
        MONTH,
        Column("space", TEXT, "Name of the space.", key=True),
        Column(
            "customers",
            WHOLE,
            "Clusterable customers that the space holds; drawn ones of many.",
            at_least=1,
        ),
        _agreement("own_silhouette", "Mean silhouette of the space's ten Ward groups in its own distances (-1 to 1)."),
        _agreement("own_error", "Its standard error from drawing customers; 0 where all were used."),
        _agreement("common_silhouette", "The same groups in the common space: standardised log features."),
        _agreement("common_error", "Its standard error from drawing customers."),
        _agreement("seed_agreement", "Mean adjusted Rand index of the groups between fits with other seeds."),
        _agreement("seed_jaccard", "Mean Jaccard index of the top group between these fits (0-1)."),
        _agreement("sample_agreement", "Mean adjusted Rand index between fits on 80 % of the customers."),
        _agreement("sample_jaccard", "Mean Jaccard index of the top group between these fits (0-1)."),
        Column("seconds", REAL, "Mean seconds per fit, without Ward.", provenance=True, precision=2),
    ),
)

CLUSTERER_TRIALS = Table(
    "clusterer_trials",
    "k-means, Ward and Gaussian mixture for 2 to 25 groups, and DBSCAN over a small grid, on the month's embedding.",
    (
        MONTH,
        Column("clusterer", TEXT, "Name of the clusterer.", key=True),
        Column("setting", TEXT, "Number of groups, or radius and least points.", key=True),
        Column("groups", WHOLE, "Groups found.", at_least=0),
        _agreement("silhouette", "Mean silhouette in the embedding, noise counted as 0 (-1 to 1)."),
        _agreement("standard_error", "What drawing customers adds to it; 0 where all were used."),
        _agreement("stability", "Mean adjusted Rand index with partitions of 80 % of the customers."),
        Column("smallest", WHOLE, "Customers in the smallest group.", at_least=0),
        Column("noise_share", REAL, "Share of the customers in no group (0-1).", at_least=0, at_most=1, precision=4),
        _agreement("own_measure", "What the clusterer itself improves: inertia, or log-likelihood per customer."),
        Column("preferred", FLAG, "The one that the criterion prefers."),
        Column("reason", TEXT, "Why it is preferred, in words.", nullable=True),
        Column("seconds", REAL, "Seconds, without the warm start.", provenance=True, precision=2),
    ),
)
