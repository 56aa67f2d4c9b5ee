"""From what the models said to what is published: weights, corrections, stepping aside, intervals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from insiders_assets.domain.forecasting.choice import (
    COMBINATION,
    CONFORMAL,
    LARGEST_CORRECTION,
    LEVELS,
    NONE,
    STUDENT,
    Actual,
    Half,
    Published,
    Said,
    adapted,
    calibrated,
    replay,
)
from insiders_assets.domain.forecasting.voices import FAMILIES, speaker, voices

START = pd.Period("2020-01", "M")
# The voices of these models, in the order of FAMILIES.
RATE, YEAR, BUYERS, NET = "last_90_days", "seasonal_naive", "bg_nbd", "network"


def month(place: int) -> dt.date:
    return (START + place).start_time.date()


def said(
    place: int,
    models: Mapping[str, float | Sequence[float]],
    gross_per_net: float = 1.0,
    horizons: Sequence[int] = (1,),
) -> Said:
    """What models said at an origin: a total for all months of the horizon or one for each, half of it on each of two
    days."""
    days = [(START + place + later).start_time + pd.Timedelta(days=day) for later in horizons for day in (19, 20)]
    daily = pd.DataFrame(
        {name: np.repeat(np.broadcast_to(total, len(horizons)), 2) / 2 for name, total in models.items()}, index=days
    )
    return Said(month(place), pd.Series(np.repeat(list(horizons), 2), index=days), daily, gross_per_net)


def came(place: int, later: int, net: float, gross: float | None = None) -> Actual:
    """What a month brought, half of it on each of the same two days."""
    first = (START + place + later).start_time
    days = pd.Series(net / 2, index=[first + pd.Timedelta(days=day) for day in (19, 20)])
    return Actual(net, net if gross is None else gross, days)


def brought(origins: int, net: float | Sequence[float]) -> dict[tuple[dt.date, int], Actual]:
    """Actuals of the three months after each origin; of each calendar month the same."""
    of_month = np.broadcast_to(net, origins + 3) if np.ndim(net) == 0 else np.asarray(net)
    return {
        (month(place), later): came(place, later, float(of_month[place + later]))
        for place in range(origins)
        for later in (1, 2, 3)
        if place + later < len(of_month)
    }


def at(published: dict[tuple[dt.date, int], Published], place: int, horizon: int = 1) -> Published:
    return published[month(place), horizon]


# -- voices


def test_the_first_model_of_a_family_that_can_forecast_speaks_for_it() -> None:
    told = pd.DataFrame(
        {"last_30_days": [1.0], "last_90_days": [2.0], "seasonal_rate": [np.nan], "ets_daily": [3.0], NET: [4.0]}
    )
    assert voices(told).to_dict("list") == {"recent_rate": [2.0], "network": [4.0]}
    assert speaker("recent_rate", ["last_30_days", "seasonal_rate"]) == "seasonal_rate"
    assert speaker("bg_nbd", ["last_30_days"]) is None
    every = [model for family in FAMILIES.values() for model in family]
    assert len(every) == len(set(every)) == 7


# -- weights


def test_without_past_errors_all_voices_count_the_same() -> None:
    published = at(replay([said(0, {RATE: 100.0, NET: 130.0, YEAR: 40.0})], {}), 0)
    assert published.weights == pytest.approx({"recent_rate": 1 / 3, "seasonal_naive": 1 / 3, "network": 1 / 3})
    assert published.combination.sum() == pytest.approx(90.0)
    assert published.model == COMBINATION
    assert published.net.equals(published.combination)


def test_the_nearer_voice_counts_more_and_by_how_much() -> None:
    origins = [said(0, {RATE: 100.0, NET: 140.0}), said(1, {RATE: 100.0, NET: 140.0})]
    published = at(replay(origins, brought(2, 100.0)), 1)
    # One origin, whose squared errors are none and twice their mean; three at which all were equal stand beside it.
    precision = np.array([4 / (0 + 3), 4 / (2 + 3)])
    assert list(published.weights.values()) == pytest.approx(precision / precision.sum())
    correction = (100 / 140) ** (1 / 5)
    assert published.corrections == pytest.approx({"recent_rate": 1.0, "network": correction})
    assert published.combination.sum() == pytest.approx(
        published.weights["recent_rate"] * 100 + published.weights["network"] * 140 * correction
    )


def test_a_voice_that_errs_to_both_sides_loses_its_weight_to_a_steady_one() -> None:
    origins = [said(place, {RATE: 100.0, NET: 150.0 if place % 2 else 50.0}) for place in range(13)]
    published = replay(origins, brought(13, 100.0))
    weights = [at(published, place).weights["recent_rate"] for place in (0, 1, 4, 12)]
    assert weights[0] == 0.5
    assert weights == sorted(weights)
    assert weights[-1] > 0.85


def test_a_hard_month_counts_as_much_as_an_easy_one() -> None:
    # In the first month the rate is the nearer by far, in the second the network by little.
    origins = [
        said(0, {RATE: 100.0, NET: 1_000.0}),
        said(1, {RATE: 110.0, NET: 100.0}),
        said(2, {RATE: 100.0, NET: 100.0}),
    ]
    published = replay(origins, brought(3, 100.0))
    assert at(published, 1).weights["recent_rate"] == pytest.approx((4 / 3) / (4 / 3 + 4 / 5))
    correction = np.exp(max(np.log(0.1) / 5, -0.7))
    squares = np.array([(110 - 100) ** 2, (100 * correction - 100) ** 2])
    shares = squares / squares.mean()
    precision = 5 / (np.array([0.0, 2.0]) + shares + 3)
    assert list(at(published, 2).weights.values()) == pytest.approx(precision / precision.sum())


def test_only_the_last_twelve_errors_weigh() -> None:
    def weight(net_of_the_first: float) -> dict[int, float]:
        origins = [said(place, {RATE: 100.0, YEAR: 95.0, NET: 120.0 if place % 2 else 80.0}) for place in range(28)]
        published = replay(origins, brought(28, [0.0, net_of_the_first, *[100.0] * 29]))
        return {place: at(published, place).weights["network"] for place in (5, 12, 26, 27)}

    near, far = weight(100.0), weight(80.0)
    assert near[5] < far[5]
    assert near[12] < far[12]
    # Its correction is forgotten after twelve origins, and what was said with that correction after twelve more.
    assert (near[26], near[27]) == (far[26], far[27])


models = st.sampled_from([RATE, YEAR, BUYERS, NET, "statistical_median", "last_30_days"])
money = st.integers(-(10**9), 10**9).map(lambda cents: cents / 100) | st.integers(0, 3).map(float)


@given(st.lists(st.tuples(st.dictionaries(models, money, min_size=1), money), min_size=1, max_size=6))
@settings(max_examples=25)
def test_weights_are_shares_of_one_and_corrections_bounded_whatever_was_said_and_came(
    months: list[tuple[dict[str, float], float]],
) -> None:
    origins = [said(place, told) for place, (told, _) in enumerate(months)]
    nets = [net for _, net in months]
    published = replay(origins, brought(len(months), [0.0, *nets]))
    assert len(published) == len(months)
    for one in published.values():
        assert sum(one.weights.values()) == pytest.approx(1.0)
        assert all(weight > 0 for weight in one.weights.values())
        assert all(abs(np.log(factor)) <= LARGEST_CORRECTION + 1e-12 for factor in one.corrections.values())
        assert np.isfinite(one.net).all()
        assert one.scale >= 0
        for half in (one.half, one.half_gross, one.half_daily):
            assert half.widths is None or (np.isfinite(half.widths).all() and min(half.widths) >= 0)


# -- corrections


@pytest.mark.parametrize(("past", "counted"), [(1, 1), (4, 4), (12, 12), (20, 12)])
def test_a_voice_that_was_always_a_fifth_low_is_pulled_up_the_more_the_more_often_it_was(
    past: int, counted: int
) -> None:
    origins = [said(place, {RATE: 80.0, NET: 100.0}) for place in range(past + 1)]
    corrections = at(replay(origins, brought(past + 1, 100.0)), past).corrections
    assert corrections == pytest.approx({"recent_rate": 1.25 ** (counted / (counted + 4)), "network": 1.0})


def test_one_odd_month_is_no_reason_to_correct_and_a_month_of_returns_has_no_ratio() -> None:
    origins = [said(place, {RATE: 100.0}) for place in range(6)]
    odd = brought(6, [0.0, 100.0, 100.0, 900.0, 100.0, 100.0, 0.0, 0.0, 0.0])
    assert at(replay(origins, odd), 5).corrections == {"recent_rate": 1.0}
    # Medians of 125, 125 and 80: two of four months had no ratio.
    returned = brought(6, [0.0, 125.0, -50.0, 0.0, 125.0, 80.0, 0.0, 0.0, 0.0])
    assert at(replay(origins, returned), 5).corrections["recent_rate"] == pytest.approx(1.25 ** (3 / 7))


def test_no_correction_goes_beyond_a_factor_of_two() -> None:
    origins = [said(place, {RATE: 1.0, NET: 10_000.0}) for place in range(13)]
    corrections = at(replay(origins, brought(13, 100.0)), 12).corrections
    assert corrections == pytest.approx({"recent_rate": np.exp(0.7), "network": np.exp(-0.7)})


def test_months_further_ahead_have_errors_of_their_own() -> None:
    origins = [said(place, {RATE: [100.0, 100.0, 50.0]}, horizons=(1, 2, 3)) for place in range(10)]
    published = replay(origins, brought(10, 100.0))
    assert [at(published, 9, horizon).corrections["recent_rate"] for horizon in (1, 2, 3)] == pytest.approx(
        [1.0, 1.0, 2 ** (7 / 11)]
    )
    assert [at(published, 9, horizon).half.origins for horizon in (1, 2, 3)] == [9, 8, 7]


# -- what was not known is not used


def same(one: Published, other: Published) -> bool:
    return (
        one.net.equals(other.net)
        and one.combination.equals(other.combination)
        and (one.model, one.weights, one.corrections, one.scale)
        == (other.model, other.weights, other.corrections, other.scale)
        and (one.half, one.half_gross, one.half_daily) == (other.half, other.half_gross, other.half_daily)
    )


def wandering(origins: int, unfinished: Sequence[int] = ()) -> tuple[list[Said], np.ndarray]:
    random = np.random.default_rng(3)
    told = [
        said(
            place,
            {name: random.uniform(60, 140) for name in (RATE, YEAR, BUYERS, NET)},
            horizons=(0, 1, 2, 3) if place in unfinished else (1, 2, 3),
        )
        for place in range(origins)
    ]
    return told, random.uniform(80, 120, origins + 3)


@pytest.mark.parametrize("now", [0, 5, 9])
def test_what_came_after_an_origin_changes_nothing_of_what_is_published_at_it(now: int) -> None:
    origins, nets = wandering(12)
    later = nets.copy()
    later[now + 1 :] *= 30
    before, after = replay(origins, brought(12, nets)), replay(origins, brought(12, later))
    assert all(same(before[key], after[key]) for key in before if key[0] <= month(now))
    assert not same(at(before, now + 2), at(after, now + 2))


def test_a_replay_of_all_origins_publishes_at_each_what_was_published_then() -> None:
    origins, nets = wandering(12)
    of_all = replay(origins, brought(12, nets))
    for now in (0, 8):
        of_then = replay(origins[: now + 1], brought(now + 1, nets[: now + 1]))
        assert len(of_then) == 3 * (now + 1)
        assert all(same(of_then[key], of_all[key]) for key in of_then)


def test_at_an_origin_whose_month_was_not_over_that_month_is_not_known() -> None:
    origins, nets = wandering(11, unfinished=[9])
    later = nets.copy()
    later[9:] *= 30
    before, after = replay(origins, brought(11, nets)), replay(origins, brought(11, later))
    assert [horizon for place, horizon in before if place == month(9)] == [0, 1, 2, 3]
    assert all(same(before[key], after[key]) for key in before if key[0] <= month(9))
    # Of two months ahead, with a month less over: see below.
    assert at(before, 9).half.origins == 7
    assert at(before, 10).half.origins == 10


def test_what_follows_an_unfinished_month_has_the_errors_of_a_month_further_ahead() -> None:
    origins, nets = wandering(8, unfinished=[7])
    published = replay(origins, brought(8, nets))
    # Of the rest nothing was measured: the next month's errors, of the origins whose next month was over by then.
    assert at(published, 7, 0).half.origins == 6
    following, finished = at(published, 7, 1), replay(wandering(8)[0], brought(8, nets))
    assert following.half.origins == at(finished, 6, 2).half.origins == 5
    assert following.half.widths == pytest.approx(at(finished, 6, 2).half.widths)


def test_an_origin_at_which_no_model_could_forecast_is_passed_over() -> None:
    silent = Said(month(0), pd.Series(dtype=int), pd.DataFrame(), 1.0)
    published = replay([silent, said(1, {RATE: 100.0}), said(2, {RATE: 100.0})], brought(3, 100.0))
    assert {place for place, _ in published} == {month(1), month(2)}
    assert at(published, 2).half.origins == 1


@pytest.mark.parametrize("net", [100.0, 90.0, 300.0])
def test_a_voice_that_is_new_neither_gains_nor_loses_by_what_the_others_went_through(net: float) -> None:
    origins = [said(place, {RATE: 100.0}) for place in range(5)] + [said(5, {RATE: 100.0, NET: 90.0})]
    published = at(replay(origins, brought(6, net)), 5)
    assert published.weights == pytest.approx({"recent_rate": 0.5, "network": 0.5})
    assert published.corrections["network"] == 1.0


# -- stepping aside


def erratic(origins: int, by: float, naive: Mapping[str, float], horizons: Sequence[int] = (1,)) -> list[Said]:
    """Naive models that are steady, and a network and buyers that err to both sides."""
    return [
        said(
            place,
            {**naive, NET: 100.0 + (by if place % 2 else -by), BUYERS: 100.0 + (by if place % 2 else -by)},
            horizons=horizons,
        )
        for place in range(origins)
    ]


def test_a_naive_model_is_published_only_from_eight_origins_on() -> None:
    published = replay(erratic(10, 60.0, {YEAR: 100.0}, horizons=(1, 2)), brought(10, 100.0))
    assert [at(published, place).model for place in (6, 7, 8, 9)] == [COMBINATION, COMBINATION, YEAR, YEAR]
    quoted = at(published, 8)
    assert quoted.net.sum() == 100.0
    assert quoted.combination.sum() != pytest.approx(100.0, abs=1.0)
    # At origin 8 only seven errors of two months ahead are known.
    assert at(published, 8, 2).model == COMBINATION
    assert at(published, 9, 2).model == YEAR


def test_a_naive_model_must_be_better_by_more_than_the_margin() -> None:
    def errors_of_the_combination(by: float) -> tuple[float, str]:
        published = replay(erratic(12, by, {YEAR: 100.0}), brought(12, 100.0))
        own = np.mean(
            [abs(at(published, place).combination.sum() - 100) / at(published, place).scale for place in range(11)]
        )
        return float(own), at(published, 11).model

    error, model = errors_of_the_combination(4.0)
    assert 0.01 < error < 0.03
    assert model == COMBINATION
    error, model = errors_of_the_combination(12.0)
    assert 0.03 < error < 0.1
    assert model == YEAR


def test_the_best_of_several_naive_models_is_published_if_it_can_forecast_now() -> None:
    origins = erratic(10, 80.0, {YEAR: 100.0, RATE: 101.0, "last_30_days": 120.0})
    assert at(replay(origins, brought(10, 100.0)), 9).model == YEAR
    without = erratic(10, 80.0, {RATE: 101.0, "last_30_days": 120.0})[9]
    assert at(replay([*origins[:9], without], brought(10, 100.0)), 9).model == RATE


def test_a_model_that_is_not_naive_never_takes_the_combinations_place() -> None:
    origins = [said(place, {NET: 100.0, YEAR: 100.0 + (60 if place % 2 else -60)}) for place in range(14)]
    assert {one.model for one in replay(origins, brought(14, 100.0)).values()} == {COMBINATION}


# -- intervals


@pytest.mark.parametrize("scores", [[], [0.3]])
def test_fewer_than_two_errors_give_no_interval(scores: list[float]) -> None:
    half = calibrated(scores)
    assert (half.widths, half.basis, half.origins) == (None, NONE, len(scores))


def test_below_four_errors_the_interval_of_80_percent_is_students() -> None:
    half = calibrated([0.1, 0.3, 0.2])
    root = np.sqrt((0.01 + 0.09 + 0.04) / 3)
    assert (half.basis, half.origins) == (STUDENT, 3)
    assert half.widths == pytest.approx((0.2, root * t.ppf(0.9, 3), root * t.ppf(0.975, 3)))
    assert calibrated([0.1, 0.2]).basis == STUDENT


def test_from_four_errors_on_the_interval_of_80_percent_is_a_quantile_of_them() -> None:
    half = calibrated([0.4, 0.1, 0.3, 0.2])
    assert (half.basis, half.origins) == (CONFORMAL, 4)
    assert half.widths == pytest.approx((0.25, 0.4, np.sqrt(0.3 / 4) * t.ppf(0.975, 4)))


def test_the_quantile_lies_between_two_errors_in_proportion() -> None:
    eight = calibrated(list(range(8, 0, -1)))
    # Half of nine places is between the fourth and the fifth; .8 of them a fifth of the way from the seventh on.
    assert eight.widths is not None
    assert eight.widths[:2] == pytest.approx((4.5, 7.2))
    nineteen = calibrated(list(range(1, 20)))
    assert nineteen.widths == pytest.approx((10.0, 16.0, 19.0))
    assert calibrated(list(range(1, 25))).widths == pytest.approx((12.5, 20.0, 23.75))


def test_at_eighteen_errors_the_interval_of_95_percent_is_students_and_at_nineteen_their_largest() -> None:
    errors = [1.0] * 17 + [3.0]
    assert calibrated(errors).widths == pytest.approx((1.0, 1.0, np.sqrt(26 / 18) * t.ppf(0.975, 18)))
    assert calibrated([*errors, 1.0]).widths == pytest.approx((1.0, 1.0, 3.0))


sizes = st.lists(st.floats(0, 1e6), min_size=2, max_size=30)


@given(sizes, st.randoms(use_true_random=False), st.floats(1e-3, 1e3))
def test_a_higher_level_is_never_narrower_and_only_the_errors_sizes_count(
    scores: list[float], random, times: float
) -> None:
    widths = calibrated(scores).widths
    assert widths is not None
    assert len(widths) == len(LEVELS)
    assert list(widths) == sorted(widths)
    shuffled = list(scores)
    random.shuffle(shuffled)
    assert calibrated(shuffled).widths == pytest.approx(widths)
    assert calibrated([score * times for score in scores]).widths == pytest.approx([width * times for width in widths])


@pytest.mark.parametrize("n", [8, 24])
def test_the_interval_of_80_percent_holds_about_80_percent_of_what_comes(n: int) -> None:
    random = np.random.default_rng(n)
    # Not normal and not of mean zero: nothing is asked of errors but that their order says nothing.
    errors = np.abs(random.gamma(2, 1, (3_000, n + 1)) - 1.5)
    inside = dict.fromkeys(LEVELS, 0)
    for row in errors:
        for level, width in zip(LEVELS, calibrated(row[:-1]).widths or (), strict=True):
            inside[level] += int(row[-1] <= width)
    shares = {level: count / len(errors) for level, count in inside.items()}
    assert 0.75 < shares[0.80] < 0.85
    assert 0.45 < shares[0.50] < 0.55
    assert 0.90 < shares[0.95] < 0.99


def test_errors_are_counted_in_the_size_of_what_the_models_said() -> None:
    origins = [said(place, {RATE: 200.0, NET: 100.0, YEAR: 100.0}, gross_per_net=1.25) for place in range(3)]
    actual = {
        (month(place), later): came(place, later, net=100.0, gross=170.0) for place in range(2) for later in (1, 2, 3)
    }
    published = replay(origins, actual)
    expected = [at(published, place).net.sum() for place in range(2)]
    assert expected[0] == pytest.approx(400 / 3)
    half, gross = at(published, 2).half, at(published, 2).half_gross
    # The median model says 100.
    scores = np.abs(np.array(expected) - 100) / 100
    assert half.widths == pytest.approx(calibrated(list(scores)).widths)
    assert gross.widths == pytest.approx(calibrated([abs(1.25 * money - 170) / 100 for money in expected]).widths)


def test_levels_stay_where_nothing_was_judged_and_move_with_what_held() -> None:
    assert adapted([]) == LEVELS
    assert adapted([(True, True, True)]) == pytest.approx([0.5 - 0.02 * 0.5, 0.8 - 0.02 * 0.2, 0.95 - 0.02 * 0.05])
    assert adapted([(False, False, False)]) == pytest.approx([0.5 + 0.02 * 0.5, 0.8 + 0.02 * 0.8, 0.95 + 0.02 * 0.95])
    assert adapted([(True, True, True)] * 4 + [(False, False, True)])[1] == pytest.approx(0.8)
    assert adapted([(False, False, False)] * 500) == (0.995, 0.995, 0.995)
    assert adapted([(True, True, True)] * 5000)[0] == 0.05


@pytest.mark.parametrize("growth", [0.985, 1.0, 1.015])
def test_with_adapted_levels_the_intervals_hold_in_the_long_run_whether_errors_shrink_or_grow(growth: float) -> None:
    random = np.random.default_rng(4)
    covered = {True: [], False: []}
    for moves in covered:
        for _ in range(40):
            sizes, held = [], []
            for place in range(60):
                size = abs(random.normal()) * growth**place
                half = calibrated(sizes[-12:], adapted(held) if moves else LEVELS)
                if half.widths:
                    held.append(tuple(size <= width for width in half.widths))
                sizes.append(size)
            covered[moves] += [one[1] for one in held]
    off = {moves: abs(np.mean(found) - 0.8) for moves, found in covered.items()}
    assert off[True] < 0.03
    if growth != 1.0:
        assert off[True] < off[False]


def test_an_interval_that_did_not_hold_makes_the_next_ones_wider_than_its_error_alone() -> None:
    origins = [said(place, {RATE: 100.0}) for place in range(8)]
    nets = [0.0, *(100.0 + 10 * (place % 2) for place in range(5)), 200.0, 100.0]
    published = replay(origins, brought(7, nets))
    sizes = [abs(at(published, place).net.sum() - nets[place + 1]) / 100 for place in range(7)]
    plain = calibrated(sizes).widths
    assert at(published, 7).half.widths != pytest.approx(plain)
    held = [
        tuple(size <= width for width in half.widths)
        for size, half in zip(sizes, [at(published, place).half for place in range(7)], strict=True)
        if half.widths
    ]
    assert at(published, 7).half == calibrated(sizes, adapted(held))


def test_only_the_last_twelve_errors_make_the_interval() -> None:
    def halves(net_of_the_first: float) -> dict[int, tuple[Half, Half]]:
        origins = [said(place, {RATE: 100.0}) for place in range(27)]
        nets = [0.0, net_of_the_first, *(100.0 + place % 5 for place in range(28))]
        published = replay(origins, brought(27, nets))
        return {place: (at(published, place).half, at(published, place).half_daily) for place in (1, 12, 25, 26)}

    near, far = halves(100.0), halves(150.0)
    assert [half.origins for half, _ in near.values()] == [1, 12, 12, 12]
    assert near[12] != far[12]
    # The first month's error is forgotten after 12 origins, and what its correction did to twelve others after 12 more;
    # only whether intervals held is kept for good, which moves the levels.
    assert [near[place][1] for place in (25, 26)] == [far[place][1] for place in (25, 26)]
    for one, other in ((near[25], far[25]), (near[26], far[26])):
        assert one[0].widths == pytest.approx(other[0].widths, abs=0.01)


def test_days_err_in_mean_days_and_only_those_with_sales_count() -> None:
    def at_origin(place: int) -> Said:
        # A closed third day, beside two of 50.
        one = said(place, {RATE: 100.0})
        closed = one.daily.index[::2] + pd.Timedelta(days=5)
        daily = pd.concat([one.daily, pd.DataFrame({RATE: 0.0}, index=closed)]).sort_index()
        horizons = pd.Series(
            daily.index.to_period("M").map(lambda period: (period - START).n - place), index=daily.index
        )
        return Said(one.month, horizons, daily, 1.0)

    actual = {
        (month(place), 1): Actual(
            100.0,
            100.0,
            pd.Series(
                [40.0, 60.0], index=[(START + place + 1).start_time + pd.Timedelta(days=day) for day in (19, 20)]
            ),
        )
        for place in range(4)
    }
    published = replay([at_origin(place) for place in range(5)], actual)
    assert at(published, 3).half_daily.basis == NONE
    half = at(published, 4).half_daily
    assert (half.basis, half.origins) == (CONFORMAL, 4)
    assert half.widths == pytest.approx((0.2, 0.2, 0.2))
    assert at(published, 4).half.widths == pytest.approx((0.0, 0.0, 0.0))


def test_where_all_models_say_nothing_the_scale_is_0_and_such_an_origin_is_no_measure() -> None:
    origins = [said(place, {RATE: 0.0, NET: 0.0}) for place in range(6)]
    published = replay(origins, brought(6, 50.0))
    assert at(published, 5).scale == 0
    assert at(published, 5).half.origins == 0
    one_speaks = said(0, {RATE: 0.0, NET: 0.0, YEAR: -30.0})
    assert one_speaks.scale(1) == 30.0


def test_the_scale_is_the_size_of_the_median_model() -> None:
    assert said(0, {RATE: 10.0, NET: -40.0, YEAR: 100.0}).scale(1) == 40.0
    assert said(0, {RATE: 10.0, NET: -40.0}).scale(1) == 25.0
