"""The three tables of the forecast: their rows hold the contracts, keep what was said, and never hold a NaN."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.contracts.forecast import FORECAST_BACKTEST, FORECAST_ORIGINS, REVENUE_FORECAST
from insiders_assets.domain.forecasting.choice import (
    COMBINATION,
    LEVELS,
    Actual,
    Half,
    Published,
    Said,
    adapted,
    calibrated,
    replay,
)
from insiders_assets.domain.forecasting.history import History
from insiders_assets.domain.forecasting.models import MODELS, NETWORK, STATISTICAL_MEDIAN, ask_all
from insiders_assets.domain.forecasting.outcome import Outcome
from insiders_assets.domain.forecasting.records import (
    backtest_rows,
    forecast_rows,
    interval_ends,
    origin_rows,
    said_of,
)
from insiders_tests.domain.forecasting.histories import (
    NEED_NO_FIT,
    NOBODY,
    constant,
    kept,
    known,
    members_sales,
    outcomes_of,
    rhythm,
    sales_of,
)

SHOWN = (50, 80, 95)
SEED = 11


def no_nan(table: pa.Table) -> pa.Table:
    """The table, in whose numbers nothing is neither a number nor empty."""
    for name in table.column_names:
        if pa.types.is_floating(table[name].type):
            assert pc.sum(pc.cast(pc.invert(pc.is_finite(table[name])), pa.int64())).as_py() in (0, None), name
    return table


# -- what every model says


@pytest.fixture(scope="module")
def unfinished() -> tuple[History, dict[str, Outcome]]:
    """A shop of fourteen months whose data end on 9 December, and what models say of it; one of them with seeds."""
    history = known("2024-12-09", rhythm("2023-11-01", "2024-12-09"), members_sales("2023-11-01", "2024-12-09", 25))
    outcomes = outcomes_of(history, [*NEED_NO_FIT, "bg_nbd"])
    daily = outcomes["last_30_days"].daily
    assert daily is not None
    seeds = pd.DataFrame({"11": daily * 0.8, "12": daily * 1.3})
    outcomes[NETWORK] = Outcome(seeds.mean(axis=1), "It was lucky.", seeds, {}, "keras 3", 12.5)
    outcomes["ets_daily"] = Outcome(note="Its fit failed.", library="statsforecast 2")
    return history, outcomes


@pytest.fixture(scope="module")
def rows_of_origin(unfinished: tuple[History, dict[str, Outcome]]) -> pd.DataFrame:
    return no_nan(kept(FORECAST_ORIGINS, origin_rows(*unfinished, SEED))).to_pandas()


def test_a_model_has_a_row_for_each_month_and_each_day_and_a_silent_one_for_each_month(
    rows_of_origin: pd.DataFrame,
) -> None:
    counted = rows_of_origin.groupby(["grain", "model"]).size()
    assert set(counted["month"]) == {4}
    assert set(counted["day"]) == {22 + 31 + 28 + 31}
    assert set(counted["month"].index) - set(counted["day"].index) == {"ets_daily"}
    silent = rows_of_origin[rows_of_origin["model"] == "ets_daily"]
    assert set(silent["note"]) == {"Its fit failed."}
    assert silent[["net_revenue", "gross_revenue"]].isna().all(axis=None)
    december = rows_of_origin[(rows_of_origin["grain"] == "month") & (rows_of_origin["horizon"] == 0)]
    assert set(december["period_start"]) == {dt.date(2024, 12, 10)}
    assert set(december["period_end"]) == {dt.date(2024, 12, 31)}
    # 22 days, three of them Saturdays.
    assert set(december["trading_days"]) == {19}
    assert set(december["season_years"]) == {1}


def test_the_days_of_a_month_add_up_to_it_and_gross_is_net_and_the_usual_returns(
    unfinished: tuple[History, dict[str, Outcome]], rows_of_origin: pd.DataFrame
) -> None:
    share = unfinished[0].returns_share()
    assert 0.02 < share < 0.1
    days, months = (
        rows_of_origin[rows_of_origin["grain"] == grain].groupby(["model", "horizon"]).sum(numeric_only=True)
        for grain in ("day", "month")
    )
    for name in ("net_revenue", "gross_revenue", "trading_days"):
        assert days[name].to_numpy() == pytest.approx(months.loc[days.index, name].to_numpy())
    assert months["net_revenue"].to_numpy() == pytest.approx((months["gross_revenue"] * (1 - share)).to_numpy())


def test_of_a_model_that_draws_the_seeds_spread_and_the_seed_are_kept(rows_of_origin: pd.DataFrame) -> None:
    months = rows_of_origin[rows_of_origin["grain"] == "month"]
    network, others = months[months["model"] == NETWORK], months[months["model"] != NETWORK]
    rate = months[months["model"] == "last_30_days"]["net_revenue"].to_numpy()
    assert network["seeds_lowest"].to_numpy() == pytest.approx(0.8 * rate)
    assert network["seeds_highest"].to_numpy() == pytest.approx(1.3 * rate)
    assert network["net_revenue"].to_numpy() == pytest.approx(1.05 * rate)
    assert set(network["seed"]) == {SEED}
    assert set(network["note"]) == {"It was lucky."}
    assert others[["seeds_lowest", "seed"]].isna().all(axis=None)


def test_what_was_said_is_read_back_as_it_was(
    unfinished: tuple[History, dict[str, Outcome]], rows_of_origin: pd.DataFrame
) -> None:
    history, outcomes = unfinished
    said = said_of(rows_of_origin)
    assert said.month == dt.date(2024, 12, 1)
    assert set(said.daily) == {name for name, outcome in outcomes.items() if outcome.daily is not None}
    for name in said.daily:
        pd.testing.assert_series_equal(
            said.daily[name], outcomes[name].daily, check_names=False, check_freq=False, check_exact=True
        )
    assert said.gross_per_net == pytest.approx(1 / (1 - history.returns_share()))
    for horizon, _, first, last in history.periods():
        assert set(said.horizons.loc[str(first) : str(last)]) == {horizon}
    assert said.total("last_90_days", 2) == pytest.approx(outcomes["last_90_days"].daily.loc["2025-02"].sum())
    assert np.isnan(said.total("ets_daily", 2))
    assert np.isnan(said.heard("statistical", 2))


@pytest.mark.parametrize("members", [0, 4])
def test_an_origin_at_which_nobody_could_say_anything_is_read_back_as_silence(members: int) -> None:
    history = known("2024-06-30", rhythm("2024-01-01", "2024-06-30"), NOBODY, members)
    rows = no_nan(kept(FORECAST_ORIGINS, origin_rows(history, ask_all(history, 0), SEED))).to_pandas()
    assert set(rows["grain"]) == {"month"}
    assert len(rows) == 3 * (len(MODELS) + 1)
    said = said_of(rows)
    assert said.daily.empty
    assert said.month == dt.date(2024, 6, 1)
    assert replay([said], {}) == {}


# -- how far off it was


def told(place: dt.date, totals: Mapping[str, float], gross_per_net: float = 1.0) -> Said:
    """What models said of three months, all of it on their tenth day."""
    days = pd.DatetimeIndex([(pd.Period(place, "M") + later).start_time + pd.Timedelta(days=9) for later in (1, 2, 3)])
    daily = pd.DataFrame({name: [total] * 3 for name, total in totals.items()}, index=days)
    return Said(place, pd.Series([1, 2, 3], index=days), daily, gross_per_net)


def month(place: int) -> dt.date:
    return (pd.Period("2023-01", "M") + place).start_time.date()


def came(net: float, gross: float | None = None) -> Actual:
    return Actual(net, net if gross is None else gross, pd.Series(dtype=float, index=pd.DatetimeIndex([])))


def test_the_error_is_a_signed_share_of_the_size_of_what_came() -> None:
    said = told(month(0), {"last_90_days": 130.0, "network": 90.0}, gross_per_net=1.5)
    actual = {(month(0), 1): came(100.0, 140.0), (month(0), 2): came(-100.0, 20.0), (month(0), 3): came(0.0)}
    rows = backtest_rows(month(5), [said], replay([said], actual), actual)
    table = no_nan(kept(FORECAST_BACKTEST, rows)).to_pandas().set_index(["model", "horizon"])
    assert len(table) == 9
    errors = table["net_error"]
    assert (errors["last_90_days", 1], errors["network", 1]) == pytest.approx((0.3, -0.1))
    assert errors[COMBINATION, 1] == pytest.approx(0.1)
    assert errors["last_90_days", 2] == pytest.approx(2.3)
    assert errors.xs(3, level="horizon").isna().all()
    assert table.loc[("network", 1), ["net_forecast", "net_actual", "gross_forecast", "gross_actual"]].tolist() == [
        90.0,
        100.0,
        pytest.approx(135.0),
        140.0,
    ]
    assert list(table.xs("network")["target"]) == [month(1), month(2), month(3)]
    assert set(table["month"]) == {month(5)}
    assert set(table["origin"]) == {month(0)}
    assert set(table.index[table["published"]]) == {(COMBINATION, 1), (COMBINATION, 2), (COMBINATION, 3)}


def test_only_months_that_are_over_and_origins_that_spoke_are_measured() -> None:
    silent = Said(month(0), pd.Series(dtype=int), pd.DataFrame(), 1.0)
    origins = [silent, told(month(1), {"network": 90.0}), told(month(2), {"network": 90.0})]
    actual = {(month(0), 1): came(1.0), (month(1), 1): came(100.0), (month(1), 2): came(100.0)}
    rows = backtest_rows(month(3), origins, replay(origins, actual), actual)
    assert {(row["origin"], row["horizon"]) for row in rows} == {(month(1), 1), (month(1), 2)}


def test_every_model_has_intervals_of_its_own_errors_and_says_whether_they_held() -> None:
    saids = {"network": 100.0, "bg_nbd": 120.0}
    origins = [told(month(place), saids) for place in range(8)]
    nets = [100.0, 110.0, 80.0, 105.0, 96.0, 60.0, 101.0, 160.0]
    actual = {(month(place), 1): came(net) for place, net in enumerate(nets)}
    published = replay(origins, actual)
    rows = backtest_rows(month(8), origins, published, actual)
    table = no_nan(kept(FORECAST_BACKTEST, rows)).to_pandas().sort_values("origin")
    ends = [f"net_{end}_{level}" for level in SHOWN for end in ("lower", "upper")]
    scale = 110.0  # the median of what the two say
    for model, found in table.groupby("model"):
        assert found[ends].isna().all(axis=1).tolist() == [True, True] + [False] * 6
        late = found.iloc[2:]
        halves, held = [], []
        for place in range(2, 8):
            if model in saids:
                sizes = [abs(saids[model] - net) / scale for net in nets]
                halves.append(calibrated(sizes[:place], adapted(held)))
                held.append(tuple(sizes[place] <= width for width in halves[-1].widths))
            else:
                halves.append(published[month(place), 1].half)
        for level, shown in zip(LEVELS, SHOWN, strict=True):
            widths = [half.widths[LEVELS.index(level)] * scale for half in halves]
            assert (late[f"net_upper_{shown}"] - late["net_forecast"]).to_numpy() == pytest.approx(widths)
            inside = (late["net_actual"] - late["net_forecast"]).abs() <= widths
            assert (late[f"inside_{shown}"].astype(bool) == inside).all()
        assert set(late["inside_50"]) == {True, False}


# -- intervals

amounts = st.floats(-1e9, 1e9)
shares = st.floats(0, 10)


@given(amounts, st.tuples(shares, shares, shares), st.floats(0, 1e9), st.none() | st.floats(0, 1e6))
def test_a_forecast_lies_between_the_ends_of_its_intervals_and_the_wider_hold_the_narrower(
    point: float, widths: tuple[float, ...], scale: float, least: float | None
) -> None:
    half = Half(tuple(sorted(widths)), "conformal", 9)
    ends = (
        interval_ends("net", point, half, scale) if least is None else interval_ends("net", point, half, scale, least)
    )
    lower, upper = ([ends[f"net_{end}_{level}"] for level in SHOWN] for end in ("lower", "upper"))
    assert lower[2] <= lower[1] <= lower[0] <= point <= upper[0] <= upper[1] <= upper[2]
    if least is not None:
        assert lower[2] >= min(least, point)


def test_a_scale_of_0_has_intervals_of_no_width_and_no_calibration_no_interval() -> None:
    assert set(interval_ends("net", 5.0, Half((0.1, 0.2, 0.3), "conformal", 9), 0.0).values()) == {5.0}
    assert interval_ends("net", 5.0, Half(None, "none", 1), 100.0) == {}
    assert interval_ends("gross", 5.0, Half((0.1, 0.2, 0.3), "conformal", 9), 100.0, least=2.0) == {
        "gross_lower_50": 2.0,
        "gross_upper_50": 15.0,
        "gross_lower_80": 2.0,
        "gross_upper_80": 25.0,
        "gross_lower_95": 2.0,
        "gross_upper_95": 35.0,
    }


# -- what is published, of shops from ordinary to odd


@dataclass
class Forecast:
    """What is published at the last of several origins, as the lake keeps it."""

    table: pa.Table
    backtest: pd.DataFrame
    published: Mapping[tuple[dt.date, int], Published]
    history: History

    @cached_property
    def rows(self) -> pd.DataFrame:
        return self.table.to_pandas()

    @cached_property
    def months(self) -> pd.DataFrame:
        return self.rows[self.rows["grain"] == "month"].set_index(["model", "horizon"])

    @cached_property
    def quoted(self) -> pd.DataFrame:
        return self.months[self.months["published"]].droplevel("model")


def forecast(
    last_days: Sequence[str],
    shop: pd.Series,
    sales: pd.DataFrame,
    members: int | None = None,
    models: Sequence[str] | None = NEED_NO_FIT,
) -> Forecast:
    """A forecast from what was said on those days, each the last of a month's data; by all models if none are named."""
    rows: list[dict] = []
    for last_day in last_days:
        history = known(last_day, shop, sales, members)
        outcomes = outcomes_of(history, models) if models else ask_all(history, SEED)
        rows += origin_rows(history, outcomes, SEED)
    every = no_nan(kept(FORECAST_ORIGINS, rows)).to_pandas()
    spoken = [of_one for _, of_one in every.groupby("month", sort=True)]
    origins = [said_of(of_one) for of_one in spoken]
    end = history.origin
    actual = {}
    for said in origins:
        for later in (1, 2, 3):
            target = pd.Period(said.month, "M") + later
            if target.end_time.normalize() <= end:
                days = sales[sales["day"].dt.to_period("M") == target]
                net = (days["gross"] - days["returns"]).groupby(days["day"]).sum()
                actual[said.month, later] = Actual(float(net.sum()), float(days["gross"].sum()), net)
    published = replay(origins, actual)
    found = backtest_rows(origins[-1].month, origins, published, actual)
    backtest = no_nan(kept(FORECAST_BACKTEST, found)).to_pandas()
    now = spoken[-1]
    so_far = sales[(sales["day"].dt.to_period("M") == pd.Period(origins[-1].month, "M")) & (sales["day"] <= end)]
    gross = float(so_far["gross"].sum())
    coming = forecast_rows(
        origins[-1],
        now[now["grain"] == "month"],
        {horizon: one for (origin, horizon), one in published.items() if origin == origins[-1].month},
        (gross - float(so_far["returns"].sum()), gross),
        backtest,
        SEED,
    )
    return Forecast(no_nan(kept(REVENUE_FORECAST, coming)), backtest, published, history)


