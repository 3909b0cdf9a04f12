"""The `table` back end and the step, on a movie of two scenes written by hand."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from neurons.annotate import steps
from neurons.annotate.concepts import CONCEPTS
from neurons.annotate.settings import Annotate
from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_table, write_tensors

RATE, SIZE, FRAMES, CLIPS = 10, 20, 6, 3
SWITCH_S = 3.5
SCENES = pd.DataFrame(
    {
        "start_s": [0.0, SWITCH_S],
        "end_s": [SWITCH_S, 6.0],
        "caption": ["a car drives left", "a dog sits near a ball"],
        "tags": ["car|road", "dog|ball|field"],
    }
)
INSTANCES = pd.DataFrame(
    {
        "instance": [0, 1, 2],
        "tag": ["car", "dog", "ball"],
        "start_s": [0, SWITCH_S, SWITCH_S],
        "end_s": [SWITCH_S, 6, 6],
    }
)
MADE_BY = provenance("test", {})


def block(left: int, top: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + 4, left : left + 4] = True
    return mask


def write_masks(folder: Path, rate: int = RATE, drop: slice | None = None, **changes: Any) -> None:
    """Masks of a car that moves right by 2 px per second, then of a dog at rest and a ball that moves."""
    times = np.arange(6 * rate) / rate
    masks = np.zeros((len(times), 2, SIZE, SIZE), bool)
    instance = np.full((len(times), 2), -1, np.int32)
    for row, time in enumerate(times):
        if time < SWITCH_S:
            masks[row, 0], instance[row, 0] = block(round(2 * time), 2), 0
        else:
            masks[row], instance[row] = [block(round(4 * (time - SWITCH_S)), 12), block(8, 4)], [2, 1]
    if drop is not None:
        instance[drop] = -1
    tensors = {"time_s": times, "masks": np.packbits(masks, axis=-1), "instance": instance, **changes}
    write_tensors(folder / "m_masks.safetensors", tensors, MADE_BY, width=SIZE)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Folder with the files of `cut` and of the back end for the movie m."""
    ids = [f"m:{index}" for index in range(CLIPS)]
    times = 2 * np.arange(CLIPS)[:, None] + np.arange(FRAMES) / 3
    shown = np.floor(times * RATE) / RATE
    frames = np.zeros((CLIPS, FRAMES, SIZE, SIZE, 3), np.uint8)
    tensors = {"frames": frames, "time_s": times, "source_time_s": shown}
    write_tensors(tmp_path / "frames.safetensors", tensors, MADE_BY, ids, frame_duration_s=1 / RATE)
    table = pd.DataFrame(
        {"clip": ids, "start_s": 2.0 * np.arange(CLIPS), "end_s": 2.0 * np.arange(CLIPS) + 2}
    )
    write_table(tmp_path / "clips.tsv", table, MADE_BY)
    write_table(tmp_path / "m_captions.tsv", SCENES, MADE_BY)
    write_table(tmp_path / "m_instances.tsv", INSTANCES, MADE_BY)
    write_masks(tmp_path)
    return tmp_path


def run(folder: Path, **settings: Any) -> tuple[pd.DataFrame, TensorFile, pd.DataFrame]:
    outputs = folder / "annotation.parquet", folder / "labels.safetensors", folder / "tags.tsv"
    steps.clips(
        movie="m",
        clips=folder / "clips.tsv",
        frames=folder / "frames.safetensors",
        folder=folder,
        settings=Annotate(**{"mask_size_px": SIZE, **settings}),
        annotation=outputs[0],
        labels=outputs[1],
        tags=outputs[2],
        sheet=folder / "sheet.png",
    )
    return read_table(outputs[0]), TensorFile(outputs[1]), read_table(outputs[2])


def test_captions_tags_and_concepts(study: Path) -> None:
    annotation, labels, _ = run(study)
    assert annotation["clip"].tolist() == labels.clip_ids == ["m:0", "m:1", "m:2"]
    assert annotation["caption"].tolist() == [
        SCENES["caption"][0],
        SCENES["caption"][0],
        SCENES["caption"][1],
    ]
    assert [list(tags) for tags in annotation["tags"]] == [
        ["car", "road"],
        ["car", "road", "dog", "ball", "field"],
        ["dog", "ball", "field"],
    ]
    for row, concepts in zip(labels["concepts"], annotation["concepts"], strict=True):
        assert [CONCEPTS[index] for index in np.flatnonzero(row)] == sorted(concepts, key=CONCEPTS.index)
    assert set(annotation["concepts"][0]) == {"vehicle", "roadway"}


