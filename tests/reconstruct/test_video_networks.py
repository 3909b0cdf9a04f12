"""Where the video model's parts come from: folders, one file, a LoRA; and the published sizes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import (
    LCMScheduler,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from neurons.artifacts import InputError
from neurons.config_files import load_files
from neurons.reconstruct.render import DECIDING
from neurons.reconstruct.settings import Lora
from neurons.reconstruct.video_model import VideoModel
from neurons.reconstruct.video_networks import load_video_scheduler, merge_lora
from tests.reconstruct.ldm_layout import ldm_unet_name

CPU = torch.device("cpu")
SD15 = Path("resources/stable-diffusion-1.5")
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"


def load(models, **video):
    return VideoModel.load(models.changed(**video).video, models.vae, CPU, torch.float32)


@pytest.fixture(scope="module")
def base(models):
    return Path(models.settings.video.base.path)


@pytest.fixture(scope="module")
def single(models, tmp_path_factory):
    """A U-Net and text encoder as one file of Stable Diffusion's layout, and as folders; architecture apart."""
    folder = tmp_path_factory.mktemp("single")
    base = Path(models.settings.video.base.path)
    torch.manual_seed(7)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=2, sample_size=4, cross_attention_dim=16, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=2,
    )  # fmt: skip
    unet.save_pretrained(folder / "parts" / "unet")
    shutil.copytree(base / "scheduler", folder / "parts" / "scheduler")
    encoder = CLIPTextModel.from_pretrained(models.settings.video.text_encoder.path)
    encoder.save_pretrained(folder / "parts" / "text_encoder")
    MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=2, motion_norm_num_groups=4, motion_num_attention_heads=2,
        motion_max_seq_length=16,
    ).save_pretrained(folder / "motion")  # fmt: skip
    for part in ("unet", "text_encoder", "scheduler"):
        (folder / "config" / part).mkdir(parents=True)
        for file in (folder / "parts" / part).glob("*config.json"):
            shutil.copy(file, folder / "config" / part)
    text = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    state = {
        **{f"model.diffusion_model.{ldm_unet_name(name, {1})}": value for name, value in unet.state_dict().items()},
        **{f"cond_stage_model.transformer.text_model.{name}": value for name, value in text.items()},
        "first_stage_model.quant_conv.bias": torch.zeros(8),
        "alphas_cumprod": torch.ones(1000),
    }  # fmt: skip
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "dreambooth.safetensors")
    return folder


def options(single, folder, **changed):
    return {
        "base": {"path": str(single / "dreambooth.safetensors")},
        "base_config": str(single / "config"),
        "text_encoder": {"path": str(single / "dreambooth.safetensors")},
        "motion_adapter": {"path": str(single / "motion")},
        "controlnet": {"path": str(folder / "controlnet")},
        **changed,
    }


def test_a_single_file_is_the_same_model_as_its_folders(models, single, base):
    found = load(models, **options(single, base))
    parts = {
        "base": {"path": str(single / "parts")},
        "text_encoder": {"path": str(single / "parts/text_encoder")},
    }
    expected = load(models, **options(single, base, **parts))
    for part in ("unet", "text_encoder", "controlnet"):
        ours, theirs = (getattr(model, part).state_dict() for model in (found, expected))
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert torch.equal(ours[name], value), name
    assert dict(found.scheduler.config) == dict(expected.scheduler.config)


def test_a_single_file_needs_the_parts_that_it_lacks(models, single, base):
    for name in ("motion_adapter", "controlnet"):
        with pytest.raises(InputError, match=rf"reconstruct\.video\.{name} is null"):
            load(models, **options(single, base, **{name: None}))


def test_a_single_file_that_does_not_fit_is_refused_with_the_key(models, single, base, tmp_path):
    state = load_file(single / "dreambooth.safetensors")
    gone = [name for name in state if name.endswith("middle_block.0.in_layers.2.bias")]
    save_file(
        {name: value for name, value in state.items() if name not in gone}, tmp_path / "lacks.safetensors"
    )
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    shutil.copytree(single / "config", tmp_path / "config")
    config = json.loads((tmp_path / "config/unet/config.json").read_text())
    (tmp_path / "config/unet/config.json").write_text(json.dumps({**config, "block_out_channels": [8, 24]}))
    cases = {
        r"reconstruct\.video\.base: .*lacks": options(single, base, base={"path": str(tmp_path / "lacks.safetensors")}),
        r"reconstruct\.video\.base: .*cannot be read": options(
            single, base, base={"path": str(tmp_path / "cut.safetensors")}
        ),
        r"reconstruct\.video\.base: there is no file": options(single, base, base={"path": "no.safetensors"}),
        r"reconstruct\.video\.base: .*architecture": options(single, base, base_config=str(tmp_path / "config")),
        r"motion_adapter does not fit": options(single, base, motion_adapter={"path": str(base / "motion_adapter")}),
    }  # fmt: skip
    for message, changed in cases.items():
        with pytest.raises(InputError, match=message):
            load(models, **changed)


