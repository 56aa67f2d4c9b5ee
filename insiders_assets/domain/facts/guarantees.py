"""Facts on what guarantees that the group is better, and on what a trial could show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from insiders_assets.contracts.guarantees import (
    ESTIMATORS,
    NEXT_MONTH,
    NEXT_MONTH_MEASURES,
    SAME_WINDOW,
    SAME_WINDOW_MEASURES,
)
from insiders_assets.domain.facts.fact import (
    COUNT,
    CURRENCY,
    CUSTOMERS,
    DAYS,
    INSIDERS,
    SHARE,
    Fact,
    Outline,
    one_row,
)
from insiders_assets.domain.messages import Message, say

ESTIMATOR_WORDS = {
    "raw": say("as it is"),
    "winsorised": say("the highest and lowest hundredth cut"),
    "cuped": say("less what the months before say (CUPED)"),
}
UNITS = {
    "gross_revenue": CURRENCY,
    "avg_ticket": CURRENCY,
    "recency_days": DAYS,
    "net_revenue": CURRENCY,
    "active": SHARE,
    "returned": SHARE,
}
MEASURES = {
    "gross_revenue": say("gross revenue in the window"),
    "avg_ticket": say("ticket"),
    "recency_days": say("days since the last purchase"),
    "net_revenue": say("net revenue of the month that followed"),
    "active": say("customers who bought in the month that followed"),
    "returned": say("customers with a credit note in the month that followed"),
}
NEXT_BAND = say("the next band")
GROUPS = (("member", INSIDERS), ("next", NEXT_BAND))
SOURCE, PLAN = "group_comparisons", "holdout_plan"
COUNTED, MEAN, MEDIAN, T = "len", "numpy.mean", "numpy.median", "scipy.stats.t"
U_TEST, SHAPIRO = "scipy.stats.mannwhitneyu", "scipy.stats.shapiro"
HOLM, DELTA = "guarantees.holm", "guarantees.cliffs_delta"
# BCa by scipy.stats.bootstrap, or Cliff's variance: the row says which.
INTERVAL = "guarantees.compare"
HOLDS_AT = 0.05
STATISTIC, P, EFFECT = "statistic", "p", "effect"


def guarantee_facts(outline: Outline) -> list[Fact]:
    """Both proofs and the plan of a trial."""
    return [*_same_window(outline.month), *_next_month(outline), *_plan(outline.month)]


def _same_window(month: dt.date) -> Iterator[Fact]:
    of_group = (
        ("customers", say("Compared on {measure}, {group}: customers"), CUSTOMERS, COUNTED),
        ("mean", say("Mean {measure}, {group}, as compared"), None, MEAN),
        ("median", say("Median {measure}, {group}, as compared"), None, MEDIAN),
        ("low", say("Lower end of the mean's 95 % interval, {measure}, {group}"), None, T),
        ("high", say("Upper end of the mean's 95 % interval, {measure}, {group}"), None, T),
        ("low_sample", say("Lower end of that interval with the sample's deviation, {measure}, {group}"), None, T),
        ("high_sample", say("Upper end of that interval with the sample's deviation, {measure}, {group}"), None, T),
        ("shapiro_w", say("Shapiro and Wilk's W of {measure}, {group}"), STATISTIC, SHAPIRO),
        ("shapiro_p", say("Shapiro and Wilk's p of {measure}, {group}"), P, SHAPIRO),
    )
    of_both = (
        ("u", say("Mann and Whitney's U of {measure}, Insiders against the next band"), STATISTIC, U_TEST),
        ("p", say("Two-sided p of that U, {measure}"), P, U_TEST),
        ("p_holm", say("The same after Holm, over the measures of this window, {measure}"), P, HOLM),
        ("delta", say("Cliff's delta of {measure}, Insiders against the next band"), EFFECT, DELTA),
        ("delta_low", say("Lower end of that delta's 95 % interval, {measure}"), EFFECT, INTERVAL),
        ("delta_high", say("Upper end of that delta's 95 % interval, {measure}"), EFFECT, INTERVAL),
    )
    for measure in SAME_WINDOW_MEASURES:
        key, where = f"same_window.{measure}", (month, SAME_WINDOW, measure, month)
        for group, who in GROUPS:
            for name, words, unit, function in of_group:
                said = say(words.template, measure=MEASURES[measure], group=who)
                over = None if unit else who
                column = f"{group}_{name}"
                yield _recorded(f"{key}.{column}", said, unit or UNITS[measure], where, column, function, over)
        for name, words, kind, function in of_both:
            said = say(words.template, measure=MEASURES[measure])
            yield _recorded(f"{key}.{name}", said, kind, where, name, function, None)


def _next_month(outline: Outline) -> Iterator[Fact]:
    counted = (
        ("origins", say("Months in which membership was fixed and that a month followed: {measure}"), "TRUE"),
        ("positive", say("Of them, months after which Insiders were ahead: {measure}"), "delta > 0"),
        (
            "hold",
            say("Of them, ahead beyond chance after Holm: {measure}"),
            f"delta > 0 AND p_holm < {HOLDS_AT}",
        ),
    )
    told = (
        ("member_mean", say("Insiders' mean, {measure} {origin}"), None, MEAN, INSIDERS),
        ("next_mean", say("The next band's mean, {measure} {origin}"), None, MEAN, NEXT_BAND),
        ("delta", say("Cliff's delta, {measure} {origin}"), EFFECT, DELTA, None),
        ("p_holm", say("p after Holm over the months, {measure} {origin}"), P, HOLM, None),
    )
    for measure in NEXT_MONTH_MEASURES:
        where = f"proof = '{NEXT_MONTH}' AND measure = '{measure}'"
        rows = one_row(SOURCE, outline.month, where)
        for name, words, condition in counted:
            said = say(words.template, measure=MEASURES[measure])
            value = f"count(CASE WHEN {condition} THEN 1 END)"
            yield Fact(f"next_month.{measure}.{name}", said, COUNT, SOURCE, value, rows)
        for origin in outline.origins:
            place = (outline.month, NEXT_MONTH, measure, origin)
            for name, words, unit, function, over in told:
                said = say(words.template, measure=MEASURES[measure], origin=origin)
                key = f"next_month.{measure}.{origin:%Y-%m}.{name}"
                yield _recorded(key, said, unit or UNITS[measure], place, name, function, over)


def _plan(month: dt.date) -> Iterator[Fact]:
    per_insider = say("mean net revenue per Insider")
    for estimator in ESTIMATORS:
        for name, words, unit, over in (
            ("customers", say("Insiders in both arms of the trial, {estimator}"), CUSTOMERS, None),
            ("held", say("Of them held out by the salted hash, {estimator}"), CUSTOMERS, None),
            ("held_share", say("Share to hold out, {estimator}"), SHARE, INSIDERS),
            ("sample_ratio_p", say("p of so many held out, {estimator}"), P, say("Insiders in both arms")),
            ("mean", say("Mean net revenue of the month per Insider, {estimator}"), CURRENCY, INSIDERS),
            ("detectable", say("Smallest difference found four times out of five, {estimator}"), CURRENCY, None),
            ("detectable_share", say("The same as a share of the mean, {estimator}"), SHARE, per_insider),
            ("wanted_share", say("Effect that is wanted, {estimator}"), SHARE, per_insider),
            (
                "customers_needed",
                say("Customers in both arms to find the effect that is wanted, {estimator}"),
                CUSTOMERS,
                None,
            ),
        ):
            rows = one_row(PLAN, month, f"estimator = '{estimator}'")
            said = say(words.template, estimator=ESTIMATOR_WORDS[estimator])
            yield Fact(f"trial.{estimator}.{name}", said, unit, PLAN, name, rows, over, "holdout.plan")


def _recorded(
    key: str,
    words: Message,
    unit: str,
    where: tuple[dt.date, str, str, dt.date],
    column: str,
    function: str,
    over: Message | None,
) -> Fact:
    """A fact that a comparison recorded. `where`: its month, proof, measure and origin."""
    month, proof, measure, origin = where
    rows = one_row(SOURCE, month, f"proof = '{proof}' AND measure = '{measure}' AND origin = DATE '{origin}'")
    return Fact(key, words, unit, SOURCE, column, rows, over, function)