def test_key_object_with_its_masks(study: Path) -> None:
    annotation, labels, _ = run(study)
    assert annotation["key_tag"].tolist() == ["car", "dog", "dog"]
    assert annotation["key_concept"].tolist() == ["vehicle", "animal", "animal"]
    assert annotation["key_instance"].tolist() == [0, 1, 1]
    assert [CONCEPTS[index] for index in labels["key_concept"]] == annotation["key_concept"].tolist()
    assert labels["key_mask"].shape == (CLIPS, FRAMES, SIZE, SIZE)
    car = [block(round(2 * time), 2) for time in np.floor(np.arange(6) / 3 * RATE) / RATE]
    assert (labels["key_mask"][0] == car).all()
    seen = [bool(mask.any()) for mask in labels["key_mask"][1]]
    assert seen == [False, False, False, False, False, True], (
        "the dog appears at 3.5 s, in the last frame of clip 1"
    )
    assert (labels["key_mask"][2] == block(8, 4)).all()


def test_without_priority_the_moving_object_wins(study: Path) -> None:
    annotation, _, _ = run(study, key_object={"priority_concepts": []})
    assert annotation["key_tag"].tolist() == ["car", "car", "ball"]
    assert "weighted displacement" in annotation["key_reason"][2]


def test_masks_are_shrunk_to_the_wanted_size(study: Path) -> None:
    _, labels, _ = run(study, mask_size_px=10)
    whole = np.zeros((10, 10))
    whole[2:4, 4:6] = 1
    assert (labels["key_mask"][2] == whole).all()


def test_tag_table_lists_unknown_words(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_table(study / "m_captions.tsv", SCENES.assign(tags=["car|quux", "dog|ball"]), MADE_BY)
    _, _, tags = run(study)
    rows = tags.set_index("tag")
    assert rows["clips"].to_dict() == {"ball": 2, "car": 2, "dog": 2, "quux": 2}
    assert pd.isna(rows["concepts"]["quux"])
    assert "quux" in caplog.text


def test_same_input_gives_the_same_bytes(study: Path) -> None:
    names = ("annotation.parquet", "labels.safetensors", "tags.tsv", "sheet.png")
    run(study)
    first = [(study / name).read_bytes() for name in names]
    run(study)
    assert [(study / name).read_bytes() for name in names] == first


def test_clips_without_concept_are_all_listed(study: Path) -> None:
    write_table(study / "m_captions.tsv", SCENES.assign(tags=["quux", "dog"]), MADE_BY)
    write_table(study / "m_instances.tsv", INSTANCES.assign(tag=["quux", "dog", "ball"]), MADE_BY)
    with pytest.raises(
        InputError, match=r"1 of 3 clips cannot be annotated:\n- m:0: none of its tags .* quux"
    ):
        run(study)
    write_table(study / "m_captions.tsv", SCENES.assign(tags=["quux", "quux"]), MADE_BY)
    write_table(study / "m_instances.tsv", INSTANCES.assign(tag="quux"), MADE_BY)
    with pytest.raises(InputError, match=r"(?s)3 of 3 clips.*m:0.*m:1.*m:2"):
        run(study)


def test_clip_without_visible_object(study: Path) -> None:
    write_masks(study, drop=slice(0, 2 * RATE))
    with pytest.raises(InputError, match=r"1 of 3 clips .*\n- m:0: no mask of an object"):
        run(study)


def test_masks_must_belong_to_the_frames(study: Path) -> None:
    write_masks(study, rate=3)
    with pytest.raises(InputError, match=r"m:0: no masks within 0\.0500 s"):
        run(study)


def test_gap_between_scenes(study: Path) -> None:
    write_table(study / "m_captions.tsv", SCENES.assign(end_s=[2.8, 6.0]), MADE_BY)
    with pytest.raises(InputError, match=r"1 of 3 clips .*\n- m:1: m_captions\.tsv has no scene at .* 3\.0"):
        run(study)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_s": [0.0, 3.0]}, "row 2 starts before row 1 ends"),
        ({"end_s": [-1.0, 6.0]}, "row 1 ends before it starts"),
        ({"caption": ["x", None]}, "row 2 has no caption"),
        ({"tags": [None, "dog"]}, "row 1 has no tags"),
    ],
)
def test_faulty_scenes(study: Path, changes: dict[str, Any], message: str) -> None:
    write_table(study / "m_captions.tsv", SCENES.assign(**changes), MADE_BY)
    with pytest.raises(InputError, match=message):
        run(study)


