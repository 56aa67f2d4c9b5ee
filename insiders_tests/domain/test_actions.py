"""Actions: for whom their conditions hold, on customers made for each, and which are chosen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest

from insiders_assets.assets.marketing_actions import with_words
from insiders_assets.contracts.actions import IN, IN_GRACE, MARKETING_ACTIONS, OUT
from insiders_assets.contracts.affinities import AFFINITY_CANDIDATES
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
from insiders_assets.contracts.segments import CUSTOMER_SEGMENTS
from insiders_assets.domain.actions import Action, actions_of, chosen, counting, listing
from insiders_assets.domain.rules import parse_rule
from insiders_assets.storage.engine import DuckDBEngine

MONTH = dt.date(2024, 5, 1)
RULE = parse_rule("items_purchased >= 100 and recency_days <= 30")
PLAIN = {
    "clusterable": True,
    "purchases": 4,
    "activity_dates": 4,
    "gross_revenue": 120,
    "recency_days": 10,
    "avg_recency_days": 20.0,
    "items_purchased": 10,
    "returns_ratio": 0.0,
    "number_returns": 0,
    "monetary_returns": 0,
}
# name -> what differs, status, whether the rule holds
CUSTOMERS = {
    "plain": ({}, None, False),
    "late": ({"recency_days": 41}, None, False),
    "just in time": ({"recency_days": 40}, None, False),
    "late, two dates": ({"recency_days": 90, "activity_dates": 2}, None, False),
    "member": ({"items_purchased": 150}, "member", True),
    "in grace": ({"items_purchased": 90}, "grace", False),
    "near": ({"items_purchased": 80, "recency_days": 37}, "outside", False),
    "near, had left": ({"items_purchased": 99}, "left", False),
    "not near": ({"items_purchased": 79}, "outside", False),
    "near, excluded": ({"items_purchased": 99, "override_reason": "complained"}, "outside", False),
    "sends back": ({"returns_ratio": 0.1, "number_returns": 2, "monetary_returns": 12}, None, False),
    "sent back once": ({"returns_ratio": 0.5, "number_returns": 1, "monetary_returns": 60}, None, False),
    "new": ({"clusterable": False, "purchases": 1, "activity_dates": 1, "avg_recency_days": None}, None, False),
    "long ago": (
        {"clusterable": False, "purchases": 1, "activity_dates": 1, "avg_recency_days": None, "recency_days": 80},
        None,
        False,
    ),
}
# name -> antecedent, consequent, money
CANDIDATES = {"plain": ("a1", "it's", 7.5), "near, excluded": ("a1", "a2", 3.0), "nobody": ("a1", "a2", 1.0)}


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    made = DuckDBEngine()
    yield made
    made.close()


def tables() -> dict[str, pa.Table]:
    features, segments, membership = [], [], []
    for name, (differs, status, holds) in CUSTOMERS.items():
        key = {"month": MONTH, "customer_id": name}
        differs, reason = {**differs}, differs.get("override_reason")
        differs.pop("override_reason", None)
        features.append({**key, **PLAIN, **differs})
        segments.append({**key, "segment_id": 0 if not {**PLAIN, **differs}["clusterable"] else 1})
        if status:
            membership.append({**key, "status": status, "rule_holds": holds, "override_reason": reason})
    candidates = [
        {"month": month, "customer_id": name, "antecedent": one, "consequent": other, "money": money}
        for name, (one, other, money) in CANDIDATES.items()
        for month in (MONTH, dt.date(2024, 4, 1))
    ]
    return {
        "affinity_candidates": pa.Table.from_pylist(candidates, schema=AFFINITY_CANDIDATES.arrow_schema),
        "customer_features": pa.Table.from_pylist(features, schema=CUSTOMER_FEATURES.arrow_schema),
        "customer_segments": pa.Table.from_pylist(segments, schema=CUSTOMER_SEGMENTS.arrow_schema),
        "insiders_membership": pa.Table.from_pylist(membership, schema=INSIDERS_MEMBERSHIP.arrow_schema),
    }


def listed(engine: DuckDBEngine, action: Action) -> dict[str, float]:
    """Customer -> money, over all groups; the count of every group is checked on the way."""
    ask = engine.over(tables())
    found = {}
    for segment, state, customers, money in ask(counting(action, MONTH)):
        rows = ask(listing(action, MONTH, segment, state))
        assert len(rows) == customers
        assert sum(float(amount) for _, amount, *_ in rows) == pytest.approx(money)
        found |= {who: float(amount) for who, amount, *_ in rows}
    return found


def test_each_condition_holds_for_whom_it_says(engine: DuckDBEngine) -> None:
    found = {action.name: listed(engine, action) for action in actions_of(12, RULE, 0.8)}
    assert found == {
        "win_back": {"late": 10.0},
        "keep_in": {"in grace": 10.0},
        "bring_in": {"near": 10.0, "near, had left": 10.0},
        "recommend": {"plain": 7.5},
        "look_at_returns": {"sends back": 12.0},
        "second_visit": {"new": 120.0},
    }


def test_the_list_of_a_recommendation_says_what_to_recommend(engine: DuckDBEngine) -> None:
    (recommend,) = [action for action in actions_of(12, RULE, 0.8) if action.name == "recommend"]
    assert engine.over(tables())(listing(recommend, MONTH, 1, OUT)) == [("plain", 7.5, "a1", "it's")]


def test_an_action_is_told_in_english_and_in_portuguese() -> None:
    actions = actions_of(12, RULE, 0.825)
    rows = chosen([(action, [(place, OUT, 10, 1.0)]) for place, action in enumerate(actions)], MONTH)
    told = {row["action"]: row for row in map(with_words, rows)}
    assert MARKETING_ACTIONS.validate(pd.DataFrame([*told.values()])).num_rows == len(actions)
    assert told["win_back"]["action_pt"] == "Reconquistar: uma oferta com prazo, antes da perda"
    assert told["win_back"]["condition_en"] == (
        "active on 3 days or more, and no purchase for more than 2 times their own mean gap"
    )
    assert told["look_at_returns"]["condition_pt"] == "10% ou mais do que compraram voltou, 2 vezes ou mais"
    assert told["bring_in"]["condition_pt"] == "fora, com pelo menos 82% do que a regra pede"
    assert told["keep_in"]["money_en"] == "what they spend a month, on average over the window"
    assert told["keep_in"]["money_pt"] == "o que gastam por mês, em média, na janela"
    words = ("action", "condition", "money")
    assert not [row for row in told.values() for one in words if row[f"{one}_en"] == row[f"{one}_pt"]]


def test_without_a_rule_nobody_is_near_it() -> None:
    assert "bring_in" not in {action.name for action in actions_of(12, None, 0.8)}


def test_the_actions_with_most_money_are_chosen_and_none_for_a_handful() -> None:
    actions = actions_of(12, RULE, 0.8)
    counted = [(action, [(1, IN, 10, 100.0 * place), (2, OUT, 4, 1e6)]) for place, action in enumerate(actions)]
    counted[0][1].append((1, IN_GRACE, 5, 1.0))
    rows = chosen(counted, MONTH)
    assert [(row["segment_id"], row["state"], row["position"], row["money"]) for row in rows] == [
        (1, IN, 1, 500.0),
        (1, IN, 2, 400.0),
        (1, IN, 3, 300.0),
        (1, IN_GRACE, 1, 1.0),
    ]
    assert rows[0]["action"] == actions[5].name
