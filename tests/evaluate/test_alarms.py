"""Each alarm is raised by its fault, planted, and by nothing else."""

import numpy as np
import pandas as pd
import pytest

from neurons.evaluate.alarms import (
    ALARMS,
    COPY_DB,
    SAME_LEVELS,
    Finding,
    above_ceiling,
    copies,
    crossing_cuts,
    repeats,
    seen_in_training,
    thumbnails,
    trained_on_test,
)

CLIPS = 30
IDS = [f"test1:{index}" for index in range(CLIPS)]
TRAINING_IDS = [f"seg1:{index}" for index in range(CLIPS)]


def videos(seed: int) -> np.ndarray:
    """Clips of 3 frames of 32 x 32 px, each a random picture of 16 x 16 fields of grey levels 20 to 219."""
    fields = np.random.default_rng(seed).integers(20, 220, (CLIPS, 3, 16, 16, 3), dtype=np.uint8)
    return fields.repeat(2, axis=2).repeat(2, axis=3)


TRUTH, OTHER = videos(0), videos(1)


def test_thumbnails_are_means_of_areas() -> None:
    frames = np.random.default_rng(2).integers(0, 256, (4, 3, 64, 32, 3), dtype=np.uint8)
    expected = frames.reshape(4, 3, 16, 4, 16, 2, 3).mean((3, 5)).reshape(4, -1)
    found = thumbnails(frames)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_a_prediction_that_is_the_truth_is_a_copy() -> None:
    prediction = OTHER.copy()
    prediction[[4, 7]] = TRUTH[[4, 7]]
    finding = copies(TRUTH, prediction, IDS)
    assert finding.raised
    assert (finding.count, finding.of, list(finding.clips)) == (2, CLIPS, ["test1:4", "test1:7"])


def test_other_predictions_are_no_copies() -> None:
    finding = copies(TRUTH, OTHER, IDS)
    assert not finding.raised
    assert (finding.count, finding.of, list(finding.clips)) == (0, CLIPS, [])


@pytest.mark.parametrize("levels", [2, 3])
def test_copies_are_counted_from_40_db_on(levels: int) -> None:
    # An error of d grey levels everywhere has 20 log10(255 / d) dB: 42.1 for 2, 38.6 for 3.
    assert copies(TRUTH, TRUTH + np.uint8(levels), IDS).raised == (20 * np.log10(255 / levels) >= COPY_DB)


def test_one_prediction_for_all_clips_is_collapse() -> None:
    finding = repeats(np.broadcast_to(TRUTH[:1], TRUTH.shape), IDS)
    assert finding.raised
    assert (finding.count, finding.of) == (CLIPS, CLIPS)


def test_different_predictions_are_no_collapse() -> None:
    finding = repeats(TRUTH, IDS)
    assert not finding.raised
    assert finding.count == 1


@pytest.mark.parametrize(("alike", "raised"), [(2, False), (3, True), (20, True)])
def test_a_tenth_of_clips_with_one_prediction_is_collapse(alike: int, raised: bool) -> None:
    prediction = TRUTH.copy()
    where = np.arange(alike) + 5
    prediction[where] = TRUTH[5] + (np.arange(alike) % 2).astype(np.uint8)[:, None, None, None, None]
    finding = repeats(prediction, IDS)
    assert finding.raised == raised
    assert list(finding.clips) == [IDS[i] for i in where]


def test_a_single_clip_repeats_nothing() -> None:
    assert not repeats(TRUTH[:1], IDS[:1]).raised


@pytest.mark.parametrize("order", [np.arange(CLIPS), np.arange(CLIPS)[::-1]])
def test_a_test_clip_that_is_nearly_a_training_clip_is_found_with_its_twin(order: np.ndarray) -> None:
    training = OTHER.copy()
    training[11] = TRUTH[3] + np.random.default_rng(3).integers(-1, 2, TRUTH[3].shape).astype(np.uint8)
    finding = seen_in_training(TRUTH, IDS, training[order], [TRAINING_IDS[i] for i in order])
    assert finding.raised
    assert (finding.count, finding.of, list(finding.clips)) == (1, CLIPS, ["test1:3 = seg1:11"])


