"""What a made-up shop is like: months, customers, seasons, closures and shares of dirt, validated.

Belongs here: the knobs and their checks, and the demonstration's choice of them. Does not belong here: what is made of
them. Defaults follow the UCI Online Retail set (id 352, Chen 2015) where it has a figure.
"""

import dataclasses
import datetime as dt
import math
from dataclasses import dataclass

from insiders_assets.errors import InputError

MonthDay = tuple[int, int]
FEWEST_ARTICLES = 30
MOST_LINES_PER_INVOICE = 1000


def refuse(problem: str, remedy: str) -> InputError:
    """Build the error for a parameter that no shop can have."""
    return InputError(f"The sample shop cannot be made: {problem}.", remedy)


@dataclass(frozen=True)
class DirtShares:
    """How much of each kind of dirt, as a share (0-1) of the month's lines unless the text says otherwise.

    guests: lines without a customer. credit_notes: lines that take back an earlier purchase. bad_debts: lines of an
    invoice with an A, negative price. zero_prices: stock adjustments at price 0. tiny_prices: prices from .001 to .03.
    duplicates: exact repeats within an invoice, or as many as come by chance. services: codes that are no article
    (POST, D, M, ...). doubtful_countries: share of customers in `European Community` or `Unspecified` (from 50
    customers on, at least one of each). missing_descriptions: lines. noisy_descriptions: share of articles whose text
    has quotes, commas or non-ASCII. large_orders: number (not share) of very large orders cancelled twelve minutes
    later, each by a customer of its own. The last four stand in CSV files only, as extra lines that cannot be read.
    """

    guests: float = 0.25
    credit_notes: float = 0.017
    bad_debts: float = 0.00005
    zero_prices: float = 0.0046
    tiny_prices: float = 0.0003
    duplicates: float = 0.01
    services: float = 0.005
    doubtful_countries: float = 0.001
    missing_descriptions: float = 0.002
    noisy_descriptions: float = 0.05
    large_orders: int = 1
    unparsable_dates: float = 0.0002
    text_quantities: float = 0.0002
    missing_numbers: float = 0.0001
    wrong_field_counts: float = 0.0001

    def __post_init__(self) -> None:
        """Refuse shares that are no shares, or that leave no shop under the dirt."""
        for name, highest in self._highest().items():
            value = getattr(self, name)
            if not 0 <= value <= highest:
                raise refuse(f"the share of dirt {name} is {value}", f"Give a share from 0 to {highest}.")
        if self.large_orders < 0 or self.large_orders != int(self.large_orders):
            raise refuse(f"large_orders is {self.large_orders}", "Give a whole number, 0 or more.")

    @staticmethod
    def _highest() -> dict[str, float]:
        """Highest value of each share: beyond it the shop would be all dirt, or a file would be refused as a whole."""
        shares = {field.name: 0.2 for field in dataclasses.fields(DirtShares) if field.name != "large_orders"}
        unreadable = ("unparsable_dates", "text_quantities", "missing_numbers", "wrong_field_counts")
        return shares | dict.fromkeys(unreadable, 0.01) | {"guests": 0.9, "noisy_descriptions": 1.0}

    @classmethod
    def none(cls) -> "DirtShares":
        """Return shares of a shop without any dirt."""
        return cls(**{field.name: 0 for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class ShopParameters:
    """One made-up shop; equal parameters give equal bytes.

    first_month, months: the calendar months of the shop; `last_day` (within the last month) makes that one incomplete.
    customers: people who ever belong to it; a few established ones may never buy within the months.
    seed: 0 or more. lines_per_invoice: mean of identified customers; guests have twice as many. articles: assortment.
    invoices_per_month: mean rate of a customer who comes back, before seasons. one_time_share: of those who arrive, who
    buy once (a share of everybody would mean another shop with every number of months).
    lifetime_months: mean time until a customer leaves. ticket_spread, rate_shape: the heavy tail, as standard deviation
    of the log ticket level and as shape of the gamma distribution of rates.
    growth: change of level per month (.01 = 1 %). seasonality: factors from January to December, used as given.
    promotion_months: first days of months whose rates are multiplied by `promotion_lift`. trend_break: (first day of a
    month, factor on all rates from it on). closed_weekdays: 0 = Monday ... 6 = Sunday. closed_periods: pairs of (month,
    day), both inclusive, that may pass the turn of the year.
    """

    first_month: dt.date
    months: int
    customers: int
    seed: int = 0
    lines_per_invoice: float = 8.0
    articles: int = 1500
    # Rate and lifetime: of the customers of UCI 352 in its twelve whole months 36 % have one invoice, and of those of
    # the first half year 69.5 % are there in the second. With .5 and 18 months it was 48 % and 49.7 %; now it is 35 %
    # and 69.5 %.
    invoices_per_month: float = 0.33
    one_time_share: float = 0.35
    lifetime_months: float = 48.0
    ticket_spread: float = 0.65
    rate_shape: float = 1.0
    growth: float = 0.005
    seasonality: tuple[float, ...] = (0.9, 0.88, 0.94, 0.92, 0.98, 0.96, 0.92, 0.94, 1.08, 1.2, 1.45, 1.4)
    promotion_months: tuple[dt.date, ...] = ()
    promotion_lift: float = 1.4
    trend_break: tuple[dt.date, float] | None = None
    closed_weekdays: tuple[int, ...] = (5,)
    closed_periods: tuple[tuple[MonthDay, MonthDay], ...] = (((12, 24), (1, 3)),)
    last_day: dt.date | None = None
    dirt: DirtShares = DirtShares()

    def __post_init__(self) -> None:
        """Refuse what no shop can be, with the parameter's name and what to give instead."""
        _check_counts(self)
        _check_factors(self)
        _check_calendar(self)


def month_starts(parameters: ShopParameters) -> list[dt.date]:
    """Return the first day of each month of the shop, oldest first."""
    first = parameters.first_month.year * 12 + parameters.first_month.month - 1
    return [dt.date(index // 12, index % 12 + 1, 1) for index in range(first, first + parameters.months)]


def month_after(month: dt.date) -> dt.date:
    """Return the first day of the next month."""
    return dt.date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _check_counts(given: ShopParameters) -> None:
    lowest = {"months": 1, "customers": 1, "seed": 0, "articles": FEWEST_ARTICLES}
    for name, least in lowest.items():
        value = getattr(given, name)
        if isinstance(value, bool) or value != int(value) or value < least:
            raise refuse(f"{name} is {value}", f"Give a whole number, {least} or more.")
    if not 1 <= given.lines_per_invoice <= MOST_LINES_PER_INVOICE:
        raise refuse(f"lines_per_invoice is {given.lines_per_invoice}", f"Give 1 to {MOST_LINES_PER_INVOICE}.")


def _check_factors(given: ShopParameters) -> None:
    positive = ("invoices_per_month", "lifetime_months", "rate_shape", "promotion_lift")
    for name in positive:
        if not 0 < getattr(given, name) < math.inf:
            raise refuse(f"{name} is {getattr(given, name)}", "Give a number above 0.")
    if not 0 <= given.one_time_share <= 1:
        raise refuse(f"one_time_share is {given.one_time_share}", "Give a share from 0 to 1.")
    if not 0 <= given.ticket_spread <= 3:
        raise refuse(f"ticket_spread is {given.ticket_spread}", "Give a number from 0 to 3.")
    if not -0.5 <= given.growth <= 0.5:
        raise refuse(f"growth is {given.growth}", "Give a change per month from -.5 to .5, for example .01.")
    if len(given.seasonality) != 12 or not all(0 <= factor < math.inf for factor in given.seasonality):
        raise refuse(f"seasonality is {given.seasonality}", "Give twelve factors, January to December, 0 or more.")
    if given.trend_break is not None and not 0 <= given.trend_break[1] < math.inf:
        raise refuse(f"trend_break has the factor {given.trend_break[1]}", "Give a factor of 0 or more.")


def _check_calendar(given: ShopParameters) -> None:
    breaks = () if given.trend_break is None else (given.trend_break[0],)
    for month in (given.first_month, *given.promotion_months, *breaks):
        if month.day != 1:
            raise refuse(f"{month} is not the first day of a month", f"Give {month.replace(day=1)}.")
    if given.first_month.year + given.months / 12 > 9999:
        raise refuse(f"{given.months} months from {given.first_month} pass the year 9999", "Give fewer months.")
    if not set(given.closed_weekdays) <= set(range(7)):
        raise refuse(f"closed_weekdays is {given.closed_weekdays}", "Give numbers from 0 (Monday) to 6 (Sunday).")
    for month, day in (edge for period in given.closed_periods for edge in period):
        try:
            dt.date(2000, month, day)  # a leap year, so that 29 February may be given
        except ValueError:
            raise refuse(f"closed_periods has month {month}, day {day}", "Give (month, day) of the calendar.") from None
    last_month = month_starts(given)[-1]
    if given.last_day is not None and not last_month <= given.last_day < month_after(last_month):
        raise refuse(f"last_day {given.last_day} is outside the last month", f"Give a day in {last_month:%Y-%m}.")


# The seed is one of those whose shares of dirt come near the stated ones even in so small a shop.
DEMO = ShopParameters(first_month=dt.date(2024, 1, 1), months=15, customers=1100, seed=3)
