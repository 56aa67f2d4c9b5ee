"""What next month brings: the forecast of the members' net revenue, by model, day and month.

Belongs here: tables whose rows speak of days that have not come yet. Does not belong here: how a forecast is made or
measured (:mod:`insiders_assets.domain.forecasting`), and what was sold.
"""

from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table

REVENUE_FORECAST = Table(
    "revenue_forecast",
    "Net revenue (purchases less returns, in the shop's currency) that each model expects of those who are members at "
    "the end of the month's data: the rest of an unfinished month and the whole of the next one, by day and in total.",
    (
        Column(
            "month", DATE, "First day of the month at whose end, or last day of data, the forecast is made.", key=True
        ),
        Column(
            "model",
            TEXT,
            "network (seven-layer neural network), last_30_days (mean trading day of the last 30 days) or "
            "seasonal_naive (the same weekday 364 days before).",
            key=True,
            among=("network", "last_30_days", "seasonal_naive"),
        ),
        Column("grain", TEXT, "day: one day; month: a calendar month.", key=True, among=("day", "month")),
        Column("period_start", DATE, "First day of the period that the row speaks of.", key=True),
        Column("period_end", DATE, "Last day of that period."),
        Column("published", FLAG, "True for the model that is quoted: the first in the order above that can forecast."),
        Column(
            "net_revenue",
            REAL,
            "Expected net revenue of the whole period: what is already observed plus the forecast of its other days, "
            "in the shop's currency; empty where the model cannot forecast.",
            nullable=True,
            precision=2,
        ),
        Column(
            "lower",
            REAL,
            "Lower end of the interval of net_revenue; for months of the published model, empty without a backtest.",
            nullable=True,
            precision=2,
        ),
        Column("upper", REAL, "Upper end of that interval.", nullable=True, precision=2),
        Column(
            "interval_level",
            REAL,
            "Share of cases in which the interval should hold the outcome (0-1); empty where there is none.",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column(
            "days_forecast", WHOLE, "Calendar days of the period that are forecast, closed days included.", at_least=0
        ),
        Column("observed", REAL, "Net revenue of the period's days that are already in the data.", precision=2),
        Column("backtest_month", DATE, "Complete month on which the model was tested; months only.", nullable=True),
        Column(
            "backtest_actual",
            REAL,
            "What those who were members just before the backtest month brought in it.",
            nullable=True,
            precision=2,
        ),
        Column(
            "backtest_forecast",
            REAL,
            "What the model had said of it, seeing nothing after the day before that month.",
            nullable=True,
            precision=2,
        ),
        Column(
            "backtest_error",
            REAL,
            "Forecast less actual as a share of the size of the actual: .10 is 10 % too high; empty if it is 0.",
            nullable=True,
        ),
        Column(
            "measured_on",
            TEXT,
            "What backtest and interval were measured on, and what that leaves out, or why there is none; months only.",
            nullable=True,
        ),
        Column("note", TEXT, "Why the model cannot forecast, or what to know about its forecast.", nullable=True),
        *FOUND_BY,
    ),
)
