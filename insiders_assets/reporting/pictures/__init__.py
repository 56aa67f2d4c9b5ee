"""Pictures that matplotlib draws: of a comparison of spaces, and of the month's report.

Belongs here: the comparison's pictures (:mod:`.comparison`), the report's (:mod:`.month`, :mod:`.flows`,
:mod:`.segments`), and what they share (:mod:`.drawing`, :mod:`.labels`, :mod:`.axes`). Does not belong here: any
measure, or the small charts of Dagster's page, which :mod:`insiders_assets.reporting.charts` draws.
"""
