"""programme_rule [month]: the rule card that this month's clustering suggests, with its fidelity."""

from __future__ import annotations

import dagster as dg
import numpy as np

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.programme import BY_CONSENSUS, BY_TOP_SEGMENT, PROGRAMME_RULE
from insiders_assets.reporting.language import PORTUGUESE, Language
from insiders_assets.settings import PRODUCT
from insiders_assets.storage.lake import Dataset

SEED = 42
MOST_NAMED = 20


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=PROGRAMME_RULE,
        partitions=partitions,
        inputs={"customer_consensus": None, "cluster_labels": None, "customer_features": None},
        group="programme",
        settings_read=("recipe", "programme_features", "programme_min_fidelity"),
        kinds={"scikitlearn", "postgres"},
    )
    def programme_rule(
        month: Month, customer_consensus: Dataset, cluster_labels: Dataset, customer_features: Dataset
    ) -> Made:
        """The rule card: at most three conditions on plain features that say whom this month's clustering chooses, how
        faithful they are on customers they were not found on, the exceptions, the runner-up, and the same as SQL. Below
        the fidelity asked for, the programme goes by the consensus rank instead."""
        from insiders_assets.assets.programme_history import chosen_in, columns_of
        from insiders_assets.domain.rule_card import card_row, find_rule

        settings = month.platform.settings
        basis = BY_CONSENSUS if settings.recipe == PRODUCT else BY_TOP_SEGMENT
        customers = columns_of(customer_features, settings.programme_features)
        chosen = (
            chosen_in(customer_consensus, "chosen", True)
            if basis == BY_CONSENSUS
            else chosen_in(cluster_labels, "cluster_rank", 1)
        )
        is_chosen = np.isin(customers.ids.astype(str), chosen)
        if not is_chosen.any():
            return Made(
                PROGRAMME_RULE.empty(),
                metadata={"no rule": "this month's clustering chooses nobody: too few customers, or all of them alike"},
            )
        card = find_rule(customers.columns, is_chosen, settings.programme_features, SEED)
        row = card_row(month.first_day, card, is_chosen, basis, settings.programme_min_fidelity)
        rule = row["rule_in_words"]
        row |= {"rule_in_words": str(rule), "rule_in_portuguese": Language(PORTUGUESE).tell(rule)}
        row |= {"library": library("numpy"), "seed": SEED}
        exceptions = customers.ids[card.exceptions]
        more = f" and {len(exceptions) - MOST_NAMED} more" if len(exceptions) > MOST_NAMED else ""
        return Made(
            [row],
            metadata={
                "rule": row["rule_in_words"],
                "verdict": row["verdict"],
                "chosen": row["chosen"],
                "selected": row["selected"],
                "F1, cross-validated": round(row["f1"], 4),
                "precision and recall": f"{row['precision']:.4f}, {row['recall']:.4f}",
                "runner-up": f"{row['runner_up']} (F1 {row['runner_up_f1']:.4f})" if row["runner_up"] else "none",
                "exceptions": (", ".join(exceptions[:MOST_NAMED].tolist()) + more) or "none",
                "sql": dg.MetadataValue.md(f"```sql\n{row['sql']}\n```"),
            },
        )

    return programme_rule
