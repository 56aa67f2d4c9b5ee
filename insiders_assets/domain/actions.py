"""What marketing can do: conditions on a month's customers, each with the money at stake and the list behind it.

Belongs here: which actions there are, for whom, and choosing among them. Does not belong here: running the SQL (the
asset does, over the lake; a reader can, on the warehouse).

A condition compares customers with themselves (their own rhythm, their own returns) or with the rule in force, never
with a number that suits one shop. The SQL keeps to what DuckDB and PostgreSQL both read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from insiders_assets.contracts.actions import IN, IN_GRACE, OUT
from insiders_assets.contracts.programme import GRACE, INSIDE_SQL
from insiders_assets.domain.rules import Condition, Rule

MOST_PER_GROUP = 3
FEWEST_CUSTOMERS = 5
# Twice the own mean gap without a purchase; three dates at least, or there is no gap to speak of.
LATE, FEWEST_DATES = 2, 3
# A tenth of what was bought came back, more than once.
MUCH_RETURNED, FEWEST_RETURNS = 0.10, 2

_IS_OUT = f"coalesce(m.status, '{OUT}') NOT IN {INSIDE_SQL}"
# Whom a person has excluded is nobody's target.
_NOT_EXCLUDED = f"NOT (m.override_reason IS NOT NULL AND {_IS_OUT})"
STATE = f"CASE WHEN m.status = '{GRACE}' THEN '{IN_GRACE}' WHEN m.status IN {INSIDE_SQL} THEN '{IN}' ELSE '{OUT}' END"
FROM = (
    "FROM insiders.customer_features f "
    "JOIN insiders.customer_segments s ON s.month = f.month AND s.customer_id = f.customer_id "
    "LEFT JOIN insiders.insiders_membership m ON m.month = f.month AND m.customer_id = f.customer_id"
)


@dataclass(frozen=True)
class Action:
    """An action. `where` and `money` are SQL over customer_features (f), customer_segments (s) and insiders_membership
    (m); `money_is` says what the money is."""

    name: str
    action: tuple[str, str]
    condition: tuple[str, str]
    where: str
    money: str
    money_is: str


def actions_of(months_in_window: int, rule: Rule | None, leave_share: float) -> list[Action]:
    """The actions that a month can choose from. `rule`: in force, or None where the programme goes by rank;
    `leave_share`: how much of it a customer has to have to count as near."""
    monthly = f"f.gross_revenue / {months_in_window}"
    a_month = "what they spend a month, on average over the window"
    near = [_near(rule, leave_share, monthly)] if rule else []
    return [
        Action(
            "win_back",
            (
                "Win back: an offer with a date, before they are lost",
                "Reconquistar: uma oferta com prazo, antes da perda",
            ),
            (
                f"active on {FEWEST_DATES} days or more, and no purchase for more than {LATE} times their own mean gap",
                f"ativos em {FEWEST_DATES} dias ou mais, e sem compra há mais de {LATE} vezes o seu intervalo médio",
            ),
            f"f.activity_dates >= {FEWEST_DATES} AND f.recency_days > {LATE} * f.avg_recency_days",
            monthly,
            a_month,
        ),
        Action(
            "keep_in",
            ("Tell them what they lack to stay", "Avisar o que falta para permanecer"),
            ("in grace: the rule in force does not hold for them", "em carência: a regra em vigor não vale para eles"),
            f"m.status = '{GRACE}'",
            monthly,
            a_month,
        ),
        *near,
        Action(
            "look_at_returns",
            ("Ask what was wrong, and look at the articles", "Perguntar o que houve e examinar os artigos"),
            (
                f"{MUCH_RETURNED:.0%} or more of what they bought came back, {FEWEST_RETURNS} times or more",
                f"{MUCH_RETURNED:.0%} ou mais do que compraram voltou, {FEWEST_RETURNS} vezes ou mais",
            ),
            f"f.returns_ratio >= {MUCH_RETURNED} AND f.number_returns >= {FEWEST_RETURNS}",
            "f.monetary_returns",
            "what they sent back in the window",
        ),
        Action(
            "second_visit",
            ("Invite to a second purchase", "Convidar para uma segunda compra"),
            (
                "bought on one day only, no longer ago than half of the clusterable customers",
                "compraram em um único dia, não há mais tempo que metade dos clientes agrupáveis",
            ),
            "f.purchases > 0 AND NOT f.clusterable AND f.recency_days <= (SELECT percentile_cont(0.5) WITHIN GROUP "
            "(ORDER BY c.recency_days) FROM insiders.customer_features c WHERE c.month = f.month AND c.clusterable)",
            "f.gross_revenue",
            "what they spent on that day",
        ),
    ]


def counting(action: Action, month: dt.date) -> str:
    """SQL: segment, state, customers and money of an action, a row per group."""
    return (
        f"SELECT s.segment_id, {STATE} AS state, count(*), CAST(sum({action.money}) AS double precision) "
        f"{_whom(action, month)} GROUP BY 1, 2"
    )


def listing(action: Action, month: dt.date, segment: int, state: str) -> str:
    """SQL: the customers of one group of an action, most money first."""
    return (
        f"SELECT f.customer_id, {action.money} AS money {_whom(action, month)} "
        f"AND s.segment_id = {segment} AND {STATE} = '{state}' ORDER BY money DESC, f.customer_id"
    )


def chosen(
    counted: Iterable[tuple[Action, Sequence[tuple[int, str, int, float]]]], month: dt.date
) -> list[dict[str, Any]]:
    """Rows of MARKETING_ACTIONS: of each segment and state the MOST_PER_GROUP actions with the most money, none with
    fewer than FEWEST_CUSTOMERS. `counted`: each action with the rows of :func:`counting`."""
    groups: dict[tuple[int, str], list[tuple[float, int, Action]]] = {}
    for action, rows in counted:
        for segment, state, customers, money in rows:
            if customers >= FEWEST_CUSTOMERS and money > 0:
                groups.setdefault((segment, state), []).append((float(money), int(customers), action))
    return [
        {
            "month": month,
            "segment_id": segment,
            "state": state,
            "action": action.name,
            "position": position,
            "customers": customers,
            "money": money,
            "money_is": action.money_is,
            "action_en": action.action[0],
            "action_pt": action.action[1],
            "condition_en": action.condition[0],
            "condition_pt": action.condition[1],
            "list_sql": listing(action, month, segment, state),
        }
        for (segment, state), found in sorted(groups.items())
        for position, (money, customers, action) in enumerate(
            sorted(found, key=lambda one: (-one[0], one[2].name))[:MOST_PER_GROUP], start=1
        )
    ]


def _whom(action: Action, month: dt.date) -> str:
    """From which tables, and where: the customers of a month for whom an action's condition holds."""
    return f"{FROM} WHERE f.month = DATE '{month}' AND {_NOT_EXCLUDED} AND {action.where}"


def _near(rule: Rule, leave_share: float, monthly: str) -> Action:
    kept = [Condition(f"f.{one.feature}", one.direction, one.kept(leave_share)) for one in rule.conditions]
    near = Rule(tuple(kept), rule.connective).sql
    share = f"{leave_share:.0%}"
    return Action(
        "bring_in",
        ("Tell them what is missing to come in", "Dizer o que falta para entrar"),
        (f"out, with at least {share} of what the rule asks for", f"fora, com pelo menos {share} do que a regra pede"),
        f"f.clusterable AND {_IS_OUT} AND NOT coalesce(m.rule_holds, FALSE) AND ({near})",
        monthly,
        "what they spend a month, on average over the window",
    )