def test_faulty_instances(study: Path) -> None:
    write_table(study / "m_instances.tsv", INSTANCES[:2], MADE_BY)
    with pytest.raises(InputError, match=r"has instances that m_instances\.tsv lacks: \[2\]"):
        run(study)
    write_table(study / "m_instances.tsv", INSTANCES.assign(instance=[0, 1, 1]), MADE_BY)
    with pytest.raises(InputError, match="not unique"):
        run(study)


def test_missing_files_are_all_listed(study: Path) -> None:
    (study / "m_captions.tsv").unlink()
    (study / "m_masks.safetensors").unlink()
    with pytest.raises(InputError, match=r"m_captions\.tsv.*m_masks\.safetensors"):
        run(study)


def test_width_must_fit_the_packed_masks(study: Path) -> None:
    write_masks(study, masks=np.zeros((6 * RATE, 2, SIZE, 5), np.uint8))
    with pytest.raises(InputError, match="`width` is 20, masks are 5 bytes wide"):
        run(study)


def test_unknown_concepts_in_the_settings(study: Path) -> None:
    with pytest.raises(InputError, match=r"\['people'\]"):
        run(study, key_object={"priority_concepts": ["people"]})


def as_pictures(folder: Path) -> list[Path]:
    """The masks as PNG pictures instead of a tensor file, at the frames of the clips."""
    file, times = TensorFile(folder / "m_masks.safetensors"), TensorFile(folder / "frames.safetensors")
    masks = np.unpackbits(file["masks"], axis=-1, count=SIZE)
    (folder / "m_masks").mkdir()
    for clip, shown in enumerate(times["source_time_s"]):
        for frame, time in enumerate(shown):
            row = int(np.abs(file["time_s"] - time).argmin())
            for slot, instance in enumerate(file["instance"][row]):
                if instance >= 0:
                    cv2.imwrite(
                        str(folder / f"m_masks/{clip}_{frame}_{instance}.png"), masks[row, slot] * 255
                    )
    (folder / "m_masks.safetensors").unlink()
    return sorted((folder / "m_masks").iterdir())


def test_masks_as_pictures_are_the_same_masks(study: Path) -> None:
    before = run(study)
    written = as_pictures(study)
    assert len(written) > 2 * FRAMES
    after = run(study)
    pd.testing.assert_frame_equal(before[0], after[0])
    assert (before[1]["key_mask"] == after[1]["key_mask"]).all()


def test_faulty_pictures_are_named(study: Path) -> None:
    first = as_pictures(study)[0]
    stray = first.with_name("notes.png")
    stray.write_bytes(first.read_bytes())
    first.with_name("0_0_9.png").write_bytes(first.read_bytes())
    with pytest.raises(InputError, match=r"0_0_9\.png, notes\.png \(2 in all\)"):
        run(study)
    stray.unlink()
    first.with_name("0_0_9.png").unlink()
    first.with_name("0_7_0.png").write_bytes(first.read_bytes())
    with pytest.raises(InputError, match=r"m:0: 0_7_0\.png is of frame 7, but clips have 6 frames"):
        run(study)
    first.with_name("0_7_0.png").unlink()
    first.write_bytes(b"hello")
    with pytest.raises(InputError, match=rf"{first.name} cannot be read as a picture"):
        run(study)


def test_a_noun_cannot_have_priority_and_be_background(study: Path) -> None:
    with pytest.raises(InputError, match=r"both have priority and be background: \['car'\]"):
        run(study, key_object={"priority_nouns": ["car"], "background_nouns": ["car"]})


def test_tags_have_their_sense_and_reason(study: Path) -> None:
    write_table(study / "m_captions.tsv", SCENES.assign(tags=["car|road", "dog|osprey"]), MADE_BY)
    tags = run(study)[2].set_index("tag")
    assert tags["sense"]["osprey"] == "osprey.n.01"
    assert tags["concepts"]["osprey"] == "animal|organism"
    assert tags["reason"]["dog"] == "a mammal"
    assert tags["agreement"].isna().all(), "no model was asked"


def test_a_models_concepts_need_a_model(study: Path) -> None:
    with pytest.raises(InputError, match=r"annotate\.concepts is `model`, but captions come from tables"):
        run(study, concepts="model")
