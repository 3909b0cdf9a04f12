"""Boxes by GroundingDINO and masks by SAM: parts by their definitions, the real classes at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from neurons.annotate.detect import Box, Detector, best_boxes, split_prompt, tag_of_tokens, tag_scores
from neurons.annotate.grounded_sam import GroundedSamFinder
from neurons.annotate.sam import Segmenter, build_sam, load_sam
from neurons.annotate.settings import GroundedSam
from neurons.artifacts import InputError
from neurons.sections import Model
from neurons.simulate.miniatures.segmenter import corners, new_segmenter, render_frames
from tests.annotate.conftest import ROOT, detector_processor

CPU = torch.device("cpu")


def frames(count: int, size: int = 64) -> list[np.ndarray]:
    return list(np.random.default_rng(3).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def settings(detector: Path, sam: Path, **values: float) -> GroundedSam:
    chosen = {"box_threshold": 0.0, "overlap": 0.7, "boxes_per_frame": 5, **values}
    return GroundedSam(detector=Model(path=str(detector)), sam=str(sam), **chosen)


def test_tokens_belong_to_the_tag_that_the_next_stop_ends() -> None:
    assert tag_of_tokens([101, 7, 8, 1012, 9, 1012, 102, 0, 0], 1012, [101, 102, 0]) == [
        -1,
        0,
        0,
        -1,
        1,
        -1,
        -1,
        -1,
        -1,
    ]


def test_a_tags_score_is_its_best_token() -> None:
    chances = torch.tensor([[0.9, 0.1, 0.4, 0.8, 0.2, 0.7], [0.0, 0.3, 0.2, 0.9, 0.6, 0.9]])
    scores = tag_scores(chances, [-1, 0, 0, -1, 1], 3)
    assert scores.tolist() == [pytest.approx([0.4, 0.2, 0]), pytest.approx([0.3, 0.6, 0])]


def test_of_overlapping_boxes_the_best_is_kept_whatever_its_noun() -> None:
    dog, cat = Box("dog", 0.6, (0, 0, 10, 10)), Box("cat", 0.7, (0, 0, 10, 9))
    far, small = Box("dog", 0.5, (30, 30, 40, 40)), Box("eye", 0.4, (2, 2, 4, 4))
    for order in ([dog, cat, far, small], [small, far, dog, cat]):
        assert best_boxes(order, 0.7, 9) == [cat, far, small]
    assert best_boxes([dog, cat, far, small], 0.95, 9) == [cat, dog, far, small]
    assert best_boxes([dog, cat, far, small], 0.7, 2) == [cat, far]
    assert best_boxes([], 0.7, 2) == []


def test_many_tags_are_split_over_prompts() -> None:
    assert split_prompt(["a", "bb", "ccc", "d"], lambda tag: len(tag) + 1, 8) == [["a", "bb"], ["ccc", "d"]]
    assert split_prompt([], len, 8) == []
    with pytest.raises(InputError, match="'abcdefgh'"):
        split_prompt(["abcdefgh"], len, 8)


@pytest.fixture(scope="module")
def detector(detector_folder: Path, sam_file: Path) -> Detector:
    return Detector(settings(detector_folder, sam_file), CPU)


def test_boxes_lie_in_the_frame_and_name_its_tags(detector: Detector) -> None:
    asked = [("car", "dog"), ("sea",), ()]
    found = detector.detect(frames(3), asked)
    assert found[0] and found[1] and not found[2]
    for boxes, tags in zip(found, asked, strict=True):
        assert len(boxes) <= 5
        assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)
        for box in boxes:
            assert box.tag in tags
            x0, y0, x1, y1 = box.corners
            assert 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 64


def test_boxes_do_not_depend_on_the_batch(detector: Detector) -> None:
    pictures, asked = frames(3), [("car", "dog", "house", "tree"), ("sea",), ("ball", "person")]
    together = detector.detect(pictures, asked)
    for number in range(3):
        (alone,) = detector.detect([pictures[number]], [asked[number]])
        assert [box.tag for box in alone] == [box.tag for box in together[number]]
        for one, other in zip(alone, together[number], strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert one.corners == pytest.approx(other.corners, abs=1e-3)


def test_the_threshold_is_the_lowest_score(detector_folder: Path, sam_file: Path, detector: Detector) -> None:
    (boxes,) = detector.detect(frames(1), [("car", "dog")])
    middle = (boxes[0].score + boxes[-1].score) / 2
    strict = Detector(settings(detector_folder, sam_file, box_threshold=middle), CPU)
    (kept,) = strict.detect(frames(1), [("car", "dog")])
    assert [box.score for box in kept] == [box.score for box in boxes if box.score >= middle]


@pytest.mark.parametrize(
    ("size", "facts"), [("vit_b", (768, 12, 12)), ("vit_l", (1024, 24, 16)), ("vit_h", (1280, 32, 16))]
)
def test_a_published_size_is_told_by_its_tensors(size: str, facts: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        published = sam_model_registry[size]()
        weights = dict(published.state_dict())
        rebuilt = build_sam(weights)
    assert {name: value.shape for name, value in rebuilt.state_dict().items()} == {
        name: value.shape for name, value in weights.items()
    }
    width, depth, heads = facts
    encoder, true = rebuilt.image_encoder, published.image_encoder
    assert (encoder.pos_embed.shape[-1], len(encoder.blocks), encoder.blocks[0].attn.num_heads) == (
        width,
        depth,
        heads,
    )
    assert [block.window_size for block in encoder.blocks] == [block.window_size for block in true.blocks]
    decoder = rebuilt.mask_decoder.transformer.layers[0].self_attn
    assert decoder.num_heads == published.mask_decoder.transformer.layers[0].self_attn.num_heads


def test_masks_are_those_of_the_predictor_one_frame_at_a_time(sam_file: Path) -> None:
    model = load_sam(sam_file, CPU)
    pictures = frames(3)
    boxes = [np.array([[4, 4, 40, 40], [10, 0, 60, 30]], np.float32), np.zeros((0, 4), np.float32),
             np.array([[0, 0, 64, 64]], np.float32)]  # fmt: skip
    together = Segmenter(model).segment(pictures, boxes)
    assert [masks.shape for masks, _ in together] == [(2, 64, 64), (0, 64, 64), (1, 64, 64)]
    predictor = SamPredictor(model)
    for picture, some, (masks, scores) in zip(pictures, boxes, together, strict=True):
        if not len(some):
            continue
        predictor.set_image(picture)
        for box, mask, score in zip(some, masks, scores, strict=True):
            alone, estimate, _ = predictor.predict(box=box, multimask_output=False)
            assert (alone[0] == mask).mean() > 0.999
            assert estimate[0] == pytest.approx(score, abs=1e-4)


def test_an_image_is_embedded_once(sam_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_sam(sam_file, CPU)
    seen = []
    forward = model.image_encoder.forward
    monkeypatch.setattr(model.image_encoder, "forward", lambda x: seen.append(len(x)) or forward(x))
    boxes = [np.array([[4, 4, 40, 40], [10, 0, 60, 30], [1, 1, 5, 5]], np.float32)] * 2
    Segmenter(model).segment(frames(2), boxes)
    assert seen == [2]


def test_checkpoints_as_published_and_as_safetensors(sam_file: Path, tmp_path: Path) -> None:
    model = load_sam(sam_file, CPU)
    torch.save(model.state_dict(), tmp_path / "sam.pth")
    other = load_sam(tmp_path / "sam.pth", CPU)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"hello")
    torch.save({"some": torch.zeros(1)}, tmp_path / "b.pth")
    weights = dict(new_segmenter().state_dict())
    weights.pop("image_encoder.neck.1.weight")
    torch.save(weights, tmp_path / "c.pth")
    for name in ("a", "b", "c", "missing"):
        with pytest.raises(
            InputError, match=rf"annotate\.grounded_sam\.sam: .*{name}\.pth cannot be loaded as SAM"
        ):
            load_sam(tmp_path / f"{name}.pth", CPU)


def test_a_detector_folder_that_is_not_complete(
    detector_folder: Path, sam_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((detector_folder / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"annotate\.grounded_sam\.detector: .* cannot be loaded"):
        Detector(settings(tmp_path, sam_file), CPU)


def test_identity_follows_models_and_thresholds(detector_folder: Path, sam_file: Path) -> None:
    base = GroundedSamFinder(settings(detector_folder, sam_file), CPU).identity()
    assert GroundedSamFinder(settings(detector_folder, sam_file, batch_size=3), CPU).identity() == base
    assert GroundedSamFinder(settings(detector_folder, sam_file, overlap=0.5), CPU).identity() != base


def test_the_shipped_sam_outlines_things_of_the_simulated_world() -> None:
    pool = render_frames("test", 40, seed=11)
    model = load_sam(ROOT / "resources/miniatures/sam/sam.safetensors", CPU)
    made = Segmenter(model).segment(list(pool.frames), [corners(masks) for masks in pool.masks])
    overlaps = [
        (mask & true).sum() / (mask | true).sum()
        for (masks, _), truth in zip(made, pool.masks, strict=True)
        for mask, true in zip(masks, truth, strict=True)
    ]
    assert np.mean(overlaps) > 0.8


def test_words_end_with_a_stop_each_as_in_the_real_tokenizer() -> None:
    tokenizer = detector_processor().tokenizer
    ids = tokenizer("dog. car.")["input_ids"]
    assert (ids[0], ids[2], ids[4], ids[-1]) == (101, 1012, 1012, 102)
    assert tag_of_tokens(ids, tokenizer.convert_tokens_to_ids("."), tokenizer.all_special_ids) == [
        -1,
        0,
        -1,
        1,
        -1,
        -1,
    ]
