"""Asset checks: claims about a month that its page shows, beside the contract that every asset keeps.

Belongs here: claims that join several tables. Does not belong here: anything about one row (the contracts hold that).
"""
