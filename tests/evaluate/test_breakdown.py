"""Scores by kind of clip and by concept: known clips, planted effects, scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from neurons.evaluate.breakdown import LEVELS, SIZES, by_concept, by_kind, kinds_of_clip
from neurons.evaluate.comparisons import holm
from neurons.evaluate.measures import BY_CLIP, COLUMNS, interval
from neurons.evaluate.resampling import Resamples, block_permutations, resamples
from neurons.evaluate.settings import Evaluate

CLIPS = 48
IDS = [f"test{movie}:{index}" for movie in (1, 2) for index in range(CLIPS // 2)]
RESAMPLES = resamples(IDS, Evaluate(block_clips=2, bootstrap=400, permutations=399))


def masks(pixels: list[int]) -> np.ndarray:
    """Masks of 2 frames of 5 x 10 pixels with so many pixels of 100 set in each clip."""
    flat = np.arange(100) < np.array(pixels)[:, None]
    return flat.reshape(-1, 2, 5, 10).astype(np.uint8)


def kinds(clips: int, **given: object) -> dict[tuple[str, str], np.ndarray]:
    """Levels of clips without concepts, objects, tags and cuts, but for what is given."""
    plain: dict = {
        "concepts": np.zeros((clips, 0), np.uint8),
        "names": (),
        "key_masks": masks([0] * clips),
        "key_tags": [None] * clips,
        "tags": [[]] * clips,
        "cuts": np.zeros(clips, int),
    }
    return kinds_of_clip(**(plain | given))


def members(levels: dict[tuple[str, str], np.ndarray], factor: str) -> dict[str, list[int]]:
    return {level: np.flatnonzero(own).tolist() for (name, level), own in levels.items() if name == factor}


def test_sizes_of_key_objects_are_shares_of_all_pixels_up_to_the_limit() -> None:
    found = members(kinds(7, key_masks=masks([0, 1, 3, 4, 15, 16, 100])), "key object")
    assert found == {"none": [0], "below 3 %": [1, 2], "3 to 15 %": [3, 4], "above 15 %": [5, 6]}


def test_every_clip_has_one_size_and_either_a_cut_or_none() -> None:
    pixels, cuts = list(range(101)), np.arange(101) % 3
    levels = kinds(101, key_masks=masks(pixels), cuts=cuts)
    sizes = sum(levels["key object", name].astype(int) for name in SIZES)
    assert (sizes == 1).all()
    assert (levels["scene cut", "inside"] != levels["scene cut", "none"]).all()
    assert (levels["scene cut", "inside"] == (cuts > 0)).all()


def test_key_tags_numbers_of_things_and_concepts() -> None:
    concepts = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0]], np.uint8)
    levels = kinds(
        3,
        concepts=concepts,
        names=("animal", "tool", "plant"),
        key_tags=["dog", None, "dog"],
        tags=[["dog", "tree", "dog"], [], ["dog", "tree"]],
    )
    assert members(levels, "key object") == {"none": [0, 1, 2], "dog": [0, 2]}
    assert members(levels, "things tagged") == {"0": [1], "2": [0, 2]}
    assert members(levels, "concept") == {"animal": [0, 2], "plant": [0, 1]}
    assert members(levels, "scene cut") == {"none": [0, 1, 2]}


def test_means_by_hand() -> None:
    values = np.arange(CLIPS, dtype=float)
    values[[1, 40]] = np.nan
    inside = np.arange(CLIPS) < 4
    by_clip = pd.DataFrame({"clip": IDS, "psnr": values, "unlisted": values, "dice": 1.0})
    table = by_kind(by_clip, {("factor", "first"): inside}, RESAMPLES)
    assert list(table.columns) == LEVELS
    assert table["metric"].tolist() == ["psnr", "dice"]
    psnr, dice = (row for _, row in table.iterrows())
    assert (psnr["factor"], psnr["level"], psnr["n"]) == ("factor", "first", 3)
    assert psnr["value"] == pytest.approx((0 + 2 + 3) / 3)
    assert psnr["others"] == pytest.approx((sum(range(4, CLIPS)) - 40) / (CLIPS - 5))
    assert 0 <= psnr["low"] < psnr["value"] < psnr["high"] <= 3
    assert dice[["value", "low", "high", "others", "p"]].tolist() == [1] * 5


def test_a_level_of_all_clips_has_nothing_beside_it() -> None:
    by_clip = pd.DataFrame({"clip": IDS, "psnr": np.arange(CLIPS)})
    table = by_kind(by_clip, {("factor", "all"): np.full(CLIPS, True)}, RESAMPLES)
    assert table[["others", "p", "p_holm"]].isna().to_numpy().all()
    assert table["value"].tolist() == [(CLIPS - 1) / 2]


def test_levels_whose_clips_are_all_undefined_have_no_row() -> None:
    values = np.arange(CLIPS, dtype=float)
    values[:4] = np.nan
    levels = {("f", "undefined"): np.arange(CLIPS) < 4, ("f", "defined"): np.arange(CLIPS) >= 4}
    table = by_kind(pd.DataFrame({"clip": IDS, "dice": values}), levels, RESAMPLES)
    assert table["level"].tolist() == ["defined"]
    assert np.isnan(table["p"][0])


def test_a_level_that_no_bootstrap_sample_holds_has_a_mean_and_no_interval() -> None:
    by_clip = pd.DataFrame({"clip": IDS, "psnr": np.arange(float(CLIPS))})
    only_first = Resamples(np.zeros((1, CLIPS), int), RESAMPLES.permutations, RESAMPLES.blocks)
    table = by_kind(by_clip, {("f", "last"): np.arange(CLIPS) >= CLIPS - 4}, only_first)
    assert table["value"].tolist() == [CLIPS - 2.5]
    assert table[["low", "high"]].isna().to_numpy().all()


def test_two_levels_that_complete_each_other_share_p_and_swap_means() -> None:
    values = np.random.default_rng(0).normal(size=CLIPS)
    first = np.random.default_rng(1).random(CLIPS) < 0.3
    table = by_kind(
        pd.DataFrame({"clip": IDS, "psnr": values}),
        {("f", "a"): first, ("f", "b"): ~first},
        RESAMPLES,
    )
    assert table["p"][0] == table["p"][1]
    assert table["value"][0] == pytest.approx(table["others"][1])
    assert table["n"].sum() == CLIPS


def test_a_planted_effect_is_found_and_the_metric_without_it_is_not() -> None:
    generator = np.random.default_rng(2)
    inside = np.repeat(generator.random(CLIPS // 2) < 0.4, 2)
    noise = generator.normal(size=(2, CLIPS))
    by_clip = pd.DataFrame({"clip": IDS, "psnr": noise[0] + 2 * inside, "dice": noise[1]})
    levels = {("f", "harder"): inside, ("f", "other"): np.arange(CLIPS) % 4 < 2}
    table = by_kind(by_clip, levels, RESAMPLES).set_index(["level", "metric"])
    assert table.loc[("harder", "psnr"), "p"] == 1 / 400
    assert table.loc[("harder", "psnr"), "p_holm"] == pytest.approx(4 / 400)
    assert table.loc[("harder", "psnr"), "low"] > table.loc[("harder", "psnr"), "others"]
    assert (table["p_holm"].drop(("harder", "psnr")) > 0.05).all()
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy(float)))


def rejected(scene: int, block: int) -> tuple[int, int]:
    """Of levels that mean nothing, how many are found at .05; values and levels are constant within scenes."""
    generator = np.random.default_rng(3)
    found = []
    for simulation in range(80):
        inside = np.repeat(generator.permutation(CLIPS // scene) < 5, scene)
        values = np.repeat(generator.normal(size=(len(BY_CLIP), CLIPS // scene)), scene, axis=1)
        by_clip = pd.DataFrame({"clip": IDS} | dict(zip(BY_CLIP, values, strict=True)))
        permutations = block_permutations(IDS, block, 99, simulation)
        drawn = Resamples(RESAMPLES.bootstrap[:20], permutations, RESAMPLES.blocks)
        found += by_kind(by_clip, {("f", "level"): inside}, drawn)["p"].tolist()
    return int((np.array(found) <= 0.05).sum()), len(found)


def test_levels_that_mean_nothing_are_found_as_often_as_promised() -> None:
    count, total = rejected(scene=4, block=4)
    low, high = binom.interval(0.999, total, 0.05)
    assert total == 80 * len(BY_CLIP)
    assert low <= count <= high


def test_permuting_levels_of_single_clips_would_find_levels_that_mean_nothing() -> None:
    count, total = rejected(scene=4, block=1)
    assert count > binom.ppf(0.999, total, 0.05)


def test_interval_is_that_of_the_mean_over_the_clips_of_the_level() -> None:
    values = np.random.default_rng(4).normal(size=CLIPS)
    inside = np.arange(CLIPS) % 3 == 0
    own = by_kind(pd.DataFrame({"clip": IDS, "psnr": values}), {("f", "x"): inside}, RESAMPLES)
    means = np.array(
        [values[drawn][inside[drawn]].mean() for drawn in RESAMPLES.bootstrap if inside[drawn].any()]
    )
    blocks = len(set(RESAMPLES.blocks[inside].tolist()))
    np.testing.assert_allclose(own[["low", "high"]].to_numpy(float)[0], interval(means, blocks), rtol=1e-9)


@pytest.fixture(scope="module")
def recognition() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    generator = np.random.default_rng(5)
    truth = (generator.random((CLIPS, 4)) < [0.5, 0.1, 0.9, 0.0]).astype(np.uint8)
    probability = np.round(np.clip(0.4 * truth + 0.6 * generator.random(truth.shape), 0, 1), 1)
    names = ("animal", "tool", "plant", "money")
    return truth, probability, by_concept(truth, probability, 0.6, names, RESAMPLES)


def test_concepts_equal_scikit_learn(recognition: tuple[np.ndarray, np.ndarray, pd.DataFrame]) -> None:
    truth, probability, table = recognition
    assert list(table.columns) == ["concept", *COLUMNS]
    found = table.set_index(["concept", "metric"])["value"].astype(float)
    for c, name in enumerate(("animal", "tool", "plant")):
        own = truth[:, c], probability[:, c] >= 0.6
        assert found[name, "concept_ap"] == pytest.approx(
            average_precision_score(truth[:, c], probability[:, c])
        )
        assert found[name, "concept_precision"] == pytest.approx(precision_score(*own))
        assert found[name, "concept_recall"] == pytest.approx(recall_score(*own))
        assert found[name, "concept_f1"] == pytest.approx(f1_score(*own))


def test_concepts_say_on_how_many_clips_they_rest_and_their_chance(
    recognition: tuple[np.ndarray, np.ndarray, pd.DataFrame],
) -> None:
    truth, _, table = recognition
    rows = table[table["metric"] == "concept_ap"].set_index("concept")
    assert rows["n"].tolist() == truth.sum(0).tolist()
    np.testing.assert_allclose(rows["chance"].astype(float)[:3], truth.mean(0)[:3])
    money = table[table["concept"] == "money"].set_index("metric")
    assert money.loc["concept_ap", ["value", "low", "high", "chance", "p"]].isna().all()
    assert np.isnan(float(money.loc["concept_recall", "value"]))


def test_a_recognised_concept_is_significant_and_a_constant_answer_is_not() -> None:
    truth = np.random.default_rng(6).integers(0, 2, (CLIPS, 2))
    probability = np.stack([truth[:, 0], np.full(CLIPS, 0.9)], 1)
    table = by_concept(truth, probability, 0.5, ("known", "constant"), RESAMPLES)
    p = table.set_index(["concept", "metric"])["p"].astype(float)
    assert (p["known"] == 1 / 400).all()
    assert (p["constant"] == 1).all()


def test_without_decoded_concepts_there_is_a_header() -> None:
    table = by_concept(np.ones((CLIPS, 0)), np.ones((CLIPS, 0)), 0.5, (), RESAMPLES)
    assert list(table.columns) == ["concept", *COLUMNS]
    assert table.empty
