"""Invoice lines of a month: overlapping files resolved, and the cleaning rules that say which lines count.

Belongs here: which lines a month has and which rule drops a line, as Ibis expressions and data. Does not belong here:
reading files (:mod:`.parsing`) or anything per customer (:mod:`.features`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from insiders_assets.errors import InputError

if TYPE_CHECKING:
    import ibis.expr.types as ir

CONTENT_NAMES = (
    "invoice_no",
    "stock_code",
    "description",
    "quantity",
    "invoiced_at",
    "unit_price",
    "line_amount",
    "customer_id",
    "country",
)
FEWEST_LINES_TO_JUDGE_A_RULE = 200


@dataclass(frozen=True)
class Profile:
    """Cleaning rules of a shop, in the order in which they are asked; the first that holds drops the line.

    A line without a customer is not dropped: it belongs to the guest bucket. Fields left None switch a rule off.
    `min_unit_price` is in the shop's currency. `holidays` is the public holiday calendar of the shop's country; it
    cleans nothing, so it is no part of the fingerprint.
    """

    name: str
    min_unit_price: float | None = None
    service_code_pattern: str | None = None
    not_countries: tuple[str, ...] = ()
    excluded_customers: tuple[str, ...] = ()
    holidays: str = field(default="", repr=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules, in order, as they stand in `dropped_by`."""
        return ("price_below_minimum", "service_code", "not_a_country", "excluded_customer")

    @property
    def fingerprint(self) -> str:
        """A short text that changes with any rule: months cleaned by other rules are due again."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


NEUTRAL = Profile("neutral", min_unit_price=0.0001)
UCI = Profile(
    "uci",
    min_unit_price=0.04,
    service_code_pattern=r"^[A-Za-z]+$",
    not_countries=("European Community", "Unspecified"),
    excluded_customers=("16446", "15749"),
    holidays="GB-ENG",
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (NEUTRAL, UCI)}


def with_excluded_customers(profile: Profile, customers: Sequence[str]) -> Profile:
    """The profile with a shop's own exclusion list instead of the built-in one."""
    return replace(profile, excluded_customers=tuple(customers))


def multiset_union(lines: ir.Table, file_rank: ir.Table) -> ir.Table:
    """Lines of a month from several files, each identical line as often as in the one file that has it most often.

    Parameters
    ----------
    lines: LANDED_LINES of one month from all live file versions.
    file_rank: columns source_file, rank; the files ordered by (first date, key). An occurrence belongs to the
        smallest file that has it, so the order of arrival has no influence.

    Returns
    -------
    The content and source columns, and `line_order` from 1: by owning file, then sheet, then line.
    """
    import ibis

    ranked = lines.join(file_rank, "source_file")
    in_file = ibis.window(group_by=[*CONTENT_NAMES, "source_file"], order_by=["source_sheet", "source_line"])
    counted = ranked.mutate(occurrence=ibis.row_number().over(in_file))
    among_files = ibis.window(group_by=[*CONTENT_NAMES, "occurrence"], order_by="rank")
    owned = counted.mutate(owner=ibis.row_number().over(among_files)).filter(lambda t: t.owner == 0)
    return _ordered(owned)


def single_file(lines: ir.Table) -> ir.Table:
    """What :func:`multiset_union` gives where only one live file has lines of the month, without its sorting."""
    import ibis

    return _ordered(lines.mutate(rank=ibis.literal(0)))


def lines_of_files(landed: ir.Table, raw: ir.Table, files: ir.Table, month: dt.date) -> ir.Table:
    """What became of each file's lines of a month (MONTH_FILES).

    Parameters
    ----------
    landed: LANDED_LINES of the month. raw: RAW_INVOICES of the month. files: one column, file_version.

    Notes
    -----
    An overlapping line is one that the file has and that counts as an earlier file's: landed minus owned.
    """
    import ibis

    def counted(lines: ir.Table, name: str) -> ir.Table:
        return lines.group_by("source_file").aggregate(
            **{f"{name}_lines": lines.count(), f"{name}_amount": lines.line_amount.sum()}
        )

    joined = files
    kept, dropped = raw.filter(raw.dropped_by.isnull()), raw.filter(raw.dropped_by.notnull())
    for lines, name in ((landed, "landed"), (kept, "kept"), (dropped, "dropped")):
        one = counted(lines, name)
        joined = joined.left_join(one, joined.file_version == one.source_file).drop("source_file")
    numbers = {
        f"{name}_{what}": joined[f"{name}_{what}"].fill_null(0).cast("int64" if what == "lines" else "decimal(18, 4)")
        for name in ("landed", "kept", "dropped")
        for what in ("lines", "amount")
    }
    filled = joined.mutate(month=ibis.literal(month), **numbers)
    return filled.mutate(
        **{
            f"overlapping_{what}": (filled[f"landed_{what}"] - filled[f"kept_{what}"] - filled[f"dropped_{what}"]).cast(
                "int64" if what == "lines" else "decimal(18, 4)"
            )
            for what in ("lines", "amount")
        }
    )


