"""Facts on what guarantees that the group is better, and on what a trial could show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from insiders_assets.contracts.guarantees import (
    ESTIMATORS,
    NEXT_MONTH,
    NEXT_MONTH_MEASURES,
    SAME_WINDOW,
    SAME_WINDOW_MEASURES,
)
from insiders_assets.domain.facts.fact import Fact

UNITS = {
    "gross_revenue": "currency",
    "avg_ticket": "currency",
    "recency_days": "days",
    "net_revenue": "currency",
    "active": "share",
    "returned": "share",
}
MEASURES = {
    "gross_revenue": "gross revenue in the window",
    "avg_ticket": "ticket",
    "recency_days": "days since the last purchase",
    "net_revenue": "net revenue of the month that followed",
    "active": "customers who bought in the month that followed",
    "returned": "customers with a credit note in the month that followed",
}
GROUPS = (("member", "Insiders"), ("next", "the next band"))
COUNT, MEAN, MEDIAN, T = "len", "numpy.mean", "numpy.median", "scipy.stats.t"
U_TEST, SHAPIRO = "scipy.stats.mannwhitneyu", "scipy.stats.shapiro"
HOLM, DELTA = "guarantees.holm", "guarantees.cliffs_delta"
# BCa by scipy.stats.bootstrap, or Cliff's variance: the row says which.
INTERVAL = "guarantees.compare"
HOLDS_AT = 0.05


def guarantee_facts(month: dt.date, origins: Sequence[dt.date]) -> list[Fact]:
    """Both proofs and the plan: `origins` are the months before this one whose members are compared."""
    return [*_same_window(month), *_next_month(month, origins), *_plan(month)]


def _same_window(month: dt.date) -> Iterator[Fact]:
    for measure in SAME_WINDOW_MEASURES:
        words, unit = MEASURES[measure], UNITS[measure]

        def fact(
            name: str, description: str, kind: str, function: str, over: str | None = None, measure: str = measure
        ) -> Fact:
            where = (month, SAME_WINDOW, measure, month)
            return _recorded(f"same_window.{measure}.{name}", description, kind, where, name, function, over)

        for group, who in GROUPS:
            yield fact(f"{group}_customers", f"{who.capitalize()} compared on {words}", "customers", COUNT)
            yield fact(f"{group}_mean", f"Mean {words}, {who}", unit, MEAN, who)
            yield fact(f"{group}_median", f"Median {words}, {who}", unit, MEDIAN, who)
            yield fact(f"{group}_low", f"Lower end of the mean's 95 % interval, {words}, {who}", unit, T, who)
            yield fact(f"{group}_high", f"Upper end of the mean's 95 % interval, {words}, {who}", unit, T, who)
            yield fact(f"{group}_shapiro_w", f"Shapiro and Wilk's W of {words}, {who}", "statistic", SHAPIRO)
            yield fact(f"{group}_shapiro_p", f"Its p, {words}, {who}", "p", SHAPIRO)
        yield fact("u", f"Mann and Whitney's U of {words}, Insiders against the next band", "statistic", U_TEST)
        yield fact("p", f"Its two-sided p, {words}", "p", U_TEST)
        yield fact("p_holm", f"The same after Holm, over the measures of this window, {words}", "p", HOLM)
        yield fact("delta", f"Cliff's delta of {words}, Insiders against the next band", "effect", DELTA)
        yield fact("delta_low", f"Lower end of its 95 % interval, {words}", "effect", INTERVAL)
        yield fact("delta_high", f"Upper end of its 95 % interval, {words}", "effect", INTERVAL)


def _next_month(month: dt.date, origins: Sequence[dt.date]) -> Iterator[Fact]:
    source = "group_comparisons"
    for measure in NEXT_MONTH_MEASURES:
        where = f"month = DATE '{month}' AND proof = '{NEXT_MONTH}' AND measure = '{measure}'"
        for name, words, condition in (
            ("origins", "Months in which membership was fixed and that a month followed", "TRUE"),
            ("positive", "Of them, months after which Insiders were ahead", "delta > 0"),
            ("hold", "Of them, ahead beyond chance after Holm", f"delta > 0 AND p_holm < {HOLDS_AT}"),
        ):
            sql = f"SELECT count(*) FROM insiders.{source} WHERE {where} AND {condition}"
            yield Fact(f"next_month.{measure}.{name}", f"{words}: {MEASURES[measure]}", "count", source, sql)
        for origin in origins:
            key = f"next_month.{measure}.{origin:%Y-%m}"
            told = f"{MEASURES[measure]} {origin:%Y-%m}"
            for name, description, unit, function, over in (
                ("member_mean", f"Insiders' mean, {told}", UNITS[measure], MEAN, "Insiders"),
                ("next_mean", f"The next band's mean, {told}", UNITS[measure], MEAN, "the next band"),
                ("delta", f"Cliff's delta, {told}", "effect", DELTA, None),
                ("p_holm", f"p after Holm over the months, {told}", "p", HOLM, None),
            ):
                place = (month, NEXT_MONTH, measure, origin)
                yield _recorded(f"{key}.{name}", description, unit, place, name, function, over)


def _plan(month: dt.date) -> Iterator[Fact]:
    source = "holdout_plan"
    for estimator in ESTIMATORS:
        for name, description, unit, denominator in (
            ("customers", "Insiders in both arms of the trial", "customers", None),
            ("held", "Of them held out by the salted hash", "customers", None),
            ("held_share", "Share to hold out", "share", "Insiders"),
            ("sample_ratio_p", "p of so many held out", "p", "Insiders in both arms"),
            ("mean", "Mean net revenue of the month, per Insider", "currency", "Insiders"),
            ("detectable", "Smallest difference found four times out of five", "currency", None),
            ("detectable_share", "The same as a share of the mean", "share", "mean net revenue per Insider"),
            ("wanted_share", "Effect that is wanted", "share", "mean net revenue per Insider"),
            ("customers_needed", "Customers in both arms to find the effect that is wanted", "customers", None),
        ):
            sql = f"SELECT {name} FROM insiders.{source} WHERE month = DATE '{month}' AND estimator = '{estimator}'"
            words = f"{description}, {estimator}"
            yield Fact(f"trial.{estimator}.{name}", words, unit, source, sql, denominator)


def _recorded(
    key: str,
    description: str,
    unit: str,
    where: tuple[dt.date, str, str, dt.date],
    column: str,
    function: str,
    over: str | None,
) -> Fact:
    """A fact that a comparison recorded. `where`: its month, proof, measure and origin."""
    month, proof, measure, origin = where
    sql = (
        f"SELECT {column}, '{function}', library, seed FROM insiders.group_comparisons WHERE month = DATE '{month}' "
        f"AND proof = '{proof}' AND measure = '{measure}' AND origin = DATE '{origin}'"
    )
    return Fact(key, description, unit, "group_comparisons", sql, over, recorded=True)
