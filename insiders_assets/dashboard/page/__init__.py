"""The pages, one module each, with one function `show(choices)`.

Belongs here: what stands on a page. Does not belong here: how a table or tile looks (:mod:`..parts`).
"""