def ends_of_months(first: str, last: str) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in pd.date_range(first, last, freq="ME")]


def intervals_hold(found: Forecast) -> bool:
    """Whether what is published lies within its intervals, and gross revenue is not below what is in the data."""
    rows = found.rows
    quoted = rows[rows["published"] & rows["net_lower_50"].notna()]
    for measure in ("net", "gross"):
        some = quoted[quoted[f"{measure}_lower_50"].notna()]
        order = [
            *(f"{measure}_lower_{level}" for level in reversed(SHOWN)),
            f"{measure}_revenue",
            *(f"{measure}_upper_{level}" for level in SHOWN),
        ]
        assert (some[order].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    return len(quoted) > 0


@pytest.fixture(scope="module")
def ordinary() -> Forecast:
    """Sixteen origins of a shop of two years, the last of which is at 9 December."""
    shop, sales = rhythm("2023-01-01", "2024-12-31"), members_sales("2023-01-01", "2024-12-31", 25)
    return forecast([*ends_of_months("2023-09-30", "2024-11-30"), "2024-12-09"], shop, sales)


def test_one_model_is_published_for_each_month_and_carries_the_intervals(ordinary: Forecast) -> None:
    months = ordinary.months
    assert list(ordinary.quoted.index) == [0, 1, 2, 3]
    assert set(months.index.get_level_values("model")) == {*NEED_NO_FIT, COMBINATION}
    ends = [f"{measure}_{end}_{n}" for measure in ("net", "gross") for n in SHOWN for end in ("lower", "upper")]
    assert ordinary.quoted[ends].notna().all(axis=None)
    assert months[~months["published"]][[*ends, "interval_basis", "covered_80"]].isna().all(axis=None)
    assert set(ordinary.quoted["interval_basis"]) == {"conformal"}
    assert ordinary.quoted["interval_origins"].tolist() == [12, 12, 12, 12]
    assert intervals_hold(ordinary)


def test_an_unfinished_month_is_what_is_in_the_data_and_the_rest_of_it(ordinary: Forecast) -> None:
    sales = members_sales("2023-01-01", "2024-12-31", 25)
    begun = sales[(sales["day"] >= "2024-12-01") & (sales["day"] <= "2024-12-09")]
    gross, net = begun["gross"].sum(), begun["gross"].sum() - begun["returns"].sum()
    december = ordinary.quoted.loc[0]
    assert net > 100
    assert december["observed"] == pytest.approx(net)
    assert (december["period_start"], december["period_end"]) == (dt.date(2024, 12, 1), dt.date(2024, 12, 31))
    assert (december["days_forecast"], december["trading_days"]) == (22, 19)
    days = ordinary.rows[(ordinary.rows["grain"] == "day") & (ordinary.rows["horizon"] == 0)]
    assert len(days) == 22
    assert days["period_start"].min() == dt.date(2024, 12, 10)
    assert december["net_revenue"] == pytest.approx(net + days["net_revenue"].sum())
    assert december["gross_revenue"] == pytest.approx(gross + days["gross_revenue"].sum())
    assert december["gross_lower_95"] >= gross
    assert ordinary.months.xs(0, level="horizon")["observed"].to_numpy() == pytest.approx(net)
    assert (ordinary.quoted.loc[1:, "observed"] == 0).all()
    width = december["net_upper_80"] - december["net_lower_80"]
    replayed = ordinary.published[dt.date(2024, 12, 1), 0]
    assert replayed.half.widths is not None
    assert width == pytest.approx(2 * replayed.half.widths[1] * replayed.scale)


def test_the_days_of_the_published_model_add_up_to_its_months_and_closed_ones_are_surely_0(ordinary: Forecast) -> None:
    days = ordinary.rows[ordinary.rows["grain"] == "day"].copy()
    assert days["published"].all()
    sums = days.groupby("horizon")["net_revenue"].sum()
    assert sums.loc[1:].to_numpy() == pytest.approx(ordinary.quoted.loc[1:, "net_revenue"].to_numpy())
    saturday = pd.to_datetime(days["period_start"]).dt.weekday == 5
    ends = [f"net_{end}_{level}" for level in SHOWN for end in ("lower", "upper")]
    assert (days.loc[saturday, ["net_revenue", *ends, "trading_days"]] == 0).all(axis=None)
    assert (days.loc[~saturday, "net_upper_80"] > days.loc[~saturday, "net_revenue"]).all()
    one = ordinary.published[dt.date(2024, 12, 1), 1]
    assert one.half_daily.widths is not None
    january = days[~saturday & (days["horizon"] == 1)]
    width = january["net_upper_80"] - january["net_lower_80"]
    assert width.to_numpy() == pytest.approx(2 * one.half_daily.widths[1] * one.scale / len(january))
    assert set(days.groupby("horizon")["model"].nunique()) == {1}
    assert days.groupby("horizon")["model"].first().to_dict() == {
        horizon: model for model, horizon in ordinary.months[ordinary.months["published"]].index
    }


def test_weights_and_corrections_stand_with_the_models_that_speak_for_a_family(ordinary: Forecast) -> None:
    for horizon in (0, 1, 2, 3):
        months = ordinary.months.xs(horizon, level="horizon")
        weighed = months[months["weight"].notna()]
        assert set(weighed.index) == {"seasonal_rate", "seasonal_naive"}
        assert weighed["weight"].sum() == pytest.approx(1)
        assert weighed["correction"].notna().all()
        published = ordinary.published[dt.date(2024, 12, 1), horizon]
        assert weighed["correction"].to_dict() == pytest.approx(
            {
                "seasonal_rate": published.corrections["recent_rate"],
                "seasonal_naive": published.corrections["seasonal_naive"],
            }
        )


def test_errors_of_the_past_stand_with_each_model_and_the_coverage_with_the_published(ordinary: Forecast) -> None:
    past = ordinary.backtest[(ordinary.backtest["model"] == "last_90_days") & (ordinary.backtest["horizon"] == 1)]
    rate = ordinary.months.loc[("last_90_days", 1)]
    assert rate["origins"] == len(past) == 14
    assert rate["mean_error"] == pytest.approx(past["net_error"].abs().mean())
    assert rate["bias"] == pytest.approx(past["net_error"].mean())
    # Of the rest of an unfinished month nothing was ever measured.
    rest = ordinary.months.loc[("last_90_days", 0)]
    assert rest["origins"] == 0
    assert pd.isna(rest["bias"])
    # The seasonal model needs a year, so it has fewer origins behind it.
    assert ordinary.months.loc[("seasonal_naive", 1), "origins"] == 11
    judged = ordinary.backtest[(ordinary.backtest["horizon"] == 1) & ordinary.backtest["inside_80"].notna()]
    of_published = judged[judged["published"]]["inside_80"].astype(bool)
    assert len(of_published) == 12
    assert len(judged) > 12
    assert ordinary.quoted.loc[1, "covered_80"] == pytest.approx(of_published.mean())
    assert of_published.mean() != pytest.approx(judged["inside_80"].astype(bool).mean())
    assert pd.isna(ordinary.quoted.loc[0, "covered_80"])


def test_the_library_and_the_seed_say_what_found_a_row(ordinary: Forecast) -> None:
    months = ordinary.months
    assert months.loc[(COMBINATION, 1), "library"].startswith("numpy ")
    assert months.loc[("seasonal_rate", 1), "library"].startswith("pandas ")
    assert months["seed"].isna().all()


@pytest.mark.parametrize(("horizon", "before", "before_gross"), [(1, 0.0, 0.0), (0, 7.0, 9.0)])
def test_a_naive_model_that_is_published_takes_the_days_with_it(
    horizon: int, before: float, before_gross: float
) -> None:
    said = told(month(0), {"seasonal_naive": 80.0, "network": 120.0}, gross_per_net=1.25)
    wide = Half((0.1, 0.2, 3.0), "conformal", 9)
    naive = replace(
        replay([said], {})[month(0), 1],
        model="seasonal_naive",
        net=said.daily["seasonal_naive"].iloc[:1],
        half=wide,
        half_gross=wide,
    )
    notes = pd.DataFrame(
        {
            "model": ["seasonal_naive", "network"],
            "horizon": horizon,
            "period_start": month(1),
            "period_end": month(2) - dt.timedelta(days=1),
            "trading_days": 25,
            "season_years": 1,
            "net_revenue": [80.0, 120.0],
            "gross_revenue": [100.0, 150.0],
            "note": [None, "Odd."],
        }
    )
    empty = kept(FORECAST_BACKTEST, []).to_pandas()
    rows = forecast_rows(said, notes, {horizon: naive}, (7.0, 9.0), empty, SEED)
    table = no_nan(kept(REVENUE_FORECAST, rows)).to_pandas()
    months = table[table["grain"] == "month"].set_index("model")
    assert months["published"].to_dict() == {"combination": False, "network": False, "seasonal_naive": True}
    assert (months["net_revenue"] - before).to_dict() == {
        "combination": 100.0,
        "network": 120.0,
        "seasonal_naive": 80.0,
    }
    assert (months["observed"] == before).all()
    quoted = months.loc["seasonal_naive"]
    assert [quoted[f"net_lower_{level}"] - before for level in SHOWN] == pytest.approx([70.0, 60.0, -220.0])
    assert [quoted[f"net_upper_{level}"] - before for level in SHOWN] == pytest.approx([90.0, 100.0, 380.0])
    # What was bought already will not be less.
    assert [quoted[f"gross_lower_{level}"] - before_gross for level in SHOWN] == pytest.approx([90.0, 80.0, 0.0])
    assert [quoted[f"gross_upper_{level}"] - before_gross for level in SHOWN] == pytest.approx([110.0, 120.0, 400.0])
    assert months["weight"].dropna().to_dict() == {"network": 0.5, "seasonal_naive": 0.5}
    assert (months["seed"].loc["network"], months["note"].loc["network"]) == (SEED, "Odd.")
    assert set(months["origins"]) == {0}
    assert months[["mean_error", "bias", "covered_80"]].isna().all(axis=None)
    day = table[table["grain"] == "day"]
    assert day["model"].tolist() == ["seasonal_naive"]
    assert (day["net_revenue"].item(), day["gross_revenue"].item(), day["observed"].item()) == (80.0, 100.0, 0.0)
    assert day["interval_basis"].item() == "none"


# -- odd shops

LATE = ends_of_months("2024-03-31", "2024-06-30")


def test_nobody_is_a_member_or_none_of_them_bought() -> None:
    shop = rhythm("2024-01-01", "2024-06-30")
    for members, reason in ((0, "Nobody is a member"), (5, "no sales in its history")):
        rows = forecast(LATE[-1:], shop, NOBODY, members, models=None).rows
        assert set(rows["model"]) == {*MODELS, STATISTICAL_MEDIAN}
        assert set(rows["grain"]) == {"month"}
        assert not rows["published"].any()
        assert rows["net_revenue"].isna().all()
        assert rows["note"].str.contains(reason).all()
        assert (rows["origins"] == 0).all()


def test_a_group_that_has_not_bought_for_long_is_expected_to_bring_nothing_and_surely_so() -> None:
    shop = constant("2023-01-01", "2024-06-30")
    long_ago = sales_of(constant("2023-01-01", "2023-01-20"))
    found = forecast(LATE, shop, long_ago)
    assert (found.quoted["net_revenue"] == 0).all()
    assert set(found.quoted["interval_basis"]) == {"none"}
    assert found.quoted["net_lower_80"].isna().all()
    # Nothing came of what was said to come: no share of it can be off.
    assert found.backtest["net_error"].isna().all()
    assert found.months.loc[("last_90_days", 1), "origins"] == 3
    assert found.months["mean_error"].isna().all()


def test_one_customer_who_bought_on_two_days_has_a_forecast() -> None:
    shop = constant("2024-04-20", "2024-06-30")
    sales = sales_of(constant("2024-05-10", "2024-05-10", 60.0).reindex(shop.index, fill_value=0.0))
    sales = pd.concat([sales, sales.assign(day=pd.Timestamp("2024-06-20"))])
    found = forecast(["2024-05-31", "2024-06-30"], shop, sales, models=None)
    assert set(found.quoted["net_revenue"].round(6)) == {62.0, 60.0}
    assert found.quoted["interval_basis"].tolist() == ["none"] * 3
    assert found.quoted["interval_origins"].tolist() == [1, 0, 0]
    assert found.rows.loc[found.rows["model"] == NETWORK, "note"].str.startswith("It needs 182 days").all()


def test_months_that_bring_back_more_than_they_sell_have_intervals_too() -> None:
    shop = constant("2023-06-01", "2024-06-30", 500.0)
    daily = rhythm("2023-06-01", "2024-06-30") - 1_000.0
    found = forecast(ends_of_months("2024-02-29", "2024-06-30"), shop, sales_of(daily))
    assert (found.quoted["net_revenue"] < 0).all()
    assert (found.quoted["net_lower_80"] < found.quoted["net_revenue"]).all()
    assert intervals_hold(found)


def test_two_months_of_history_have_one_model_and_say_why_not_the_others() -> None:
    found = forecast(
        ["2024-05-31", "2024-06-30"],
        rhythm("2024-05-01", "2024-06-30"),
        sales_of(rhythm("2024-05-01", "2024-06-30")),
        models=None,
    )
    months = found.months.xs(1, level="horizon")
    able = months[months["net_revenue"].notna()]
    assert set(able.index) == {"last_30_days", COMBINATION}
    assert months.loc["last_30_days", "weight"] == 1.0
    assert months.drop(index=[*able.index])["note"].str.startswith("It needs").all()
    assert found.quoted["interval_basis"].tolist() == ["none"] * 3
    assert (found.quoted["net_revenue"] > 0).all()


def test_a_thirtyfold_day_leaves_every_number_finite_and_widens_what_follows() -> None:
    shop, sales = rhythm("2023-06-01", "2024-06-30"), members_sales("2023-06-01", "2024-06-30", 25)
    spiked = sales.copy()
    spiked.loc[spiked["day"].between("2024-02-11", "2024-02-14"), "gross"] *= 30
    origins = ends_of_months("2023-12-31", "2024-06-30")
    calm, wild = forecast(origins, shop, sales), forecast(origins, shop, spiked)
    assert intervals_hold(wild)
    width = [one.quoted.loc[1, "net_upper_80"] - one.quoted.loc[1, "net_lower_80"] for one in (calm, wild)]
    assert width[1] > 3 * width[0]
    assert wild.quoted.loc[1, "net_revenue"] < 3 * calm.quoted.loc[1, "net_revenue"]


def test_a_group_that_is_new_has_a_forecast_of_what_it_began_with() -> None:
    shop = rhythm("2023-01-01", "2024-06-30")
    sales = sales_of(constant("2024-06-01", "2024-06-30", 10.0, closed=(5,)))
    found = forecast(LATE, shop, sales)
    months = found.months.xs(1, level="horizon")
    assert months.loc["last_30_days", "net_revenue"] == pytest.approx(10 * 27)
    # What the group did not buy a year ago, when it was not there, is no forecast of 0.
    assert pd.isna(months.loc["seasonal_naive", "net_revenue"])
    # One of its voices knows the season of the shop.
    assert found.quoted.loc[1, "net_revenue"] == pytest.approx(10 * 27, rel=0.05)


@given(
    st.lists(st.integers(-(10**7), 10**7).map(lambda cents: cents / 100) | st.just(0.0), min_size=6, max_size=9),
    st.sampled_from([0.0, 0.01, 5_000.0]),
    st.integers(1, 29),
)
@settings(max_examples=6)
def test_whatever_the_members_did_the_tables_hold_their_contracts_without_a_nan(
    of_a_day: list[float], returned: float, last: int
) -> None:
    daily = pd.Series(np.repeat(of_a_day, 7), index=pd.date_range("2024-05-01", periods=7 * len(of_a_day)))
    sales = sales_of(daily)
    sales["returns"] += returned
    shop = constant("2024-03-01", "2024-07-31", 1.0)
    found = forecast(["2024-05-31", f"2024-06-{last:02}"], shop, sales, members=1)
    assert found.quoted.index.tolist() == [0, 1, 2, 3]
    assert found.quoted["net_revenue"].notna().all()
    assert not intervals_hold(found)