def overlap(landed: ir.Table) -> ir.Table:
    """Lines and money that several files have in common, in one row (lines, amount), without saying whose they are.

    Of each identical line a month keeps as many as the one file has that has most of them; the rest is overlap.
    """
    per_file = landed.group_by(*CONTENT_NAMES, "source_file").aggregate(n=landed.count())
    per_line = per_file.group_by(*CONTENT_NAMES).aggregate(surplus=per_file.n.sum() - per_file.n.max())
    money = per_line.surplus.cast("decimal(18, 0)") * per_line.line_amount
    return per_line.aggregate(
        lines=per_line.surplus.sum().fill_null(0).cast("int64"),
        amount=money.sum().fill_null(0).cast("decimal(18, 4)"),
    )


def _ordered(lines: ir.Table) -> ir.Table:
    import ibis

    by_file = ibis.window(order_by=["rank", "source_sheet", "source_line"])
    ordered = lines.mutate(line_order=(ibis.row_number().over(by_file) + 1).cast("int64"))
    return ordered.select("line_order", *CONTENT_NAMES, "source_file", "source_sheet", "source_line")


def with_dropping_rule(lines: ir.Table, profile: Profile) -> ir.Table:
    """The lines with `dropped_by`: the first rule of the profile that drops the line, null for a line that counts."""
    import ibis

    conditions: dict[str, ir.BooleanValue | None] = {
        "price_below_minimum": None
        if profile.min_unit_price is None
        else lines.unit_price < ibis.literal(str(profile.min_unit_price)).cast("decimal(18, 4)"),
        "service_code": None
        if profile.service_code_pattern is None
        else lines.stock_code.re_search(profile.service_code_pattern),
        "not_a_country": lines.country.isin(profile.not_countries) if profile.not_countries else None,
        "excluded_customer": lines.customer_id.isin(profile.excluded_customers) if profile.excluded_customers else None,
    }
    switched_on = [(rule, condition) for rule in profile.rules if (condition := conditions[rule]) is not None]
    branches = [(condition.fill_null(False), ibis.literal(rule)) for rule, condition in switched_on]
    dropped_by = ibis.cases(*branches, else_=ibis.null("string")) if branches else ibis.null("string")
    return lines.mutate(dropped_by=dropped_by)


def refuse_greedy_rules(lines_per_rule: Mapping[str, int], all_lines: int, month: str, max_share: float) -> None:
    """Stop where a cleaning rule would empty somebody's shop.

    Raises
    ------
    InputError: a rule drops more than `max_share` (0 to 1) of the month's lines. Months with fewer than 200 lines are
        not judged: a few postage lines would do it there.
    """
    if all_lines < FEWEST_LINES_TO_JUDGE_A_RULE:
        return
    for rule, lines in lines_per_rule.items():
        if lines > max_share * all_lines:
            raise InputError(
                f"The cleaning rule {rule} drops {lines:,} of the {all_lines:,} lines of {month} "
                f"({lines / all_lines:.0%}; at most {max_share:.0%} is expected).",
                "Choose another profile (INSIDERS_PROFILE), or allow it with INSIDERS_MAX_DROPPED_SHARE.",
            )


def choose_profile(wanted: str | None, layout_profiles: Sequence[str | None]) -> Profile:
    """The cleaning profile that was set, else `uci` where a landed file has that layout, else the neutral one.

    Raises
    ------
    InputError: there is no profile of that name.
    """
    name = wanted or ("uci" if "uci" in layout_profiles else "neutral")
    if name not in PROFILES:
        raise InputError(f"There is no cleaning profile {name!r}.", f"Set INSIDERS_PROFILE to {' or '.join(PROFILES)}.")
    return PROFILES[name]
