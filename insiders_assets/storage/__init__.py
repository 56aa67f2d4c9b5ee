"""The lake, the warehouse, and how they are kept: folders, S3, PostgreSQL, and the files that people bring.

Belongs here: reading and writing, whole or not at all. Does not belong here: any knowledge of customers, invoices or
segments; a table is known here only by its :class:`~insiders_assets.contracts.table.Table`.
"""
