"""Pictures that matplotlib draws: of a comparison of spaces, and of the month's report.

Belongs here: a module for each document's pictures, and what they share (:mod:`.drawing`, :mod:`.labels`). Does not
belong here: any measure, or the small charts of Dagster's page, which :mod:`insiders_assets.reporting.charts` draws.
"""
