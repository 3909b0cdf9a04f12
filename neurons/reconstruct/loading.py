"""Parts of diffusion models from folders (or hub repositories) in the diffusers layout, and what identifies them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, SchedulerMixin

from neurons.artifacts import InputError, hash_file
from neurons.loading import load_pretrained
from neurons.sections import Model


def load_network(
    kind: Any, model: Model, key: str, device: torch.device, dtype: torch.dtype, subfolder: str = ""
) -> Any:
    """A network of class `kind` from a subfolder of `model`, for inference; `key` of the configuration names it."""
    network = load_pretrained(kind, model, key, subfolder=subfolder, torch_dtype=dtype)
    return network.to(device).eval().requires_grad_(False)


def load_vae(model: Model, key: str, device: torch.device) -> AutoencoderKL:
    """The image autoencoder; always in float32, since bfloat16 shifts pixels by a level or more."""
    return load_network(AutoencoderKL, model, key, device, torch.float32)


def load_scheduler(
    model: Model, key: str, name: str | None = None, options: Mapping[str, Any] | None = None
) -> Any:
    """The sampler that ``scheduler/scheduler_config.json`` of the folder names, or another class with its noise schedule.

    Parameters
    ----------
    name
        Scheduler class of diffusers; None is the folder's own.
    options
        Values that take the place of the file's, such as ``beta_schedule``.

    Raises
    ------
    InputError
        If there is no such file, or diffusers has no such scheduler, or it has no such options.
    """
    try:  # whichever scheduler class reads the file, it says which one is meant
        config = diffusers.DDIMScheduler.load_config(
            model.path, subfolder="scheduler", revision=model.revision
        )
    except OSError as error:
        raise InputError(f"{key}: {model.path} has no scheduler/scheduler_config.json ({error})") from error
    chosen = name or config.get("_class_name", "")
    kind: Any = getattr(diffusers, chosen, None)
    known = isinstance(kind, type) and issubclass(kind, SchedulerMixin)
    if not known:
        where = f"{key.rpartition('.')[0]}.scheduler" if name else f"{key}: {model.path}/scheduler"
        raise InputError(
            f"{where} names {chosen!r}; expected a scheduler class of diffusers, such as DDIMScheduler or "
            "DPMSolverMultistepScheduler"
        )
    valid = [parameter for parameter in inspect.signature(kind).parameters if parameter != "kwargs"]
    unknown = sorted(set(options or {}) - set(valid))
    if unknown:
        raise InputError(
            f"{key.rpartition('.')[0]}.scheduler_options: {chosen} has no {', '.join(unknown)}; it has {', '.join(valid)}"
        )
    return kind.from_config({**config, **(options or {})})


def identify(model: Model) -> dict[str, str | None]:
    """What decides a model's weights: the hash of its file or files, wherever they lie; path and revision of a hub id."""
    path = Path(model.path)
    return {"hash": hash_file(path)} if path.exists() else {"path": model.path, "revision": model.revision}
