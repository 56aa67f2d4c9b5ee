"""report_pictures [month]: the report's pictures, where pages find them."""

from __future__ import annotations

import base64

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.pages import PNG, REPORT_PICTURES
from insiders_assets.reporting.files import PICTURE_FORMS, picture_of
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REPORT_PICTURES,
        partitions=partitions,
        inputs={"insiders_report": None},
        group="pages",
        kinds={"postgres"},
    )
    def report_pictures(month: Month, insiders_report: Dataset) -> Made:
        """The pictures of the month's report in both languages, as the report has them: drawn once, shown often."""
        rows = []
        for file in insiders_report.versions[month.key].files:
            if file.endswith(PICTURE_FORMS):
                language, name, form = picture_of(file, month.first_day)
                drawn = insiders_report.file(file)
                content = base64.b64encode(drawn).decode() if form == PNG else drawn.decode()
                told = {"language": language, "picture": name, "form": form, "content": content}
                rows.append({"month": month.first_day, **told})
        return Made(rows or REPORT_PICTURES.empty(), metadata={"pictures": len(rows)})

    return report_pictures
