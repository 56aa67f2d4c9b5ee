"""How the documents of a month come out of its tables: what there is to tell of, the texts beside the facts, pictures.

Belongs here: reading tables for :mod:`insiders_assets.reporting`, which knows none. Does not belong here: any sentence
or shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Month
from insiders_assets.assets.programme_history import rule_of
from insiders_assets.assets.report_drawings import Shown, pictures_of
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP, PROVISIONAL
from insiders_assets.domain.facts import Fact, Outline
from insiders_assets.domain.restatement import Restatement
from insiders_assets.partitions import month_of
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.reporting.content import Matter

# So many customers near the door are shown by name; the query beside them lists all.
MOST_NAMED = 12


def rows_for_facts(month: Month, handle: Dataset) -> pa.Table:
    """The rows of a table that facts are asked of. Of the many earlier months of membership only what tells how many
    were in, came and went: a million customers, for years, would not fit otherwise."""
    if handle.table.name != INSIDERS_MEMBERSHIP.name:
        return handle.arrow()
    told = ["month", "status", "status_before", "event"]
    earlier = [scope for scope in handle.scopes if scope < month.key]
    parts = [handle.only(month.key).arrow([*told, "customer_id", "months_short", "rule_holds", "override_reason"])]
    if earlier:
        parts.append(handle.only(*earlier).arrow(told))
    return pa.concat_tables(parts, promote_options="default")


def outline_of(month: Month, inputs: Mapping[str, Dataset], ask: Callable[[str], list[tuple]]) -> Outline:
    """What the month has to tell of. `ask`: answers SQL over its tables."""
    from insiders_assets.domain.facts.fact import over_features
    from insiders_assets.domain.facts.forecast import MODELS
    from insiders_assets.domain.facts.programme import ENTERING, LEAVING, doors

    segments, membership = inputs["customer_segments"], inputs["insiders_membership"]
    ranks = {row["segment_id"]: row["cluster_rank"] for row in inputs["segment_profiles"].arrow().to_pylist()}
    comparisons = inputs["group_comparisons"].arrow(["origin"])["origin"].to_pylist()
    forecasts = inputs["revenue_forecast"].arrow(["model", "grain", "period_start"]).to_pylist()
    forecast_models = {row["model"] for row in forecasts}
    outline = Outline(
        month=month.first_day,
        window=tuple(month_of(scope) for scope in inputs["month_totals"].scopes),
        months=tuple(month_of(scope) for scope in membership.scopes),
        origins=tuple(sorted(set(comparisons) - {month.first_day})),
        segments=tuple(sorted(ranks, key=lambda one: (ranks[one] is None, ranks[one]))),
        segments_before=tuple(
            one for scope in segments.scopes if scope < month.key for one in _ids(segments.only(scope), ranks)
        ),
        policies=tuple(inputs["membership_policies"].arrow(["policy"])["policy"].to_pylist()),
        models=tuple(model for model in MODELS if model in forecast_models),
        coming=tuple(sorted({row["period_start"] for row in forecasts if row["grain"] == "month"})),
        actions=tuple(
            (row["segment_id"], row["state"], row["action"]) for row in inputs["marketing_actions"].arrow().to_pylist()
        ),
        rule=rule_of(membership.only(month.key)),
        leave_share=month.platform.settings.programme_leave_share,
    )

    def shown(side: str, first: str) -> tuple[str, ...]:
        where = doors(outline).get(side)
        if where is None:
            return ()
        order = f"ORDER BY {first}f.gross_revenue DESC, f.customer_id LIMIT {MOST_NAMED}"
        return tuple(row[0] for row in ask(f"SELECT f.customer_id {over_features(month.first_day, where)} {order}"))

    return replace(outline, leaving=shown(LEAVING, "m.months_short DESC, "), entering=shown(ENTERING, ""))


def _ids(segments: Dataset, ranks: Mapping[int, int | None]) -> list[int]:
    """The segments of a month, in the order of another month's ranks; those that it has no longer at the end."""
    found = pc.unique(segments.arrow(["segment_id"])["segment_id"]).to_pylist()
    return sorted(found, key=lambda one: (ranks.get(one) is None, ranks.get(one) or 0, -one))


