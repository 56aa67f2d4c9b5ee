"""BG/NBD and Gamma-Gamma: their expectations against published numbers and simulated buyers, and the whole of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.forecasting.buyers import (
    Buyers,
    bg_nbd,
    buyers_of,
    expected_purchases,
    expected_values,
    fit_bg_nbd,
)
from insiders_assets.domain.forecasting.calendar import StatedDays
from insiders_assets.domain.forecasting.history import History
from insiders_assets.domain.forecasting.outcome import CannotForecastError
from insiders_tests.domain.forecasting.histories import constant, known, members_sales, rhythm

# Fader, Hardie and Lee (2005), table 2: the CDNOW buyers, in weeks.
CDNOW = np.array([0.243, 4.414, 0.793, 2.426])
# Fader and Hardie (2013): the same buyers' spending.
CDNOW_SPENDING = {"p": 6.25, "q": 3.74, "scale": 15.44}


def buyer(repeats: float, last: float, age: float, spent: float = 1.0) -> Buyers:
    return Buyers(*(np.array([float(value)]) for value in (repeats, last, age, spent)))


def simulated(rates: np.ndarray, buyers: int, longest: float, ahead: float, seed: int) -> tuple[Buyers, np.ndarray]:
    """Buyers as the model takes them to be, and the purchases of each in the time after the origin."""
    random = np.random.default_rng(seed)
    r, alpha, a, b = rates
    age = random.uniform(longest / 2, longest, buyers)
    repeats, last, later = np.zeros(buyers), np.zeros(buyers), np.zeros(buyers)
    for number, rate, leaves in zip(
        range(buyers), random.gamma(r, 1 / alpha, buyers), random.beta(a, b, buyers), strict=True
    ):
        time = random.exponential(1 / rate)
        while time <= age[number] + ahead:
            if time <= age[number]:
                repeats[number] += 1
                last[number] = time
            else:
                later[number] += 1
            if random.random() < leaves:
                break
            time += random.exponential(1 / rate)
    return Buyers(repeats, last, age, np.ones(buyers)), later


def first(buyers: Buyers, how_many: int) -> Buyers:
    return Buyers(buyers.repeats[:how_many], buyers.last[:how_many], buyers.age[:how_many], buyers.spent[:how_many])


# -- purchases


def test_the_expectation_is_the_published_one() -> None:
    # The paper's own example (section 5): a customer with x = 2, t_x = 30.43, T = 38.86, and the next 39 weeks.
    assert expected_purchases(CDNOW, buyer(2, 30.43, 38.86), 39.0)[0] == pytest.approx(1.226, abs=5e-4)


RATES = np.array([0.8, 20.0, 0.6, 2.5])


@pytest.fixture(scope="module")
def population() -> tuple[Buyers, np.ndarray]:
    return simulated(RATES, 20_000, longest=250, ahead=60, seed=1)


def test_the_expectation_is_what_simulated_buyers_buy(population: tuple[Buyers, np.ndarray]) -> None:
    buyers, later = population
    expected = expected_purchases(RATES, buyers, 60.0)
    assert expected.sum() == pytest.approx(later.sum(), rel=0.04)
    lately = buyers.last > buyers.age - 40
    for kind in (
        buyers.repeats == 0,
        (buyers.repeats > 0) & lately,
        (buyers.repeats > 2) & ~lately,
        buyers.repeats > 5,
    ):
        assert kind.sum() > 1_000
        assert expected[kind].sum() == pytest.approx(later[kind].sum(), rel=0.1)


def test_the_rates_of_simulated_buyers_are_found_again(population: tuple[Buyers, np.ndarray]) -> None:
    found = fit_bg_nbd(first(population[0], 4_000))
    assert found == pytest.approx(RATES, rel=0.25)
    # What hangs together is found better than each: purchases a day, and the share that leaves.
    assert found[0] / found[1] == pytest.approx(RATES[0] / RATES[1], rel=0.08)
    assert found[2] / found[2:].sum() == pytest.approx(RATES[2] / RATES[2:].sum(), rel=0.08)


def test_the_fit_stays_finite_where_nobody_has_left_or_everybody_is_alike() -> None:
    regular = Buyers(np.full(50, 20.0), np.full(50, 99.5), np.full(50, 100.0), np.full(50, 10.0))
    rates = fit_bg_nbd(regular)
    assert np.isfinite(rates).all()
    assert (rates > 0).all()
    assert expected_purchases(rates, regular, 50.0) == pytest.approx(10.0, rel=0.1)


def test_between_rates_that_leave_a_gap_in_the_formula_there_is_none_in_the_expectation() -> None:
    of_one = buyer(3, 20, 30)
    near, at = (expected_purchases(np.array([0.8, 20.0, a, 2.5]), of_one, 60.0)[0] for a in (1.0001, 1.0))
    assert at == pytest.approx(near, rel=1e-3)


def test_who_has_not_come_for_long_is_expected_less_than_who_came_lately() -> None:
    gone, there = (expected_purchases(RATES, buyer(10, last, 200), 60.0)[0] for last in (50, 195))
    assert gone < 0.2 * there


@given(
    st.tuples(st.floats(0.1, 10), st.floats(1, 100), st.floats(0.1, 10), st.floats(0.1, 20)),
    st.integers(0, 40),
    st.floats(0, 1),
    st.floats(1, 400),
    st.floats(0, 100),
)
def test_nobody_is_expected_to_buy_less_than_nothing_or_more_than_if_they_were_surely_there(
    rates: tuple[float, ...], repeats: int, share: float, age: float, time: float
) -> None:
    one = buyer(repeats, share * age if repeats else 0.0, age)
    now, later = (float(expected_purchases(np.array(rates), one, ahead)[0]) for ahead in (time, time + 10))
    error = 1e-6 * (1 + repeats)
    assert -error <= now <= later + error
    assert now <= time * (rates[0] + repeats) / (rates[1] + age) + error
    assert expected_purchases(np.array(rates), one, 0.0)[0] == pytest.approx(0, abs=1e-9)


# -- what a purchase is worth


def spenders(buyers: int, seed: int) -> tuple[Buyers, np.ndarray]:
    """Buyers as Gamma-Gamma takes them to be, and what a purchase of each is worth in the long run."""
    random = np.random.default_rng(seed)
    p, q, scale = CDNOW_SPENDING.values()
    rates = random.gamma(q, 1 / scale, buyers)
    days = random.integers(1, 9, buyers)
    spent = random.gamma(p * days, 1 / rates) / days
    return Buyers(days - 1.0, np.zeros(buyers), np.zeros(buyers), spent), p / rates


def test_a_purchase_is_expected_to_be_worth_something_between_their_own_mean_and_everybodys() -> None:
    buyers, worth = spenders(20_000, 4)
    p, q, scale = CDNOW_SPENDING.values()
    everybody = p * scale / (q - 1)
    expected = expected_values(buyers)
    assert (expected >= np.minimum(buyers.spent, everybody * 0.95) - 1e-9).all()
    assert (expected <= np.maximum(buyers.spent, everybody * 1.05) + 1e-9).all()
    assert expected.mean() == pytest.approx(worth.mean(), rel=0.02)
    # The more often somebody bought, the more their own mean counts.
    for days in (1, 8):
        some = buyers.repeats == days - 1
        slope = np.polyfit(buyers.spent[some], expected[some], 1)[0]
        assert slope == pytest.approx(p * days / (p * days + q - 1), abs=0.08)


def test_what_was_spent_so_far_foretells_worse_than_the_expectation() -> None:
    buyers, worth = spenders(3_000, 5)
    once = buyers.repeats == 0
    wrong = np.abs(expected_values(buyers) - worth)[once].mean()
    assert wrong < 0.9 * np.abs(buyers.spent - worth)[once].mean()


def test_members_who_always_spend_the_same_are_expected_to_go_on() -> None:
    repeats = np.arange(40.0) % 6
    same = Buyers(repeats, repeats, repeats + 1, np.full(40, 49.9))
    assert expected_values(same) == pytest.approx(49.9, rel=0.01)


# -- their purchases in the shop's time


def test_purchases_are_timed_by_the_clock_of_the_shop() -> None:
    clock = pd.Series(1.0, index=pd.date_range("2024-01-01", "2024-06-30")).cumsum()
    clock.loc["2024-03-01":] += 10.0  # ten more in February: a busy month
    purchases = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "a"],
            "day": pd.to_datetime(["2024-01-10", "2024-01-31", "2024-05-31", "2024-03-01"]),
            "gross": [10.0, 20.0, 70.0, 60.0],
        }
    )
    found = buyers_of(purchases, clock, pd.Timestamp("2024-05-31"))
    assert list(found.repeats) == [2.0, 0.0]
    assert list(found.last) == [51.0 + 10.0, 0.0]
    assert list(found.age) == [142.0 + 10.0 + 0.5, 0.5]
    assert list(found.spent) == [30.0, 70.0]


def test_purchases_of_more_than_thirteen_months_ago_do_not_count() -> None:
    clock = pd.Series(1.0, index=pd.date_range("2023-01-01", "2024-06-30")).cumsum()
    days = pd.to_datetime(["2023-05-31", "2023-06-01", "2024-06-01"])
    purchases = pd.DataFrame({"customer_id": "a", "day": days, "gross": [9_999.0, 10.0, 30.0]})
    found = buyers_of(purchases, clock, pd.Timestamp("2024-06-30"))
    assert (list(found.repeats), list(found.spent)) == ([1.0], [20.0])


# -- the whole of them


@pytest.fixture(scope="module")
def steady() -> History:
    return known("2024-06-30", rhythm("2023-09-01", "2024-06-30"), members_sales("2023-09-01", "2024-06-30", 60))


def test_steady_members_go_on_and_closed_days_bring_nothing(steady: History) -> None:
    said = bg_nbd(steady, 0)
    assert (said[~steady.will_open] == 0).all()
    assert (said[steady.will_open] > 0).all()
    assert said.sum() == pytest.approx(steady.net.iloc[-182:].sum() / 182 * len(said), rel=0.15)


def test_a_months_total_is_the_expectation_at_its_end_less_the_usual_returns(steady: History) -> None:
    clock = (steady.is_open * steady.season).cumsum()
    buyers = buyers_of(steady.purchases, clock, steady.origin)
    elapsed = float(clock.loc["2024-07-31"] - clock.loc["2024-06-30"])
    july = expected_purchases(fit_bg_nbd(buyers), buyers, elapsed) @ expected_values(buyers)
    said = bg_nbd(steady, 0)
    assert 0.02 < steady.returns_share() < 0.1
    assert said.loc["2024-07"].sum() == pytest.approx(july * (1 - steady.returns_share()))
    trading = said.loc["2024-07"][steady.will_open[:31]]
    assert trading.to_numpy() == pytest.approx(trading.mean())


def test_a_busy_month_of_the_season_brings_more(steady: History) -> None:
    season = steady.season.copy()
    season.loc["2024-08"] *= 2
    ordinary, busy = bg_nbd(steady, 0), bg_nbd(replace(steady, season=season), 0)
    assert busy.loc["2024-07"].sum() == pytest.approx(ordinary.loc["2024-07"].sum())
    assert busy.loc["2024-08"].sum() == pytest.approx(2 * ordinary.loc["2024-08"].sum(), rel=0.05)


def test_a_month_that_is_closed_brings_nothing_and_the_next_goes_on() -> None:
    shop, sales = rhythm("2023-09-01", "2024-06-30"), members_sales("2023-09-01", "2024-06-30", 60)
    closed = bg_nbd(known("2024-06-30", shop, sales, stated=StatedDays(closed=("2024-07-01/2024-07-31",))), 0)
    assert (closed.loc["2024-07"] == 0).all()
    assert np.isfinite(closed).all()
    opened = bg_nbd(known("2024-06-30", shop, sales), 0)
    assert closed.loc["2024-08"].sum() == pytest.approx(opened.loc["2024-07"].sum(), rel=0.1)


def test_members_who_have_left_are_expected_to_bring_little() -> None:
    shop, sales = constant("2023-09-01", "2024-06-30"), members_sales("2023-09-01", "2024-06-30", 60, a_month=6)
    half = sales["customer_id"].isin([f"member {number}" for number in range(30)])
    left = bg_nbd(known("2024-06-30", shop, sales[~half | (sales["day"] < "2024-03-01")], members=60), 0).sum()
    stayed = bg_nbd(known("2024-06-30", shop, sales[~half]), 0).sum()
    assert left == pytest.approx(stayed, rel=0.15)


def test_twenty_members_must_have_come_twice() -> None:
    shop, sales = rhythm("2024-03-01", "2024-06-30"), members_sales("2024-03-01", "2024-06-30", 20)
    once = sales.drop_duplicates("customer_id")
    assert np.isfinite(bg_nbd(known("2024-06-30", shop, sales), 0)).all()
    nineteen = pd.concat([sales[sales["customer_id"] != "member 7"], once[once["customer_id"] == "member 7"]])
    with pytest.raises(CannotForecastError) as said:
        bg_nbd(known("2024-06-30", shop, nineteen), 0)
    assert str(said.value) == "It needs 20 members who bought on two days or more; there are 19."
