"""The members as audience-sync tools read them: who is in, and who came in and went out.

Belongs here: views in those tools' column names. Does not belong here: statuses and reasons (:mod:`.programme`).
"""

from insiders_assets.contracts.programme import INSIDE_SQL
from insiders_assets.contracts.table import View

AUDIENCE = "insiders"
_LAST = "(SELECT max(month) FROM insiders.insiders_membership)"

AUDIENCE_MEMBERSHIPS = View(
    "audience_memberships",
    "Who is in at the end of the last month, those in grace among them.",
    f"""
    SELECT '{AUDIENCE}' AS audience_id, customer_id AS person_id
    FROM insiders.insiders_membership WHERE month = {_LAST} AND status IN {INSIDE_SQL}
    """,
)

AUDIENCE_EVENTS = View(
    "audience_events",
    "Who came in and who went out, once each, at the end of the month in which it was (00:00 of the day after); a "
    "change between provisional, member and grace is neither. Additions less removals are the change of the group.",
    f"""
    SELECT '{AUDIENCE}' AS audience_id, customer_id AS person_id,
           CASE WHEN status IN {INSIDE_SQL} THEN 'enter' ELSE 'exit' END AS event_type,
           CAST(month + INTERVAL '1 month' AS timestamp) AS timestamp
    FROM insiders.insiders_membership
    WHERE event IS NOT NULL AND (status IN {INSIDE_SQL}) <> (coalesce(status_before, 'outside') IN {INSIDE_SQL})
    """,
)
