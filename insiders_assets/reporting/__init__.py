"""From facts to documents: templates and lay-out.

Belongs here: how numbers look. Does not belong here: any number that is not a fact or a published row.
"""
