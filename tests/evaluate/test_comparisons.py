"""Paired comparisons: exact where they can be, calibrated where they are sampled, the same from both sides."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from neurons.artifacts import InputError
from neurons.evaluate.comparisons import COMPARED, compare, holm, mean_over_subjects, sign_flip_p
from neurons.evaluate.measures import BY_CLIP, interval
from neurons.evaluate.resampling import block_bootstrap, block_numbers

IDS = [f"test{movie}:{index}" for movie in (1, 2) for index in range(8)]
OPTIONS = {"block_clips": 2, "bootstrap": 200, "permutations": 256, "seed": 0}
"""16 clips are 8 blocks: 256 permutations are all combinations of signs."""


def by_hand(differences: np.ndarray, blocks: np.ndarray) -> float:
    """Share of all combinations of signs, one sign per block, whose mean is at least as far from 0."""
    names = sorted(set(blocks.tolist()))
    means = []
    for signs in product((-1, 1), repeat=len(names)):
        flip = dict(zip(names, signs, strict=True))
        means.append(
            abs(np.mean([flip[b] * d for b, d in zip(blocks.tolist(), differences.tolist(), strict=True)]))
        )
    return float(np.mean([mean >= abs(differences.mean()) - 1e-12 for mean in means]))


@pytest.mark.parametrize("blocks", [[0, 0, 1, 1, 2, 3, 3, 3], [5, 9, 5, 9, 2, 2, 7, 0], list(range(8))])
def test_exact_p_equals_brute_force(blocks: list[int]) -> None:
    differences = np.random.default_rng(8).normal(0.8, 1, 8)
    expected = by_hand(differences, np.array(blocks))
    assert 0 < expected < 1
    assert sign_flip_p(differences, np.array(blocks), 256, 0) == pytest.approx(expected)


def test_few_blocks_bound_p_from_below() -> None:
    assert sign_flip_p(np.ones(12), np.repeat([0, 1, 2], 4), 1000, 0) == 2 / 2**3


def test_sampled_p_is_near_the_exact_one() -> None:
    differences, blocks = np.random.default_rng(1).normal(0.4, 1, 12), np.arange(12)
    exact = sign_flip_p(differences, blocks, 2**12, 0)
    draws = 2**12 - 1
    low, high = binom.interval(0.9999, draws, exact)
    sampled = sign_flip_p(differences, blocks, draws, 0)
    assert (1 + low) / (1 + draws) <= sampled <= (1 + high) / (1 + draws)
    assert sampled * (1 + draws) == pytest.approx(round(sampled * (1 + draws)))


@pytest.mark.parametrize("samples", [50, 2**10])
def test_p_does_not_depend_on_sign_scale_or_names_of_blocks(samples: int) -> None:
    differences, blocks = np.random.default_rng(2).normal(0.3, 1, 20), np.repeat(np.arange(10), 2)
    p = sign_flip_p(differences, blocks, samples, 3)
    assert 1 / samples < p < 1
    assert sign_flip_p(-differences, blocks, samples, 3) == p
    assert sign_flip_p(1000 * differences, blocks, samples, 3) == p
    assert sign_flip_p(differences, blocks * 7 + 5, samples, 3) == p


@pytest.mark.parametrize("samples", [10, 1000])
def test_no_difference_has_p_1(samples: int) -> None:
    assert sign_flip_p(np.zeros(20), np.repeat(np.arange(5), 4), samples, 0) == 1
    cancelling = np.tile([0.1, 0.2, -0.3], 5)
    assert sign_flip_p(cancelling, np.repeat(np.arange(5), 3), samples, 0) == 1


def p_of_null_experiments(block_of_test: np.ndarray) -> np.ndarray:
    """1000 experiments: two predictions of equal quality, their (skewed) scores correlated within blocks of four clips."""
    generator = np.random.default_rng(4)
    scores = generator.exponential(size=(1000, 2, 10, 1)) + 0.3 * generator.normal(size=(1000, 2, 10, 4))
    differences = (scores[:, 0] - scores[:, 1]).reshape(1000, 40)
    return np.array([sign_flip_p(own, block_of_test, 2**10, k) for k, own in enumerate(differences)])


def test_null_experiments_are_rejected_as_often_as_promised() -> None:
    found = p_of_null_experiments(np.repeat(np.arange(10), 4))
    low, high = binom.interval(0.999, len(found), 0.05)
    assert low <= (found <= 0.05).sum() <= high
    assert kstest(found, "uniform").pvalue > 0.001


def test_flipping_single_clips_would_find_differences_in_noise() -> None:
    found = p_of_null_experiments(np.arange(40))
    assert (found <= 0.05).sum() > 2 * binom.ppf(0.999, len(found), 0.05)


def test_a_clear_difference_is_found_and_more_often_the_larger_it_is() -> None:
    generator, blocks = np.random.default_rng(5), np.repeat(np.arange(10), 4)
    noise = np.repeat(generator.normal(size=(100, 10)), 4, axis=1)
    power = [
        np.mean([sign_flip_p(own + effect, blocks, 2**10, 0) <= 0.05 for own in noise])
        for effect in (0.5, 1, 2)
    ]
    assert power[0] < power[1] < power[2]
    # A t-test of ten differences finds one of 1 SD with power .80, one of 2 SD nearly always.
    assert 0.6 < power[1] < 0.95
    assert power[2] > 0.95


def holm_restated(p: list[float]) -> list[float]:
    """The largest of (number of hypotheses not yet passed) x p over all p up to one's own, at most 1."""
    tested = sorted(value for value in p if not np.isnan(value))
    steps = [(len(tested) - rank) * value for rank, value in enumerate(tested)]
    return [
        np.nan
        if np.isnan(value)
        else min(1.0, max(step for step, other in zip(steps, tested, strict=True) if other <= value))
        for value in p
    ]


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan), st.sampled_from([0.01, 0.02, 0.5])), max_size=12))
def test_holm_equals_its_definition(p: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p, dtype=float)), holm_restated(p), rtol=1e-12)


