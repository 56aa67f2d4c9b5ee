"""The forms in which a document is written: HTML, Markdown, PDF.

Belongs here: how a piece of a document looks in a form, and escaping what others wrote. Does not belong here: what is
said (:mod:`insiders_assets.reporting.content`).
"""
