"""The tables that Insiders promises, one module per stage; :mod:`.table` holds what a table is.

Belongs here: names, types, keys, checks and the words an analyst reads. Does not belong here: how a table is made
(:mod:`insiders_assets.domain`), kept (:mod:`insiders_assets.storage`) or shown.
"""