def matter_of(
    month: Month,
    outline: Outline,
    facts: Sequence[Fact],
    rows: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Dataset],
    moved: Restatement | None,
) -> Matter:
    """The facts, and the texts that tables keep beside them."""
    from insiders_assets.reporting.content import Matter

    cards = inputs["programme_rule"].arrow().to_pylist()
    standing = inputs["insiders_membership"].only(month.key).arrow(["rule_version", "status"])
    versions = standing["rule_version"].drop_null().slice(length=1).to_pylist()
    # What a provisional month goes by is that month's suggestion, and no rule in force.
    provisional = PROVISIONAL in pc.unique(standing["status"]).to_pylist()
    # Of a month without segments the actions are for who is in none.
    order = {segment: place for place, segment in enumerate(outline.segments)}
    quoted = [
        row
        for row in inputs["revenue_forecast"].arrow().to_pylist()
        if row["published"] and row["grain"] == "month" and row["horizon"] == 1
    ]
    return Matter(
        outline=outline,
        facts=facts,
        rows={row["key"]: row for row in rows},
        currency=month.platform.settings.currency,
        names=_names(inputs["customer_segments"]),
        profiles=inputs["segment_profiles"].arrow().to_pylist(),
        card=cards[0] if cards else None,
        version=versions[0] if versions and not provisional else "",
        actions=sorted(
            inputs["marketing_actions"].arrow().to_pylist(),
            key=lambda row: (order.get(row["segment_id"], len(order)), row["state"], row["position"]),
        ),
        moved=moved,
        published=quoted[0] if quoted else None,
    )


def _names(segments: Dataset) -> dict[int, Any]:
    from insiders_assets.domain.segment_names import NAMES_OF_OTHERS
    from insiders_assets.reporting.document import Quoted

    names = {one: Quoted.of(name) for one, name in NAMES_OF_OTHERS.items()}
    rows = segments.arrow(["segment_id", "segment_en", "segment_pt"])
    for row in rows.group_by(["segment_id", "segment_en", "segment_pt"]).aggregate([]).to_pylist():
        names.setdefault(row["segment_id"], Quoted.kept(row, "segment"))
    return names


def documents_of(matter: Matter, inputs: Mapping[str, Dataset]) -> dict[str, bytes]:
    """The report in every language and form, and the pictures of the Markdown's, by name of file."""
    from insiders_assets.reporting.content import report
    from insiders_assets.reporting.document import Teller
    from insiders_assets.reporting.files import HTML, MARKDOWN, PDF, file_of, picture_file
    from insiders_assets.reporting.forms.html import as_html
    from insiders_assets.reporting.forms.markdown import as_markdown
    from insiders_assets.reporting.forms.pdf import as_pdf
    from insiders_assets.reporting.language import ENGLISH, LANGUAGES, Language

    tellers = {code: Teller(Language(code), matter.rows, matter.currency) for code in LANGUAGES}
    shown = Shown(matter, inputs)
    drawn = {code: pictures_of(shown, teller) for code, teller in tellers.items()}
    # What there is to show does not hang on the language.
    document = report(replace(matter, pictures=tuple(drawn[ENGLISH])))
    files: dict[str, bytes] = {}
    for code, teller in tellers.items():
        pictures = drawn[code]
        named = {name: picture_file(matter.month, code, name, content) for name, content in pictures.items()}
        files |= {named[name]: content for name, content in pictures.items()}
        files[file_of(matter.month, code, HTML)] = as_html(document, teller, pictures).encode()
        files[file_of(matter.month, code, MARKDOWN)] = as_markdown(document, teller, named.__getitem__).encode()
        files[file_of(matter.month, code, PDF)] = as_pdf(document, teller, pictures)
    return files
