"""What the next months bring: what every model said, how far off it was, what is published.

Belongs here: tables whose rows speak of days that had not come yet. Does not belong here: how a forecast is made or
measured (:mod:`insiders_assets.domain.forecasting`), and what was sold.
"""

from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table

COMBINATION = "combination"
LEVELS = (50, 80, 95)  # of the intervals, in percent
GRAINS = ("day", "month")
BASES = CONFORMAL, STUDENT, NONE = "conformal", "student", "none"


def _money(name: str, description: str) -> Column:
    return Column(name, REAL, description, nullable=True, precision=2)


def _ends(measure: str, words: str) -> tuple[Column, ...]:
    """Both ends of the intervals of a measure: net_lower_80, net_upper_80, …"""
    return tuple(
        _money(f"{measure}_{end}_{level}", f"{end.capitalize()} end of the {level} % interval of {words}.")
        for level in LEVELS
        for end in ("lower", "upper")
    )


_GRAIN = Column("grain", TEXT, "day: one day; month: a calendar month.", key=True, among=GRAINS)
_SEASON_YEARS = Column(
    "season_years",
    WHOLE,
    "Whole years from which the shop's season is known; months only.",
    nullable=True,
    at_least=0,
)
_HORIZON = "Months from the month at whose end it was said: 0 is the rest of that month, where its data stop early."

FORECAST_ORIGINS = Table(
    "forecast_origins",
    "What every model says at the end of the month of those who are members then, once and for all: net and gross "
    "revenue in the shop's currency, by day and month, for the rest of an unfinished month and the next three.",
    (
        Column("month", DATE, "First day of the month at whose end, or last day of data, it is said.", key=True),
        Column("model", TEXT, "The model.", key=True),
        _GRAIN,
        Column("period_start", DATE, "First day that the row speaks of; the first one forecast.", key=True),
        Column("period_end", DATE, "Last day of that period."),
        Column("horizon", WHOLE, _HORIZON, at_least=0, at_most=3),
        _money("net_revenue", "Expected purchases less returns of the period; empty where the model cannot forecast."),
        _money("gross_revenue", "Expected purchases: net revenue and the group's usual share of returns."),
        Column("trading_days", WHOLE, "Days of the period on which the shop is expected to trade.", at_least=0),
        _SEASON_YEARS,
        _money("seeds_lowest", "The least that one of the model's seeds says; of models that draw, months only."),
        _money("seeds_highest", "The most that one of them says."),
        Column("note", TEXT, "Why the model cannot forecast, or what to know about its forecast.", nullable=True),
        *FOUND_BY,
    ),
)
FORECAST_BACKTEST = Table(
    "forecast_backtest",
    "How far off every model was, at every origin whose months are over: the members are those of the origin, and "
    "nothing after it was seen. The combination and the published model are as they would have been at that origin.",
    (
        Column("month", DATE, "First day of the month up to which origins and actual revenue are known.", key=True),
        Column("origin", DATE, "First day of the month at whose end the forecast was made.", key=True),
        Column("model", TEXT, "The model; combination: the weighted mean of all.", key=True),
        Column("horizon", WHOLE, _HORIZON, key=True, at_least=1, at_most=3),
        Column("target", DATE, "First day of the month that was forecast."),
        Column("published", FLAG, "True for the model that would have been quoted at the origin."),
        Column("net_forecast", REAL, "Net revenue that was expected of the month.", precision=2),
        Column("net_actual", REAL, "What those members brought in it.", precision=2),
        Column(
            "net_error",
            REAL,
            "Forecast less actual as a share of the size of the actual: .10 is 10 % too high; empty if that is 0.",
            nullable=True,
        ),
        Column("gross_forecast", REAL, "Gross revenue that was expected.", precision=2),
        Column("gross_actual", REAL, "Gross revenue that came.", precision=2),
        *_ends("net", "net revenue, from the model's errors known at the origin; of the published one as published"),
        *(
            Column(f"inside_{level}", FLAG, f"Whether the actual lay in the {level} % interval.", nullable=True)
            for level in LEVELS
        ),
    ),
)
REVENUE_FORECAST = Table(
    "revenue_forecast",
    "Revenue (in the shop's currency) that is expected of those who are members at the end of the month's data: the "
    "rest of an unfinished month and the next three, by every model in total, and by the published one also by day.",
    (
        Column(
            "month", DATE, "First day of the month at whose end, or last day of data, the forecast is made.", key=True
        ),
        Column(
            "model",
            TEXT,
            "The model; combination: the mean of the families of models, each corrected for its past errors and "
            "weighted by them.",
            key=True,
        ),
        _GRAIN,
        Column("period_start", DATE, "First day of the period that the row speaks of.", key=True),
        Column("period_end", DATE, "Last day of that period."),
        Column("horizon", WHOLE, _HORIZON, at_least=0, at_most=3),
        Column(
            "published",
            FLAG,
            "True for the model that is quoted: the combination, or the naive model that was better by the margin.",
        ),
        _money(
            "net_revenue",
            "Expected purchases less returns of the whole period: what is already in the data and the forecast of its "
            "other days; empty where the model cannot forecast.",
        ),
        _money("gross_revenue", "Expected purchases of the whole period."),
        *_ends("net", "net revenue; of the published model"),
        *_ends("gross", "gross revenue; of the published model, months only"),
        Column(
            "interval_basis",
            TEXT,
            "What the intervals rest on. conformal: quantiles of past errors (95 %: Student's t); student: so few "
            "errors that Student's t gives the 80 % too; none: too few for any. Of the published model.",
            nullable=True,
            among=BASES,
        ),
        Column("interval_origins", WHOLE, "Past origins whose errors they rest on.", nullable=True, at_least=0),
        Column("days_forecast", WHOLE, "Calendar days of the period that are forecast.", at_least=0),
        Column("trading_days", WHOLE, "Of them, days on which the shop is expected to trade.", at_least=0),
        _SEASON_YEARS,
        Column("observed", REAL, "Net revenue of the period's days that are already in the data.", precision=2),
        Column(
            "weight",
            REAL,
            "Weight in the combination; months of models that speak for a family.",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column(
            "correction",
            REAL,
            "Factor by which the combination corrects that model for what it was off by at past origins.",
            nullable=True,
        ),
        Column("origins", WHOLE, "Past origins at which the model's error at this horizon is known.", nullable=True),
        Column(
            "mean_error",
            REAL,
            "Mean size of these errors, each as a share of the size of the actual; empty without any.",
            nullable=True,
            at_least=0,
        ),
        Column("bias", REAL, "Mean of these errors with their sign: .10 is 10 % too high.", nullable=True),
        Column(
            "covered_80",
            REAL,
            "Share of past origins whose 80 % interval held the actual; of the published forecast, months only.",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column("note", TEXT, "Why the model cannot forecast, or what to know about its forecast.", nullable=True),
        *FOUND_BY,
    ),
)
