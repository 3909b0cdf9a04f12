"""The published unCLIP checkpoint's layout, written from its description, against the networks that it must become."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor

from neurons.artifacts import InputError, read_json
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.import_steps import import_unclip
from neurons.reconstruct.settings import ControlImage
from neurons.reconstruct.unclip_import import UNET, VAE, convert, unet_config
from neurons.sections import Model
from tests.reconstruct.ldm_layout import LAYERS, ldm_unet_name, ldm_vae_name


def unet(channels: tuple[int, ...], depths: tuple[int, ...], width: int, vector: int, head: int, groups: int):
    return UNet2DConditionModel(
        sample_size=96,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (len(channels) - 1)),
        up_block_types=(*["CrossAttnUpBlock2D"] * (len(channels) - 1), "UpBlock2D"),
        layers_per_block=LAYERS,
        transformer_layers_per_block=depths,
        attention_head_dim=tuple(count // head for count in channels),
        cross_attention_dim=width,
        use_linear_projection=True,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=vector,
        norm_num_groups=groups,
    ).eval()


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(3)
    return unet((8, 16, 24), (1, 2, 3), width=12, vector=16, head=8, groups=4)


def small_vae() -> AutoencoderKL:
    torch.manual_seed(4)
    return AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=LAYERS,
        norm_num_groups=4,
    ).eval()


def unet_state(network: UNet2DConditionModel) -> dict[str, Tensor]:
    attends = set(range(len(network.config.block_out_channels) - 1))
    return {UNET + ldm_unet_name(name, attends): value for name, value in network.state_dict().items()}


def vae_state(network: AutoencoderKL) -> dict[str, Tensor]:
    levels = len(network.config.block_out_channels)
    state = {}
    for name, value in network.state_dict().items():
        renamed = VAE + ldm_vae_name(name, levels)
        # In this layout the projections of attention are convolutions of one pixel.
        state[renamed] = value[..., None, None] if "attn_1" in renamed and value.dim() == 2 else value
    return state


def checkpoint() -> dict[str, Tensor]:
    extra = {"conditioner.embedders.0.x": torch.zeros(2), "denoiser.sigmas": torch.zeros(1000)}
    return {**unet_state(small_unet()), **vae_state(small_vae()), **extra}


def converted(state: dict[str, Tensor]):
    return convert(state, head_channels=8, groups=4)


def test_converted_networks_compute_what_the_originals_compute() -> None:
    found, generator = converted(checkpoint()), torch.Generator().manual_seed(5)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    given = {
        "timestep": torch.tensor([3, 500]),
        "encoder_hidden_states": torch.randn(2, 5, 12, generator=generator),
        "class_labels": torch.randn(2, 16, generator=generator),
    }
    picture = torch.randn(2, 3, 16, 16, generator=generator)
    with torch.inference_mode():
        assert torch.equal(found.unet(latents, **given).sample, small_unet()(latents, **given).sample)
        own = small_vae()
        assert torch.equal(found.vae.decode(latents).sample, own.decode(latents).sample)
        assert torch.equal(
            found.vae.encode(picture).latent_dist.mode(), own.encode(picture).latent_dist.mode()
        )
    assert sum(found.left_out.values()) == 2


def test_the_published_size() -> None:
    """2.50 billion parameters under 1,680 names; a few of the published names and shapes."""
    with torch.device("meta"):
        network = unet((320, 640, 1280), (1, 2, 10), width=1664, vector=1024, head=64, groups=32)
    state = unet_state(network)
    assert len(state) == 1680
    assert sum(value.numel() for value in state.values()) == 2_501_272_324
    published = {
        "label_emb.0.0.weight": (1280, 1024),
        "input_blocks.3.0.op.weight": (320, 320, 3, 3),
        "input_blocks.4.0.skip_connection.weight": (640, 320, 1, 1),
        "input_blocks.7.1.transformer_blocks.9.attn2.to_k.weight": (1280, 1664),
        "middle_block.1.proj_in.weight": (1280, 1280),
        "output_blocks.2.2.conv.weight": (1280, 1280, 3, 3),
        "output_blocks.5.1.transformer_blocks.1.ff.net.0.proj.weight": (5120, 640),
        "output_blocks.8.0.skip_connection.bias": (320,),
        "out.2.weight": (4, 320, 3, 3),
    }
    assert {name: tuple(state[UNET + name].shape) for name in published} == published
    config = unet_config(state, head_channels=64, groups=32)
    assert {name: network.config[name] for name in config} == config


def test_the_folder_is_what_reconstruct_reads(tmp_path: Path) -> None:
    torch.manual_seed(6)
    network = unet((32, 64, 64), (1, 1, 1), width=12, vector=16, head=64, groups=32)
    vae = AutoencoderKL(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=LAYERS,
    )  # fmt: skip
    path = tmp_path / "unclip.ckpt"
    torch.save({"state_dict": unet_state(network) | vae_state(vae), "epoch": 0}, path)
    import_unclip(checkpoint=path, output=tmp_path / "unclip")
    facts = read_json(tmp_path / "unclip" / "import.json")
    assert facts["unet"]["weights"] + facts["vae"]["weights"] == facts["weights"]
    settings = ControlImage(
        unclip=Model(path=str(tmp_path / "unclip")), vae=Model(path=str(tmp_path / "unclip" / "vae")), steps=2
    )
    model = UnclipModel.load(settings, settings.vae, torch.device("cpu"), torch.float32)
    assert isinstance(model.scheduler, EulerDiscreteScheduler)
    assert model.vae.config.scaling_factor == 0.13025
    for name, value in network.state_dict().items():
        assert torch.equal(model.unet.state_dict()[name], value), name


def test_every_key_is_accounted_for() -> None:
    state = checkpoint()
    cases = {
        "neither": {**state, "optimizer.x": torch.zeros(1)},
        "without a place: model.diffusion_model.input_blocks.1.2.weight": {
            **state, UNET + "input_blocks.1.2.weight": torch.zeros(3),
        },
        "not in the network: down_blocks.0.resnets.0.gate": {
            **state, UNET + "input_blocks.1.0.gate": torch.zeros(3),
        },
        "missing: mid_block.resnets.0.conv1.bias": {
            name: value for name, value in state.items() if not name.endswith("middle_block.0.in_layers.2.bias")
        },
        "of another shape: down_blocks.0.resnets.0.conv1.bias (7,), expected (8,)": {
            **state, UNET + "input_blocks.1.0.in_layers.2.bias": torch.zeros(7),
        },
        "lacks model.diffusion_model.label_emb.0.0.weight": {
            name: value for name, value in state.items() if "label_emb" not in name
        },
        "lacks first_stage_model.decoder.conv_out.weight": {
            name: value for name, value in state.items() if name != VAE + "decoder.conv_out.weight"
        },
    }  # fmt: skip
    for message, broken in cases.items():
        with pytest.raises(InputError, match=re.escape(message)):
            converted(broken)


class Dangerous:
    def __reduce__(self):
        return print, ("code of a checkpoint was run",)


def test_files_that_would_run_code_or_hold_no_weights_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    torch.save({"state_dict": {"x": torch.zeros(1)}, "callback": Dangerous()}, tmp_path / "code.ckpt")
    torch.save({"state_dict": [1, 2]}, tmp_path / "list.ckpt")
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "list.ckpt").read_bytes()[:100])
    (tmp_path / "cut.safetensors").write_bytes(b"123")
    for name, message in {
        "code.ckpt": "without running code", "list.ckpt": "no state dict", "cut.ckpt": "cannot be read",
        "cut.safetensors": "cannot be read", "none.ckpt": "no file",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            import_unclip(checkpoint=tmp_path / name, output=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    assert "code of a checkpoint" not in capsys.readouterr().out
