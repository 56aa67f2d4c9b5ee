"""Which table belongs to which asset, in the order in which a month makes them, and what readers outside find.

Belongs here: the lists. Does not belong here: what a table promises (the modules beside this one).
"""

from insiders_assets.contracts.actions import MARKETING_ACTIONS
from insiders_assets.contracts.affinities import AFFINITY_CANDIDATES, PRODUCT_AFFINITIES
from insiders_assets.contracts.audience import AUDIENCE_EVENTS, AUDIENCE_MEMBERSHIPS
from insiders_assets.contracts.comparisons import CLUSTERER_TRIALS, EMBEDDING_SPACES
from insiders_assets.contracts.customers import CUSTOMER_FEATURES, CUSTOMER_PURCHASES, MONTH_TOTALS
from insiders_assets.contracts.forecast import FORECAST_BACKTEST, FORECAST_ORIGINS, REVENUE_FORECAST
from insiders_assets.contracts.guarantees import GROUP_COMPARISONS, HOLDOUT_ASSIGNMENT, HOLDOUT_PLAN
from insiders_assets.contracts.lines import LANDED_FILES, LANDING_LEDGER, MONTH_FILES, QUARANTINE_COUNTS, RAW_INVOICES
from insiders_assets.contracts.pages import GROUP_MOVEMENT, MEMBER_LIST, PAGE_VIEWS, PROGRAMME_TRIALS, REPORT_PICTURES
from insiders_assets.contracts.programme import (
    CUSTOMER_CONSENSUS,
    INSIDERS_MEMBERSHIP,
    MEMBERSHIP_EVENTS,
    MEMBERSHIP_POLICIES,
    MEMBERSHIPS,
    PROGRAMME_RULE,
)
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.contracts.runs import RUN_ASSETS, RUN_CHECKS
from insiders_assets.contracts.segments import (
    CLUSTER_LABELS,
    CUSTOMER_SEGMENTS,
    FOREST_IMPORTANCES,
    SEGMENT_MOVEMENT,
    SEGMENT_PROFILES,
    TREE_EMBEDDING,
)
from insiders_assets.contracts.table import Table, View

MONTHLY_TABLES: dict[str, Table] = {
    "raw_invoices": RAW_INVOICES,
    "month_files": MONTH_FILES,
    "customer_purchases": CUSTOMER_PURCHASES,
    "customer_features": CUSTOMER_FEATURES,
    "month_totals": MONTH_TOTALS,
    "tree_embedding": TREE_EMBEDDING,
    "forest_importances": FOREST_IMPORTANCES,
    "cluster_labels": CLUSTER_LABELS,
    "customer_segments": CUSTOMER_SEGMENTS,
    "segment_profiles": SEGMENT_PROFILES,
    "customer_consensus": CUSTOMER_CONSENSUS,
    "programme_rule": PROGRAMME_RULE,
    "insiders_membership": INSIDERS_MEMBERSHIP,
    "membership_policies": MEMBERSHIP_POLICIES,
    "programme_trials": PROGRAMME_TRIALS,
    "group_comparisons": GROUP_COMPARISONS,
    "holdout_plan": HOLDOUT_PLAN,
    "holdout_assignment": HOLDOUT_ASSIGNMENT,
    "product_affinities": PRODUCT_AFFINITIES,
    "affinity_candidates": AFFINITY_CANDIDATES,
    "marketing_actions": MARKETING_ACTIONS,
    "member_list": MEMBER_LIST,
    "group_movement": GROUP_MOVEMENT,
    "forecast_origins": FORECAST_ORIGINS,
    "forecast_backtest": FORECAST_BACKTEST,
    "revenue_forecast": REVENUE_FORECAST,
    "insiders_report": REPORT_FACTS,
    "report_pictures": REPORT_PICTURES,
}
# Made for the last month and where asked: they cost more than a month's own work.
COMPARISON_TABLES: dict[str, Table] = {"embedding_spaces": EMBEDDING_SPACES, "clusterer_trials": CLUSTERER_TRIALS}
TABLES_BY_MONTH = {**MONTHLY_TABLES, **COMPARISON_TABLES}
PUBLISHED_TABLES = (
    LANDED_FILES,
    QUARANTINE_COUNTS,
    RUN_ASSETS,
    RUN_CHECKS,
    *(table for table in TABLES_BY_MONTH.values() if table.published),
)
PUBLISHED_VIEWS: tuple[View, ...] = (
    LANDING_LEDGER,
    SEGMENT_MOVEMENT,
    MEMBERSHIP_EVENTS,
    MEMBERSHIPS,
    AUDIENCE_MEMBERSHIPS,
    AUDIENCE_EVENTS,
    *PAGE_VIEWS,
)
