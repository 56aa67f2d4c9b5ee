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
from insiders_assets.domain.messages import Message, Numeral, say
from insiders_assets.domain.rules import Rule

MOST_PER_GROUP = 3
FEWEST_CUSTOMERS = 5
# Twice the own mean gap without a purchase; three dates at least, or there is no gap to speak of.
LATE, FEWEST_DATES = 2, 3
# A tenth of what was bought came back, more than once.
MUCH_RETURNED, FEWEST_RETURNS = 0.10, 2

_IS_OUT = f"coalesce(m.status, '{OUT}') NOT IN {INSIDE_SQL}"
# Whom a person has excluded is nobody's target.
NOT_EXCLUDED = f"NOT (m.override_reason IS NOT NULL AND {_IS_OUT})"
STATE = f"CASE WHEN m.status = '{GRACE}' THEN '{IN_GRACE}' WHEN m.status IN {INSIDE_SQL} THEN '{IN}' ELSE '{OUT}' END"
FROM = (
    "FROM insiders.customer_features f "
    "JOIN insiders.customer_segments s ON s.month = f.month AND s.customer_id = f.customer_id "
    "LEFT JOIN insiders.insiders_membership m ON m.month = f.month AND m.customer_id = f.customer_id"
)


# One pair of articles for each customer at most, so that nobody is counted twice.
FROM_CANDIDATES = "JOIN insiders.affinity_candidates a ON a.month = f.month AND a.customer_id = f.customer_id"
A_MONTH = say("what they spend a month, on average over the window")


@dataclass(frozen=True)
class Action:
    """An action: what to do, for whom, and what its money is, in words; the same in SQL.

    where, money: over customer_features (f), customer_segments (s), insiders_membership (m) and what is `joined`.
    listed: further columns of the list, which it takes to act.
    """

    name: str
    action: Message
    condition: Message
    money_is: Message
    where: str
    money: str
    joined: str = ""
    listed: str = ""


def actions_of(months_in_window: int, rule: Rule | None, leave_share: float) -> list[Action]:
    """The actions that a month can choose from. `rule`: in force, or None where the programme goes by rank;
    `leave_share`: how much of it a customer has to have to count as near."""
    monthly = f"f.gross_revenue / {months_in_window}"
    near = [_near(rule, leave_share, monthly)] if rule else []
    return [
        Action(
            "win_back",
            say("Win back: an offer with a date, before they are lost"),
            say(
                "active on {days} days or more, and no purchase for more than {times} times their own mean gap",
                days=Numeral(FEWEST_DATES),
                times=Numeral(LATE),
            ),
            A_MONTH,
            f"f.activity_dates >= {FEWEST_DATES} AND f.recency_days > {LATE} * f.avg_recency_days",
            monthly,
        ),
        Action(
            "keep_in",
            say("Tell them what they lack to stay"),
            say("in grace: the rule in force does not hold for them"),
            A_MONTH,
            f"m.status = '{GRACE}'",
            monthly,
        ),
        *near,
        Action(
            "recommend",
            say("Recommend the article that goes with what they have"),
            say("bought one article of a pair that the same customers buy, and never the other one in the window"),
            say("the share of such customers who came to buy it by themselves, times what its buyers spend on it"),
            "a.money > 0",
            "a.money",
            FROM_CANDIDATES,
            "a.antecedent, a.consequent",
        ),
        Action(
            "look_at_returns",
            say("Ask what was wrong, and look at the articles"),
            say(
                "{share} or more of what they bought came back, {times} times or more",
                share=Numeral(f"{MUCH_RETURNED:.0%}"),
                times=Numeral(FEWEST_RETURNS),
            ),
            say("what they sent back in the window"),
            f"f.returns_ratio >= {MUCH_RETURNED} AND f.number_returns >= {FEWEST_RETURNS}",
            "f.monetary_returns",
        ),
        Action(
            "second_visit",
            say("Invite to a second purchase"),
            say("bought on one day only, as lately as the more recent half of the clusterable customers"),
            say("what they spent on that day"),
            "f.purchases > 0 AND NOT f.clusterable AND f.recency_days <= (SELECT percentile_cont(0.5) WITHIN GROUP "
            "(ORDER BY c.recency_days) FROM insiders.customer_features c WHERE c.month = f.month AND c.clusterable)",
            "f.gross_revenue",
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
    columns = ", ".join(filter(None, ("f.customer_id", f"{action.money} AS money", action.listed)))
    return (
        f"SELECT {columns} {_whom(action, month)} "
        f"AND s.segment_id = {segment} AND {STATE} = '{state}' ORDER BY money DESC, f.customer_id"
    )


def chosen(
    counted: Iterable[tuple[Action, Sequence[tuple[int, str, int, float]]]], month: dt.date
) -> list[dict[str, Any]]:
    """Rows of MARKETING_ACTIONS, their words as messages under `words`: of each segment and state the MOST_PER_GROUP
    actions with the most money, none with fewer than FEWEST_CUSTOMERS. `counted`: each action with the rows of
    :func:`counting`."""
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
            "words": {"action": action.action, "condition": action.condition, "money": action.money_is},
            "list_sql": listing(action, month, segment, state),
        }
        for (segment, state), found in sorted(groups.items())
        for position, (money, customers, action) in enumerate(
            sorted(found, key=lambda one: (-one[0], one[2].name))[:MOST_PER_GROUP], start=1
        )
    ]


def _whom(action: Action, month: dt.date) -> str:
    """From which tables, and where: the customers of a month for whom an action's condition holds."""
    return f"{FROM} {action.joined} WHERE f.month = DATE '{month}' AND {NOT_EXCLUDED} AND {action.where}"


def _near(rule: Rule, leave_share: float, monthly: str) -> Action:
    return Action(
        "bring_in",
        say("Tell them what is missing to come in"),
        say("out, with at least {share} of what the rule asks for", share=Numeral(f"{leave_share:.0%}")),
        A_MONTH,
        near_to_enter(rule, leave_share),
        monthly,
    )


def near_to_enter(rule: Rule, leave_share: float) -> str:
    """SQL over customer_features (f) and insiders_membership (m): who is out with a share of what the rule asks for."""
    return f"f.clusterable AND {_IS_OUT} AND NOT coalesce(m.rule_holds, FALSE) AND ({rule.eased(leave_share, 'f')})"
