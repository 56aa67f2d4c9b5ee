"""The science: pure functions from tables to tables.

Belongs here: what the numbers mean. Does not belong here: Dagster, files, databases, the clock, the environment.
"""
