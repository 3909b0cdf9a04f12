"""Importing published checkpoints: every key accounted for, wrong files refused, and the result decodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_tensors
from neurons.decouple.decoding import load_decoupler
from neurons.interpret.models import load_trained
from neurons.pretrain.import_steps import import_checkpoint
from neurons.pretrain.model import BrainModel, TextProjection
from neurons.pretrain.store import load_brain_model
from neurons.published.convert import convert
from neurons.published.decoupler import CLIP_END, COMPANIONS, PublishedDecoupler
from neurons.published.store import read_checkpoint
from neurons.reconstruct import steps
from neurons.reconstruct.settings import Reconstruct
from neurons.sections import Model

from . import restated
from .conftest import FRAMES, MINDEYE2, NEURONS, TEXT, TOKENS, VOXELS, shapes

State = dict[str, Tensor]


def on_meta(name: str, vertices: int = 13447) -> State:
    """The published shapes themselves, without memory."""
    return {
        key: torch.empty([vertices if size == 13447 else size for size in shape], device="meta")
        for key, shape in shapes(name).items()
    }


def test_every_published_neurons_key_has_a_place_or_a_reason() -> None:
    state = on_meta(NEURONS)
    converted = convert(state, 224, 28)
    assert converted.brain is not None and converted.decoupler is not None
    assert (converted.brain.hidden, converted.brain.tokens, converted.brain.channels) == (4096, 256, 1664)
    assert (converted.brain.frames, converted.brain.text, converted.brain.blocks) == (6, 1280, 4)
    assert converted.decoupler.prior == {
        "tokens": 256, "channels": 1664, "layers": 6, "head_channels": 52, "buckets": 32, "levels": 100
    }  # fmt: skip
    assert converted.decoupler.language_model["n_head"] == 12
    left_out = [key for keys in converted.translation.left_out.values() for key in keys]
    assert sum(key.startswith("backbone.mixer_blocks1") for key in left_out) == 24
    assert (
        len(left_out) == 24 + 4 + 13 + 6
    )  # and the gains, the schedule, the rotary frequencies of each layer
    names = {**converted.translation.brain, **converted.translation.decoupler}
    assert len(state) - len(left_out) == len(names) - 1  # the projection to text has a bias of zeros here


def test_every_published_mindeye2_key_has_a_place_or_a_reason() -> None:
    state = on_meta(MINDEYE2)
    converted = convert(state, 224, 28)
    assert converted.brain is None and "motion projection" in converted.absent
    left_out = [key for keys in converted.translation.left_out.values() for key in keys]
    blurry = [key for key in left_out if key.startswith(("backbone.b",))]
    assert len(left_out) + len(converted.translation.brain) + len(converted.translation.decoupler) == len(
        state
    )
    assert len(blurry) == sum(key.startswith("backbone.b") and "backbone_linear" not in key for key in state)
    assert {"unfold.weight", "prior.place", "projector.8.bias"} <= set(converted.start)
    assert not any(name.startswith("ridge.") for name in converted.start)


@pytest.mark.parametrize(("voxels", "millions"), [(13447, 55.1), (14828, 60.7), (9114, 37.3)])
def test_ridges_of_the_three_subjects_have_the_published_size(voxels: int, millions: float) -> None:
    brain = convert(on_meta(NEURONS, voxels), 224, 28).translation.brain
    count = brain["ridge.lags.0.weight"].numel() + brain["ridge.lags.0.bias"].numel()
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


def without(key: str) -> Callable[[State], State]:
    return lambda state: {name: value for name, value in state.items() if name != key}


def with_key(key: str, shape: tuple[int, ...] = (2,)) -> Callable[[State], State]:
    return lambda state: {**state, key: torch.ones(shape)}


SPOILT = [
    (with_key("backbone.extra.weight"), "holds 1 keys that nobody knows: backbone.extra.weight"),
    (with_key("text_seg_dec.video_decoder.up_blocks.3.weights.0"), "lacks weights for decoder.stages.3"),
    (with_key("text_seg_dec.video_decoder.up_blocks.2.upsamplers.0.conv.bias"), "1 without a place"),
    (without("backbone.clip_proj.5.bias"), "1 missing: projector.5.bias"),
    (without("diffusion_prior.net.null_image_embed"), "1 missing: prior.no_image"),
    (without("text_dec.decoder.transformer.h.7.mlp.c_fc.weight"), r"1 missing: .*h\.7\.mlp"),
    (without("diffusion_prior.noise_scheduler.betas"), "lacks diffusion_prior.noise_scheduler.betas"),
    (without("ridge.linears.0.weight"), "lacks weights for ridge"),
    (with_key("classifier.classifier.bias", (50,)), r"of another shape: concepts.1.bias \(50,\), expected \(51,\)"),
    (with_key("diffusion_prior.noise_scheduler.betas", (8,)), "1 tables of the checkpoint are not those"),
    (with_key("diffusion_prior.net.causal_transformer.layers.2.0.rotary_emb.freqs", (16,)), "layers.2.0.rotary"),
    (with_key("text_dec.decoder.lm_head.weight", (50257, 64)), "output layer is not its token embedding"),
    (with_key("optimizer.x"), "Known checkpoints hold: MindEye2: backbone"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_keys_without_a_place_or_a_value_are_errors(
    neurons_state: State, spoil: Callable[[State], State], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        convert(spoil(neurons_state), 32, 8)


@pytest.mark.parametrize("key", ["backbone.clip_proj.5.bias", "backbone.mixer_blocks2.1.1.3.weight"])
def test_a_start_that_lacks_a_weight_is_an_error(mindeye2_state: State, key: str) -> None:
    assert convert(mindeye2_state, 32, 8).translation.kind == "MindEye2"
    with pytest.raises(InputError, match="1 missing: "):
        convert(without(key)(mindeye2_state), 32, 8)


def test_buffers_of_old_transformers_are_accepted_and_named(neurons_state: State) -> None:
    old = {
        "text_dec.decoder.transformer.h.0.attn.bias": torch.ones(1, 1, 40, 40, dtype=torch.uint8),
        "text_dec.decoder.transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    left_out = convert({**neurons_state, **old}, 32, 8).translation.left_out
    assert left_out["a buffer of older versions of transformers"] == sorted(old)


def test_the_first_stage_alone_is_a_start(neurons_state: State) -> None:
    parts = ("ridge.", "backbone.", "clipproj.")
    converted = convert({k: v for k, v in neurons_state.items() if k.startswith(parts)}, 32, 8)
    assert converted.absent == ("motion projection", "prior", "task heads")
    assert "text.linear.weight" in converted.start and "unfold.bias" in converted.start


class Evil:
    """Stands for a file that would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_a_file_that_asks_for_code_is_refused_and_runs_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model_state_dict": {"a": torch.ones(1)}, "epoch": Evil()}, tmp_path / "last.pth")
    with pytest.raises(InputError, match="without running code"):
        read_checkpoint(tmp_path / "last.pth")
    assert capsys.readouterr().out == ""
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    torch.save([1, 2], tmp_path / "list.pth")
    for name, message in [("cut", "cannot be read"), ("list", "no names and tensors"), ("none", "no file")]:
        with pytest.raises(InputError, match=message):
            read_checkpoint(tmp_path / f"{name}.pth")


