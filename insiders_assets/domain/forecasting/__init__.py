"""What the members will bring: the shop's calendar, the models, what they erred by, what is published.

Belongs here: the science of the forecast, from daily series to rows. Does not belong here: who is a member, reading
what they bought, and where things are kept. Nothing here is imported by another module of the domain.

A *daily series* is money a day, in the shop's currency, of those who are members at the origin: a DatetimeIndex without
gaps, 0 on days without sales. An *origin* is the last day that a model may see. A *horizon* counts months from it: 0 is
the rest of an unfinished month, 1 the month after the origin's.

The group is chosen by what it bought before the origin, so its past flatters it and every model inherits that. The
backtest, whose groups are fixed at their own origins, shows by how much.
"""