def test_training_clips_that_look_otherwise_are_not_found() -> None:
    assert not seen_in_training(TRUTH, IDS, OTHER, TRAINING_IDS).raised
    lighter = TRUTH + np.uint8(SAME_LEVELS + 1)
    assert not seen_in_training(TRUTH, IDS, lighter, TRAINING_IDS).raised
    backwards = TRUTH[:, ::-1]
    assert not seen_in_training(TRUTH, IDS, backwards, TRAINING_IDS).raised


def test_clips_of_one_id_in_both_splits_are_found_whatever_they_look_like() -> None:
    finding = seen_in_training(TRUTH, IDS, OTHER, [*TRAINING_IDS[:-1], "test1:8"])
    assert finding.raised
    assert list(finding.clips) == ["test1:8"]


def table(**intervals: tuple[float, float, bool | None]) -> pd.DataFrame:
    rows = [
        {"metric": name, "low": low, "high": high, "higher_is_better": better}
        for name, (low, high, better) in intervals.items()
    ]
    return pd.DataFrame(rows)


ORACLE = {"psnr": (10.0, 12.0, True), "dice": (0.4, 0.6, True), "flow_epe": (3.0, 4.0, False)}


def test_a_score_wholly_above_the_oracle_is_found() -> None:
    own = {"psnr": (12.1, 14.0, True), "dice": (0.5, 0.7, True), "flow_epe": (5.0, 6.0, False)}
    finding = above_ceiling(table(**own), table(**ORACLE))
    assert finding.raised
    assert (finding.count, finding.of, list(finding.clips)) == (1, 2, ["psnr"])


@pytest.mark.parametrize(
    "own",
    [
        ORACLE,
        {"psnr": (11.9, 20.0, True), "dice": (0.1, 0.2, True)},
        {"flow_epe": (5.0, 6.0, False)},
        {"clip_adjacent": (0.9, 0.95, None)},
        {"ssim_gray2d": (0.9, 0.95, True)},
        {"psnr": (np.nan, np.nan, True)},
    ],
    ids=["the oracle", "overlapping or below", "more error", "neither", "not the oracle's", "undefined"],
)
def test_scores_that_are_not_above_the_oracle_are_not_found(
    own: dict[str, tuple[float, float, bool | None]],
) -> None:
    finding = above_ceiling(table(**own), table(**ORACLE, clip_adjacent=(0.1, 0.2, None)))
    assert not finding.raised
    assert finding.count == 0


def test_a_test_file_is_known_by_its_content_and_not_by_its_name() -> None:
    test = {"annotate/test1/labels.safetensors": "aaaa", "annotate/test2/labels.safetensors": "bbbb"}
    read = {"model: labels seg1/labels.safetensors": "bbbb", "model: labels seg2/labels.safetensors": "cccc"}
    finding = trained_on_test(read, test)
    assert finding.raised
    assert (finding.count, finding.of) == (1, 2)
    assert list(finding.clips) == ["annotate/test2/labels.safetensors"]
    clean = trained_on_test({"model: labels annotate/test1/labels.safetensors": "cccc"}, test)
    assert not clean.raised
    assert (clean.count, clean.of) == (0, 1)


@pytest.mark.parametrize("cuts", [[0, 0, 0], [0, 2, 1]])
def test_cuts_are_counted_and_never_an_alarm(cuts: list[int]) -> None:
    finding = crossing_cuts(np.array(cuts), IDS[:3])
    assert not finding.raised
    assert (finding.count, finding.of) == (sum(cut > 0 for cut in cuts), 3)
    assert list(finding.clips) == [identity for identity, cut in zip(IDS[:3], cuts, strict=True) if cut]


def test_a_row_has_all_columns_and_at_most_five_clips() -> None:
    row = Finding("name", True, 7, 9, "what", IDS[:7]).row("ours", "subject1")
    assert list(row) == ALARMS
    assert row["clips"] == "test1:0, test1:1, test1:2, test1:3, test1:4"
    assert (row["variant"], row["subject"], row["count"], row["of"]) == ("ours", "subject1", 7, 9)