def clip_tokenizer(folder: Path, end: int = CLIP_END) -> Model:
    """A tokenizer with as many words as CLIP's, whose last is the end."""
    words = {f"w{i}": i for i in range(end)} | {"<|endoftext|>": end}
    inner = Tokenizer(models.WordLevel(words, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|endoftext|>").save_pretrained(folder)
    return Model(path=str(folder))


def write_responses(path: Path, voxels: int = VOXELS, clips: int = COMPANIONS + 2) -> Path:
    values = np.random.default_rng(3).normal(size=(clips, voxels)).astype(np.float32)
    ids = [f"test1:{i}" for i in range(clips)]
    facts = {"subject": "subject1", "vertex_hash": "abc"}
    write_tensors(path, {"responses": values}, provenance("test", {}), ids, **facts)
    return path


@pytest.fixture(scope="module")
def checkpoint(neurons_state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As released: names of a data-parallel wrapper, losses as numbers of numpy."""
    folder = tmp_path_factory.mktemp("checkpoint")
    state = {f"module.{key}": value for key, value in neurons_state.items()}
    path = folder / "brain_model_prior_last.pth"
    torch.save({"model_state_dict": state, "train_losses": [np.float64(1.5)], "epoch": 3}, path)
    write_responses(folder / "responses.safetensors")
    clip_tokenizer(folder / "clip")
    return path


@pytest.fixture(scope="module")
def imported(checkpoint: Path) -> Path:
    folder = checkpoint.parent / "imported"
    import_checkpoint(
        checkpoint=checkpoint, output=folder, responses=checkpoint.parent / "responses.safetensors",
        tokenizer=Model(path=str(checkpoint.parent / "clip")), mask_size_px=32, frame_size_px=64,
    )  # fmt: skip
    return folder


def test_the_report_says_what_became_of_every_key(neurons_state: State, imported: Path) -> None:
    report = json.loads((imported / "import.json").read_text())
    listed = [key for keys in report["left out"].values() for key in keys]
    assert report["weights"] == len(neurons_state) == report["mapped"] + len(listed)
    assert sum("cannot reach the output" in reason for reason in report["left out"]) == 2
    assert report["written"] == ["brain_model.safetensors", "decoupler.safetensors"]


def test_stored_models_are_those_of_the_checkpoint(neurons_state: State, imported: Path) -> None:
    brain, facts = load_brain_model(imported / "brain_model.safetensors")
    decoupler = load_decoupler(imported / "decoupler.safetensors")
    assert isinstance(brain, BrainModel) and isinstance(decoupler.model, PublishedDecoupler)
    assert facts["subject"] == "subject1" and facts["window_tr"] == [0]
    assert torch.equal(brain.unfold.weight, neurons_state["backbone.backbone_linear.weight"])
    assert torch.equal(decoupler.model.decoder.query.weight, neurons_state["text_seg_dec.q.weight"])


def test_an_imported_checkpoint_decodes_test_responses(
    neurons_state: State, imported: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """By `reconstruct decode`, as any other models; companions are the clips of each twenty, in their order."""
    pooled = np.random.default_rng(1).normal(size=(51, TEXT)).astype(np.float32)
    texts = {"tokens": np.zeros((51, 2, 6), np.float32), "mask": np.ones((51, 2), bool), "pooled": pooled}
    write_tensors(tmp_path / "concepts.safetensors", texts, provenance("test", {}))
    responses = checkpoint.parent / "responses.safetensors"
    steps.decode(
        subject="subject1", variant="released", responses=responses, brain_model=imported / "brain_model.safetensors",
        decoupler=imported / "decoupler.safetensors", concepts=tmp_path / "concepts.safetensors",
        settings=Reconstruct.model_validate({"batch_size": 7}), device="cpu", output=tmp_path / "decoded.safetensors",
        table=tmp_path / "decoded.tsv",
    )  # fmt: skip
    decoded = TensorFile(tmp_path / "decoded.safetensors")
    voxels = torch.from_numpy(np.array(TensorFile(responses)["responses"]))
    assert decoded["mask"].shape == (len(voxels), FRAMES, 32, 32)
    assert decoded["latents"].shape == (len(voxels), FRAMES, 4, 8, 8)
    assert decoded["image_tokens"].shape == (len(voxels), TOKENS, 72)
    # The last two clips were decoded with each other alone: the restatement needs no more than them.
    image = torch.from_numpy(np.array(decoded["image_tokens"][COMPANIONS:])).float()
    video = restated.motion(neurons_state, image)
    features = restated.decoder(neurons_state, video, restated.text(neurons_state, video))
    latents = restated.nearest(restated.convolution(neurons_state, "text_seg_dec.recon_head", features), 8)
    found = torch.from_numpy(np.array(decoded["latents"][COMPANIONS:])).float()
    difference = (found - latents.unflatten(0, (2, FRAMES))).abs().max() / latents.abs().max()
    assert float(difference) < 2e-2  # artifacts are of half precision
    assert read_table(tmp_path / "decoded.tsv", ["caption"])["caption"].str.startswith("w").any()


def test_concepts_of_another_clip_model_are_refused(imported: Path, tmp_path: Path) -> None:
    decoupler = load_decoupler(imported / "decoupler.safetensors")
    from neurons.decouple.decoding import ConceptTexts

    texts = ConceptTexts(
        torch.zeros(51, 2, 6), torch.ones(51, 2, dtype=torch.bool), torch.zeros(51, TEXT + 1)
    )
    with pytest.raises(InputError, match=r"shape \(51, 20\).*holds \(51, 21\).*ViT-bigG-14"):
        decoupler.decode(torch.zeros(1, TOKENS, 72), ["a:0"], texts, seed=0)


def test_importance_refuses_heads_that_read_the_prior(imported: Path, checkpoint: Path) -> None:
    with pytest.raises(InputError, match="imported from a released checkpoint"):
        load_trained(
            checkpoint.parent / "responses.safetensors", imported / "brain_model.safetensors",
            imported / "decoupler.safetensors", ["test1"], torch.device("cpu"),
        )  # fmt: skip


def test_what_does_not_belong_to_a_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    clip = Model(path=str(checkpoint.parent / "clip"))
    other = write_responses(tmp_path / "other.safetensors", voxels=VOXELS + 1)
    with pytest.raises(InputError, match=f"has {VOXELS + 1} vertices, the checkpoint's ridge reads {VOXELS}"):
        import_checkpoint(checkpoint=checkpoint, output=tmp_path, responses=other, tokenizer=clip)
    responses = checkpoint.parent / "responses.safetensors"
    with pytest.raises(InputError, match="name the folder of its --tokenizer"):
        import_checkpoint(checkpoint=checkpoint, output=tmp_path, responses=responses)
    gpt = clip_tokenizer(tmp_path / "gpt2", end=100)
    with pytest.raises(InputError, match=r"ends texts with token 100; .* ends them with 49407"):
        import_checkpoint(checkpoint=checkpoint, output=tmp_path, responses=responses, tokenizer=gpt)
    assert not list(tmp_path.glob("*model*"))


def test_without_responses_the_weights_are_a_start(checkpoint: Path, tmp_path: Path) -> None:
    import_checkpoint(checkpoint=checkpoint, output=tmp_path)
    names = TensorFile(tmp_path / "start.safetensors").names
    assert "backbone.0.norm_bias" in names and "prior.norm.gain" in names
    assert not any(name.startswith(("ridge.", "decoder.")) for name in names)


@pytest.fixture
def mindeye2(mindeye2_state: State, tmp_path: Path) -> Path:
    torch.save({"model_state_dict": mindeye2_state}, tmp_path / "last.pth")
    return tmp_path / "last.pth"


def test_the_released_text_projection_completes_the_start(
    mindeye2: Path, neurons_state: State, tmp_path: Path
) -> None:
    """As the release multiplies: the mean token times the matrix, without a bias."""
    matrix = neurons_state["clipproj.proj"]
    torch.save({"proj": matrix}, tmp_path / "coco_tokens_avg_proj.pth")
    import_checkpoint(
        checkpoint=mindeye2, output=tmp_path / "out", projection=tmp_path / "coco_tokens_avg_proj.pth"
    )
    start = TensorFile(tmp_path / "out/start.safetensors")
    projection = TextProjection(*matrix.shape)
    projection.load_state_dict(
        {name: torch.from_numpy(np.array(start[f"text.{name}"])) for name in ("linear.weight", "linear.bias")}
    )
    video = torch.randn(3, FRAMES, TOKENS, len(matrix), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(projection(video), restated.text(neurons_state, video))
    report = json.loads((tmp_path / "out/import.json").read_text())
    assert report["not in this kind of checkpoint"] == ["motion projection", "task heads"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"proj": torch.ones(71, TEXT)}, "tokens of 71 channels; those of the checkpoint have 72"),
        ({"proj": torch.full((72, TEXT), torch.nan)}, "NaN or infinite"),
        ({"proj": torch.ones(72)}, r"holds proj \(72,\); one matrix called proj"),
        ({"weight": torch.ones(72, TEXT)}, r"holds weight \(72, 20\); one matrix"),
        ({}, "holds nothing; one matrix"),
    ],
)
def test_other_projections_are_refused(
    mindeye2: Path, tmp_path: Path, content: dict[str, Tensor], message: str
) -> None:
    torch.save(content, tmp_path / "proj.pth")
    with pytest.raises(InputError, match=message):
        import_checkpoint(checkpoint=mindeye2, output=tmp_path / "out", projection=tmp_path / "proj.pth")


def test_a_checkpoint_with_its_own_projection_needs_no_other(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has its own text projection"):
        import_checkpoint(checkpoint=checkpoint, output=tmp_path, projection=checkpoint)
