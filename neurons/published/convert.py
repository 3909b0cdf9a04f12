"""Published checkpoints to weights of our models, complete and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurons.artifacts import InputError
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.published.decoupler import PublishedDecoupler, PublishedSizes
from neurons.published.keys import FREQUENCIES, SCHEDULE, Translation, shown, translate
from neurons.published.prior import MindEye2Prior, rotary_frequencies
from neurons.published.schedule import schedule_tables
from neurons.published.sizes import backbone_sizes, brain_sizes, decoupler_sizes, prior_sizes

LEVELS = "diffusion_prior.noise_scheduler.betas"
TIED, EMBEDDING = (f"description.language_model.{name}.weight" for name in ("lm_head", "transformer.wte"))
PRIOR_PREFIX = "prior."
RIDGE = "ridge."
TEXT_PROJECTION = "text projection"


@dataclass(frozen=True)
class Converted:
    """What a checkpoint holds.

    Attributes
    ----------
    translation
        Its weights under our names.
    brain, decoupler
        Sizes of the models that it completes; None if parts of them are not in this kind of checkpoint.
    absent
        What this kind of checkpoint does not hold.
    """

    translation: Translation
    brain: BrainSizes | None
    decoupler: PublishedSizes | None
    absent: tuple[str, ...]

    @property
    def start(self) -> dict[str, Tensor]:
        """Weights that training can start from: of the backbone, the projections and the prior, without the ridge."""
        weights = {
            name: value for name, value in self.translation.brain.items() if not name.startswith(RIDGE)
        }
        prior = {
            name: value for name, value in self.translation.decoupler.items() if name.startswith(PRIOR_PREFIX)
        }
        return {**weights, **prior}


def convert(state: Mapping[str, Tensor], mask_size_px: int, latent_size: int) -> Converted:
    """Account for every key of a state dict, and check the shapes.

    Parameters
    ----------
    state
        Weights by published name; may be on the meta device, for the shapes alone.
    mask_size_px, latent_size
        Height and width that a decoupler brings its masks and latents to.

    Raises
    ------
    InputError
        Listing keys that are unknown or missing, shapes that do not fit, tables that do not follow from the sizes.
    """
    translation = translate(state)
    if translation.kind != "NEURONS":
        _check_backbone(translation)
    if translation.kind == "MindEye2":
        _check_prior(state, translation)
        return Converted(translation, None, None, ("motion projection", TEXT_PROJECTION, "task heads"))
    if translation.kind == "NEURONS, first stage":
        return Converted(translation, None, None, ("motion projection", "prior", "task heads"))
    levels = _check_tables(state, translation)
    brain = brain_sizes(translation.brain)
    decoupler = decoupler_sizes(translation.decoupler, levels, mask_size_px, latent_size)
    tied, embedding = translation.decoupler.get(TIED), translation.decoupler.get(EMBEDDING)
    if tied is not None and embedding is not None and not tied.is_meta and not torch.equal(tied, embedding):
        raise InputError("the describer's output layer is not its token embedding, as it is in GPT-2")
    with torch.device("meta"):
        _check(translation.brain, BrainModel(brain), "brain model")
        _check(translation.decoupler, PublishedDecoupler(decoupler), "decoupler")
    return Converted(translation, brain, decoupler, ())


def _check_backbone(translation: Translation) -> None:
    """The parts of a brain model that a checkpoint without projections holds."""
    sizes = backbone_sizes(translation.brain)
    with torch.device("meta"):
        model = BrainModel(sizes)
    held = nn.ModuleDict(
        {name: model.get_submodule(name) for name in ("ridge", "backbone", "unfold", "projector")}
    )
    weights = {name: value for name, value in translation.brain.items() if name.partition(".")[0] in held}
    _check(weights, held, "brain model")


def _check_prior(state: Mapping[str, Tensor], translation: Translation) -> None:
    sizes = prior_sizes(translation.decoupler, _check_tables(state, translation))
    with torch.device("meta"):
        prior = MindEye2Prior(sizes)
    weights = {name.removeprefix(PRIOR_PREFIX): value for name, value in translation.decoupler.items()}
    _check(weights, prior, "prior")


def _check(weights: Mapping[str, Tensor], model: nn.Module, what: str) -> None:
    expected = {name: value.shape for name, value in model.state_dict().items()}
    # Parts that are constant here and were not there: statistics that the release did not use.
    optional = {"token_mean", "token_scale"}
    problems = {
        "missing": [name for name in expected if name not in weights and name not in optional],
        "without a place": [name for name in weights if name not in expected],
        "of another shape": [
            f"{name} {tuple(value.shape)}, expected {tuple(expected[name])}"
            for name, value in weights.items()
            if name in expected and value.shape != expected[name]
        ],
    }
    found = {kind: names for kind, names in problems.items() if names}
    if found:
        listed = "; ".join(f"{len(names)} {kind}: {shown(names)}" for kind, names in found.items())
        raise InputError(
            f"the checkpoint's weights do not fit the {what} that their shapes tell of: {listed}"
        )


def _check_tables(state: Mapping[str, Tensor], translation: Translation) -> int:
    """Number of noise levels; the tables that are computed here must be those of the checkpoint."""
    if LEVELS not in state:
        raise InputError(f"the checkpoint lacks {LEVELS}. Is it complete?")
    levels = len(state[LEVELS])
    tables = schedule_tables(levels)
    frequencies = rotary_frequencies(translation.decoupler["prior.layers.0.attention.nothing"].shape[1])
    different = []
    for key, value in state.items():
        if match := re.fullmatch(SCHEDULE, key):
            expected = tables.get(match[1])
        elif re.fullmatch(FREQUENCIES, key):
            expected = frequencies
        else:
            continue
        if expected is None or not _equal(value, expected):
            different.append(key)
    if different:
        raise InputError(
            f"{len(different)} tables of the checkpoint are not those of a cosine schedule of {levels} levels and rotary "
            f"codes of base 10,000, which is what is computed here: {shown(different)}"
        )
    return levels


def _equal(value: Tensor, expected: Tensor) -> bool:
    if value.shape != expected.shape or value.is_meta:
        return value.shape == expected.shape
    return torch.allclose(value.double(), expected.double(), rtol=1e-4, atol=1e-6)
