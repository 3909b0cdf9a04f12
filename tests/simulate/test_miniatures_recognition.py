"""The recognition miniatures: their material, their losses and heads, and the shipped weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessor,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from neurons.artifacts import InputError
from neurons.simulate.captions import CAPTION_WORDS, caption, parse_caption
from neurons.simulate.miniatures import augment, classifiers, clip, frames, quality_recognition, warm_start
from neurons.simulate.miniatures.tokenizers import clip_tokenizer, gpt2_tokenizer, learn_merges
from neurons.simulate.world import combinations

MINIATURES = Path(__file__).parents[2] / "resources" / "miniatures"
FOLDERS = ("clip", "gpt2", "frame_classifier", "video_classifier")
JUDGED_CLIPS = 128


@pytest.fixture(scope="module")
def pool() -> frames.ClipPool:
    return frames.render_pool("test", JUDGED_CLIPS, seed=99)


def test_pool_labels_say_what_the_captions_say(pool: frames.ClipPool) -> None:
    for scene, labels in zip(pool.scenes, pool.labels, strict=True):
        said = parse_caption(caption(scene))
        words = [names[index] for names, index in zip(frames.ATTRIBUTES.values(), labels, strict=True)]
        assert words == [said["kind"], said["colour"], said["place"], said["motion"]]


def test_pool_holds_only_combinations_of_its_part(pool: frames.ClipPool) -> None:
    allowed = set(combinations("test"))
    order = ("kind", "colour", "place", "motion")
    assert {
        tuple(frames.ATTRIBUTES[name][labels[i]] for i, name in enumerate(order)) for labels in pool.labels
    } <= allowed


def test_pool_depends_on_its_seed_only() -> None:
    first, again, other = (frames.render_pool("train", 3, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.frames, again.frames)
    assert not np.array_equal(first.frames, other.frames)


def test_covered_patches_lie_in_the_box(pool: frames.ClipPool) -> None:
    side = np.arange(frames.SIDE)
    x0, y0, x1, y1 = np.moveaxis(pool.box * frames.SIDE, -1, 0)
    rim = 0.2  # the dark rim of objects lies outside the box of their outline
    across = (side + 1 > x0[..., None] - rim) & (side < x1[..., None] + rim)
    down = (side + 1 > y0[..., None] - rim) & (side < y1[..., None] + rim)
    inside = (down[..., :, None] & across[..., None, :]).reshape(pool.token_coverage.shape)
    assert pool.token_coverage[~inside].max() == 0
    assert pool.token_coverage.max() == 1


def test_patch_coverage_counts_pixels() -> None:
    mask = np.zeros((1, frames.IMAGE_PX, frames.IMAGE_PX), bool)
    mask[0, :4, 8:24] = True
    coverage = frames.patch_coverage(mask)
    assert coverage.shape == (1, 64)
    assert coverage[0, :4].tolist() == [0, 0.5, 0.5, 0]
    assert coverage.sum() == 1


def test_partial_captions(pool: frames.ClipPool) -> None:
    for scene in pool.scenes:
        assert frames.partial_caption(scene, True, True, True, True) == caption(scene)
        bare = parse_caption(frames.partial_caption(scene, False, False, True, False))
        assert (bare["kind"], bare["colour"]) == (scene.main.kind, None)
        assert (bare["place"], bare["motion"]) == (scene.place, None)


def test_cosine_basis_is_the_orthonormal_transform() -> None:
    block = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    basis = augment.cosine_basis(8)
    expected = dctn(block.numpy(), norm="ortho")
    np.testing.assert_allclose((basis @ block @ basis.T).numpy(), expected, atol=1e-5)


def test_zero_strength_changes_nothing() -> None:
    clips = 255 * torch.rand(2, 3, 3, 16, 16)
    none = torch.zeros(2)
    assert torch.equal(augment.blur(clips, none), clips)
    assert torch.equal(augment.compress_blocks(clips, none), clips)
    assert torch.equal(augment.lose_resolution(clips, none > 0), clips)
    torch.testing.assert_close(augment.shift_colours(clips, none, none), clips)


def test_degradations_of_a_clip_ignore_the_other_clips() -> None:
    clips = 255 * torch.rand(3, 2, 3, 16, 16)
    strength = torch.tensor([0.9, 0.0, 0.4])
    for degradation in (augment.blur, lambda c, s: augment.compress_blocks(c, 20 * s)):
        together = degradation(clips, strength)
        for index in range(3):
            alone = degradation(clips[index : index + 1], strength[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone, atol=1e-3, rtol=1e-5)


def test_blur_keeps_the_mean_of_a_spot_and_its_width() -> None:
    clips = torch.zeros(1, 1, 1, 33, 33)
    clips[..., 16, 16] = 1.0
    blurred = augment.blur(clips, torch.tensor([1.0]))[0, 0, 0]
    offset = torch.arange(33) - 16.0
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float((blurred.sum(0) * offset**2).sum()) == pytest.approx(1.0, abs=0.02)


def test_merges_are_the_most_frequent_pairs_and_ties_go_by_name() -> None:
    assert learn_merges(["bc", "abc", "bd", "ad"]) == [
        ("b", "c</w>"), ("a", "bc</w>"), ("a", "d</w>"), ("b", "d</w>"),
    ]  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(CAPTION_WORDS).tolist()
    assert learn_merges(shuffled * 2) == learn_merges(CAPTION_WORDS)


def test_words_are_single_tokens_and_any_text_tokenises() -> None:
    tokenizer = clip_tokenizer(CAPTION_WORDS)
    for word in CAPTION_WORDS:
        start, token, end = tokenizer(word).input_ids
        assert (start, end) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert tokenizer.decode([token]) == word
    assert tokenizer.eos_token_id == len(tokenizer) - 1 == tokenizer.pad_token_id
    zebra = tokenizer("Zebra").input_ids[1:-1]
    assert tokenizer.decode(zebra).replace(" ", "") == "zebra"


def test_language_tokeniser_round_trip(pool: frames.ClipPool) -> None:
    texts = [caption(scene) for scene in pool.scenes]
    tokenizer = gpt2_tokenizer(texts)
    for text in [*texts, "a zebra juggles 7 öre"]:
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert len(tokenizer(texts[0]).input_ids) == len(texts[0].split())


def test_a_text_matches_the_clips_it_is_true_of() -> None:
    labels = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]])
    said = torch.tensor([[0, 1, 2, -1], [0, 1, 2, 4], [5, -1, -1, -1]])
    assert clip.compatible(labels, said).tolist() == [[True, False, False], [True, True, False]]


def test_matching_loss_of_uninformative_embeddings_is_chance() -> None:
    loss = clip.matching_loss(torch.ones(8, 4), torch.ones(8, 4), torch.tensor(20.0), torch.eye(8).bool())
    assert float(loss) == pytest.approx(np.log(8), abs=1e-5)


def test_matching_loss_shares_the_target_among_true_texts() -> None:
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    true = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    loss = clip.matching_loss(texts, texts, torch.tensor(50.0), true)
    assert float(loss) == pytest.approx(2 / 3 * np.log(2), abs=1e-5)


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        (classifiers.frame_class_names(), classifiers.FRAME_ATTRIBUTES),
        (classifiers.video_class_names(), classifiers.VIDEO_ATTRIBUTES),
    ],
)
def test_class_names_say_their_attributes(names: list[str], attributes: tuple[str, ...]) -> None:
    sizes = [len(frames.ATTRIBUTES[name]) for name in attributes]
    assert len(names) == len(set(names)) == np.prod(sizes)
    for index, text in enumerate(names):
        said = parse_caption(text)
        expected = [
            frames.ATTRIBUTES[a][i] for a, i in zip(attributes, np.unravel_index(index, sizes), strict=True)
        ]
        assert [said[name] for name in attributes] == expected  # type: ignore[literal-required]


def test_folded_head_is_the_product_of_the_attributes() -> None:
    heads = classifiers.AttributeHeads(16, classifiers.VIDEO_ATTRIBUTES)
    features = torch.randn(5, 16)
    kind, motion, place = (heads(features)[n].softmax(1) for n in classifiers.VIDEO_ATTRIBUTES)
    joint = heads.folded()(features).softmax(1).view(5, 12, 8, 8)
    torch.testing.assert_close(joint, torch.einsum("nk,nm,np->nkmp", kind, motion, place))


def small_clip() -> CLIPModel:
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
    vision = {**tower, "image_size": 64, "patch_size": 8}
    torch.manual_seed(0)
    return CLIPModel(CLIPConfig(text_config={**tower, "vocab_size": 20}, vision_config=vision)).eval()


def test_warm_started_vit_differs_from_clip_only_in_the_norm_of_embeddings() -> None:
    vision = small_clip().vision_model
    model = ViTForImageClassification(ViTConfig(**classifiers.transformer_size(vision))).eval()
    pixels = torch.randn(4, 3, 64, 64)
    warm_start.start_vit(model, vision, pixels)
    normed = vision.pre_layrnorm(vision.embeddings(pixels))
    moved = model.vit.embeddings(pixels)
    cosine = torch.nn.functional.cosine_similarity(normed, moved, dim=-1)
    torch.testing.assert_close(cosine, torch.ones_like(cosine), atol=1e-4, rtol=0)
    hidden = torch.randn(2, 65, 32)
    layers = zip(vision.encoder.layers, model.vit.layers, strict=True)
    for ours, theirs in layers:
        torch.testing.assert_close(theirs(hidden, None), ours(hidden, None), atol=1e-5, rtol=1e-5)


def test_warm_started_videomae_sees_a_standing_picture_as_vit_does() -> None:
    vision = small_clip().vision_model
    size = classifiers.transformer_size(vision)
    image = ViTForImageClassification(ViTConfig(**size))
    video = VideoMAEForVideoClassification(VideoMAEConfig(**size, num_frames=6, tubelet_size=2))
    pixels = torch.randn(2, 3, 64, 64)
    warm_start.start_vit(image, vision, pixels)
    warm_start.start_videomae(video, vision, pixels)
    patches = image.vit.embeddings.patch_embeddings(pixels)
    standing = pixels[:, None].repeat(1, 6, 1, 1, 1)
    tubelets = video.videomae.embeddings.patch_embeddings(standing).view(2, 3, 64, 32)
    for tubelet in tubelets.unbind(1):
        torch.testing.assert_close(tubelet, patches, atol=1e-5, rtol=1e-4)


def test_unknown_weight_names_are_an_error() -> None:
    with pytest.raises(InputError, match="has no weights nothing"):
        warm_start.load(torch.nn.Linear(2, 2), {"nothing": torch.zeros(1)})


def test_only_captions_of_the_world_are_grammatical(pool: frames.ClipPool) -> None:
    for scene in pool.scenes:
        assert quality_recognition.is_caption(caption(scene))
    wrong = (
        "",
        "a red car",
        "a red car flies left on a road",
        "a red car drives left on a road near",
        "a red car drives left on a road near a car",
        "a red car drives left on a road near a tree and a tree",
        "a red car drives left on a road near a apple",
        "a red car drives left on a road on a road",
    )
    assert [text for text in wrong if quality_recognition.is_caption(text)] == []


def test_galleries_hold_distinct_contents() -> None:
    judged = frames.render_pool("test", 160, seed=3)
    for chosen in quality_recognition.galleries(judged, 2, seed=0):
        contents = {tuple(row) for row in judged.labels[chosen, :3]}
        assert len(contents) == len(chosen) == quality_recognition.GALLERY


def test_shipped_clip_finds_the_caption_of_a_picture() -> None:
    judged = frames.render_pool("test", 200, seed=21)
    model = CLIPModel.from_pretrained(MINIATURES / "clip", dtype=torch.float32).eval()
    processor = CLIPProcessor.from_pretrained(MINIATURES / "clip")
    (chosen,) = quality_recognition.galleries(judged, 1, seed=0)
    batch = processor(
        text=[caption(judged.scenes[i]) for i in chosen],
        images=list(judged.frames[chosen, 3]),
        return_tensors="pt",
        padding=True,
    )
    with torch.no_grad():
        best = model(**batch).logits_per_image.argmax(1)
    assert float((best == torch.arange(len(chosen))).float().mean()) >= 0.8


def test_shipped_frame_classifier(pool: frames.ClipPool) -> None:
    folder = MINIATURES / "frame_classifier"
    model = ViTForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    batch = ViTImageProcessor.from_pretrained(folder)(list(pool.frames[:, 1]), return_tensors="pt")
    with torch.no_grad():
        best = model(**batch).logits.argmax(1).tolist()
    said = [parse_caption(model.config.id2label[index]) for index in best]
    right = [
        (s["kind"], s["colour"], s["place"]) == (scene.main.kind, scene.main.colour, scene.place)
        for s, scene in zip(said, pool.scenes, strict=True)
    ]
    assert np.mean(right) >= 0.93


def test_shipped_video_classifier(pool: frames.ClipPool) -> None:
    folder = MINIATURES / "video_classifier"
    model = VideoMAEForVideoClassification.from_pretrained(folder, dtype=torch.float32).eval()
    processor = VideoMAEImageProcessor.from_pretrained(folder)
    batch = processor([list(video) for video in pool.frames], return_tensors="pt")
    with torch.no_grad():
        best = model(**batch).logits.argmax(1).tolist()
    said = [parse_caption(model.config.id2label[index]) for index in best]
    right = [
        (s["kind"], s["motion"], s["place"]) == (scene.main.kind, scene.main.motion, scene.place)
        for s, scene in zip(said, pool.scenes, strict=True)
    ]
    assert np.mean(right) >= 0.93


def test_shipped_captioner_writes_captions(pool: frames.ClipPool) -> None:
    model = GPT2LMHeadModel.from_pretrained(MINIATURES / "gpt2", dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(MINIATURES / "gpt2")
    scores = quality_recognition.captioner_quality(model, tokenizer, pool, samples=100, seed=0)
    assert scores["grammatical_share"] >= 0.9
    assert scores["distinct_share"] >= 0.8
    assert scores["perplexity_per_token"] < 4


def test_shipped_files_are_small_half_precision_and_measured() -> None:
    files = [path for name in FOLDERS for path in (MINIATURES / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12e6
    for name in FOLDERS:
        assert json.loads((MINIATURES / name / "config.json").read_text())["dtype"] == "float16"
    quality = json.loads((MINIATURES / "quality_recognition.json").read_text())
    assert quality["clip"]["top1_of_100_static_caption"] >= 0.8
    assert quality["frame_classifier"]["joint"] >= 0.95
    assert quality["video_classifier"]["joint"] >= 0.95