@pytest.mark.parametrize(
    "names",
    [
        f"{ATTENTION}.processor.to_q_lora.{{down}}.weight",
        f"unet.{ATTENTION}.processor.to_q_lora.{{down}}.weight",
        f"unet.{ATTENTION}.to_q.{{lora_A}}.weight",
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_{down}.weight",
    ],
    ids=["AnimateDiff", "diffusers", "peft", "kohya"],
)
def test_a_lora_adds_its_product_times_its_scale(base, tmp_path, names):
    before = UNet2DConditionModel.from_pretrained(base / "unet")
    after = UNet2DConditionModel.from_pretrained(base / "unet")
    generator = torch.Generator().manual_seed(2)
    down, up = (torch.randn(shape, generator=generator) for shape in ((3, 8), (8, 3)))
    state = {
        names.format(down="down", lora_A="lora_A"): down,
        names.format(down="up", lora_A="lora_B"): up,
    }
    save_file(state, tmp_path / "lora.safetensors")
    merge_lora(after, Lora(path=str(tmp_path / "lora.safetensors"), scale=0.5))
    assert after.state_dict().keys() == before.state_dict().keys()
    for name, value in before.state_dict().items():
        change = 0.5 * up @ down if name == f"{ATTENTION}.to_q.weight" else 0.0
        torch.testing.assert_close(after.state_dict()[name], value + change)


def test_a_lora_for_another_network_is_refused(base, tmp_path):
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    weights = {"down": torch.zeros(3, 8), "up": torch.zeros(8, 3)}
    for layer in ("unet.down_blocks.7.attentions.0.transformer_blocks.0.attn1", "text_encoder.layers.0"):
        state = {f"{layer}.processor.to_q_lora.{way}.weight": value for way, value in weights.items()}
        save_file(state, tmp_path / "lora.safetensors")
        with pytest.raises(InputError, match=r"reconstruct\.video\.domain_lora"):
            merge_lora(unet, Lora(path=str(tmp_path / "lora.safetensors")))


def test_the_lora_is_part_of_the_video_model(models, base, tmp_path):
    state = {
        f"{ATTENTION}.processor.to_q_lora.down.weight": torch.ones(1, 8),
        f"{ATTENTION}.processor.to_q_lora.up.weight": torch.ones(8, 1),
    }
    save_file(state, tmp_path / "lora.safetensors")
    found = load(models, domain_lora={"path": str(tmp_path / "lora.safetensors"), "scale": 2.0})
    name = f"{ATTENTION}.to_q.weight"
    torch.testing.assert_close(found.unet.state_dict()[name], load(models).unet.state_dict()[name] + 2)


def test_few_step_samplers_are_a_matter_of_configuration(models):
    options = {"beta_schedule": "linear", "timestep_spacing": "trailing"}
    video = models.changed(scheduler="LCMScheduler", scheduler_options=options).video
    scheduler = load_video_scheduler(video)
    assert isinstance(scheduler, LCMScheduler)
    assert {name: scheduler.config[name] for name in options} == options
    assert scheduler.config.prediction_type == "v_prediction"
    with pytest.raises(
        InputError, match=r"scheduler_options: LCMScheduler has no beta_plan; it has .*beta_schedule"
    ):
        load_video_scheduler(
            models.changed(scheduler="LCMScheduler", scheduler_options={"beta_plan": "x"}).video
        )


@pytest.mark.parametrize(
    ("preset", "sampler", "evaluations"),
    [("animatelcm", "LCMScheduler", 6), ("animatediff-lightning", "EulerDiscreteScheduler", 4), (None, "DDIMScheduler", 50)],
)  # fmt: skip
def test_presets_complete_the_study_of_the_paper(preset, sampler, evaluations):
    names = ["cc2017.yaml", "presets/animatediff-v3.yaml", *([f"presets/{preset}.yaml"] if preset else [])]
    video = load_files([Path("config") / name for name in names]).reconstruct.video
    scheduler = load_video_scheduler(video)
    assert type(scheduler).__name__ == sampler
    assert scheduler.config.beta_schedule == "linear"
    assert video.steps * (1 if video.guidance == 1 else 2) == evaluations


def test_a_small_card_changes_no_video():
    both = [
        load_files([Path("config/cc2017.yaml"), *more])
        for more in ([], [Path("config/presets/small-card.yaml")])
    ]
    assert both[1].reconstruct.offload
    decided = [config.reconstruct.model_dump(include=DECIDING | {"control"}) for config in both]
    assert decided[0] == decided[1]


def test_published_sizes():
    """Parameters at the paper's scale, without memory: SD-1.5, AnimateDiff v3, SparseCtrl."""
    with torch.device("meta"):
        image = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(SD15, subfolder="unet"))
        motion = MotionAdapter(use_motion_mid_block=False, motion_max_seq_length=32)
        control = SparseControlNetModel(
            cross_attention_dim=768, conditioning_channels=4, use_simplified_condition_embedding=True,
            motion_num_attention_heads=8, motion_max_seq_length=32,
        )  # fmt: skip
        text = CLIPTextModel(CLIPTextModel.config_class.from_pretrained(SD15, subfolder="text_encoder"))
        whole = UNetMotionModel.from_unet2d(image, motion, load_weights=False)
    assert count(image) == 859_520_964
    assert count(motion) == 417_137_600
    assert count(control) == 496_730_880
    assert count(text) == 123_060_480
    assert count(whole) == count(image) + count(motion)


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_a_folder_outside_of_the_base_is_read(models, base, tmp_path):
    shutil.copytree(base / "motion_adapter", tmp_path / "motion")
    found = load(models, motion_adapter={"path": str(tmp_path / "motion")})
    for name, value in load(models).unet.state_dict().items():
        assert torch.equal(found.unet.state_dict()[name], value)
    with pytest.raises(InputError, match=r"reconstruct\.video\.motion_adapter: .*no/such/folder"):
        load(models, motion_adapter={"path": "no/such/folder"})
