"""Words for what tables keep as names.

Belongs here: statuses, events, families of features as a reader knows them. Does not belong here: sentences of a page.
"""

from insiders_assets.contracts.programme import EVENTS, GRACE, LEFT, MEMBER, OUTSIDE, PROVISIONAL
from insiders_assets.domain.messages import say

STATUS_WORDS = {
    OUTSIDE: say("outside"),
    PROVISIONAL: say("in, provisionally"),
    MEMBER: say("member"),
    GRACE: say("in, in grace"),
    LEFT: say("gone out"),
}
ENTER, EXIT, TO_GRACE, RETURN, OVERRIDE = EVENTS
EVENT_WORDS = {
    ENTER: say("came in"),
    EXIT: say("went out"),
    TO_GRACE: say("into grace"),
    RETURN: say("back from grace"),
    OVERRIDE: say("by a person's word"),
}