def test_holm_known_answer() -> None:
    # 4 x .005, 3 x .01, 2 x .03, 1 x .04 (not below the step before it); NaN is no hypothesis.
    corrected = holm(np.array([0.01, np.nan, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, np.nan, 0.06, 0.06, 0.02])


def scores(seed: int, mean: float = 0.0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    values = {name: generator.normal(mean, 1, len(IDS)) for name in ("psnr", "dice")}
    return pd.DataFrame({"clip": IDS, **values})


def test_difference_interval_and_p_by_hand() -> None:
    ours, other = scores(0, 1.0), scores(1)
    table = compare({"ours": ours, "other": other}, "subject1", **OPTIONS)
    assert list(table.columns) == COMPARED
    assert table["metric"].tolist() == ["psnr", "dice"]
    assert table["subject"].unique().tolist() == ["subject1"]
    for _, row in table.iterrows():
        differences = (ours[row["metric"]] - other[row["metric"]]).to_numpy()
        assert row["difference"] == pytest.approx(differences.mean())
        assert row["p"] == pytest.approx(by_hand(differences, np.arange(16) // 2))
        assert row["low"] < row["difference"] < row["high"]
        assert row["n"] == 16
    np.testing.assert_allclose(table["p_holm"], holm_restated(table["p"].tolist()))


def test_interval_is_that_of_the_block_bootstrap_of_the_mean() -> None:
    ours, other = scores(0), scores(1)
    table = compare({"ours": ours, "other": other}, "s", **{**OPTIONS, "bootstrap": 4000})
    differences = (ours["psnr"] - other["psnr"]).to_numpy()
    means = differences[block_bootstrap(IDS, 2, 4000, seed=99)].mean(1)
    expected = interval(means, blocks=8)
    found = table.loc[table["metric"] == "psnr", ["low", "high"]].to_numpy(float)[0]
    np.testing.assert_allclose(found, expected, atol=0.1 * np.ptp(expected))


def test_order_of_clips_does_not_matter() -> None:
    ours, other = scores(0, 1.0), scores(1)
    expected = compare({"ours": ours, "other": other}, "s", **OPTIONS)
    mixed = other.sample(frac=1, random_state=0)
    assert mixed["clip"].tolist() != IDS
    pd.testing.assert_frame_equal(compare({"ours": ours, "other": mixed}, "s", **OPTIONS), expected)
    pd.testing.assert_frame_equal(
        compare({"ours": ours.iloc[::-1], "other": mixed}, "s", **OPTIONS), expected
    )


def test_seen_from_the_other_side_signs_are_turned_and_the_winner_is_the_same() -> None:
    ours, other = scores(0, 2.0), scores(1)
    one, two = (
        compare(dict(pair), "s", **OPTIONS)
        for pair in ([("ours", ours), ("other", other)], [("other", other), ("ours", ours)])
    )
    np.testing.assert_allclose(one["difference"], -two["difference"])
    np.testing.assert_allclose(one[["low", "high"]], -two[["high", "low"]])
    np.testing.assert_allclose(one["p"], two["p"])
    assert one["better"].tolist() == two["better"].tolist() == ["ours", "ours"]


def test_a_copy_differs_by_nothing_and_does_not_win() -> None:
    ours = scores(0)
    table = compare({"ours": ours, "copy": ours.sample(frac=1, random_state=1)}, "s", **OPTIONS)
    assert (table[["difference", "low", "high"]] == 0).to_numpy().all()
    assert (table[["p", "p_holm"]] == 1).to_numpy().all()
    assert table["better"].tolist() == ["", ""]


def test_the_winner_needs_the_corrected_p() -> None:
    near = scores(0)
    shift = np.tile([1.0, -0.2], 8).cumsum() / 8
    variants = {f"v{k}": near.assign(psnr=near["psnr"] + shift * k, dice=near["dice"]) for k in range(4)}
    table = compare(variants, "s", **OPTIONS)
    smallest = table["p"].min()
    assert smallest == 2 / 2**8
    assert len(table) == 12
    assert (table["p_holm"] >= table["p"]).all()
    assert (table.loc[table["p"] < 0.05, "p_holm"] >= 0.05).all()
    assert table["better"].unique().tolist() == [""]


def test_only_means_over_clips_where_more_is_better_are_compared() -> None:
    ours, other = (
        scores(seed).assign(flow_epe=float(seed), caption_empty=0.0, frechet_video=1.0) for seed in (0, 1)
    )
    found = compare({"ours": ours, "other": other.drop(columns="dice")}, "s", **OPTIONS)
    assert found["metric"].tolist() == ["psnr"]
    assert not {"flow_epe", "caption_empty", "frechet_video"} & set(BY_CLIP)


def test_clips_where_one_is_undefined_do_not_count() -> None:
    ours, other = scores(0), scores(1)
    ours.loc[[0, 5], "dice"] = np.nan
    other.loc[[5, 9], "dice"] = np.nan
    table = compare({"ours": ours, "other": other}, "s", **OPTIONS).set_index("metric")
    assert table["n"].to_dict() == {"psnr": 16, "dice": 13}
    assert table.loc["dice", "difference"] == pytest.approx((ours["dice"] - other["dice"]).mean())
    differences = (ours["dice"] - other["dice"]).to_numpy()
    both = np.isfinite(differences)
    assert table.loc["dice", "p"] == pytest.approx(by_hand(differences[both], (np.arange(16) // 2)[both]))


def test_a_metric_that_is_undefined_everywhere_has_no_row() -> None:
    ours, other = scores(0), scores(1).assign(dice=np.nan)
    assert compare({"ours": ours, "other": other}, "s", **OPTIONS)["metric"].tolist() == ["psnr"]


@pytest.mark.parametrize("variants", [{}, {"ours": scores(0)}])
def test_fewer_than_two_variants_have_nothing_to_compare(variants: dict[str, pd.DataFrame]) -> None:
    table = compare(variants, "s", **OPTIONS)
    assert list(table.columns) == COMPARED
    assert len(table) == 0


@pytest.mark.parametrize("shorter", ["ours", "other"])
def test_a_missing_clip_is_named_whichever_variant_lacks_it(shorter: str) -> None:
    variants = {"ours": scores(0), "other": scores(1)}
    variants[shorter] = variants[shorter].drop(index=11)
    with pytest.raises(InputError, match="test2:3"):
        compare(variants, "s", **OPTIONS)


def test_mean_over_subjects_is_clip_by_clip() -> None:
    one, two = scores(0), scores(1)
    two.loc[3, "dice"] = np.nan
    mean = mean_over_subjects([one, two.sample(frac=1, random_state=2).assign(ssim_gray2d=1.0)])
    assert mean["clip"].tolist() == IDS
    assert set(mean.columns) == {"clip", "psnr", "dice"}
    np.testing.assert_allclose(mean["psnr"], (one["psnr"] + two["psnr"]) / 2)
    assert np.flatnonzero(mean["dice"].isna()).tolist() == [3]


@pytest.mark.parametrize("shorter", [0, 1])
def test_subjects_who_saw_other_clips_are_refused(shorter: int) -> None:
    tables = [scores(0), scores(1)]
    tables[shorter] = tables[shorter].drop(index=2)
    with pytest.raises(InputError, match="test1:2"):
        mean_over_subjects(tables)


def test_blocks_of_a_comparison_are_neighbours_within_movies() -> None:
    assert block_numbers(IDS, 3).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    backwards = block_numbers(IDS[::-1], 3)
    assert backwards.tolist() == block_numbers(IDS, 3)[::-1].tolist()
