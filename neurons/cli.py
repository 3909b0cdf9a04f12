"""The ``neurons`` command: ``neurons <stage> <step> ...``, made from the signatures and docstrings of the steps."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from cyclopts import App, Parameter

from neurons import __version__
from neurons.artifacts import InputError
from neurons.console import logger, start_logging
from neurons.workflow.processes import started
from neurons.workflow.seals import sealing

# The map of the house: stage -> module -> steps. A step's module is imported only when the step is called, since
# the libraries of some stages take seconds to load; a stage's light steps are apart from its heavy ones for that.
STEPS: dict[str, dict[str, tuple[str, ...]]] = {
    "simulate": {
        "neurons.simulate.steps": ("run_table", "brain", "run"),
        "neurons.simulate.movie_steps": ("movie",),
        "neurons.simulate.layout_steps": ("bids", "released"),
        "neurons.simulate.miniatures.steps_recognition": (
            "train_clip",
            "train_captioner",
            "train_frame_classifier",
            "train_video_classifier",
            "judge_recognition",
        ),
        "neurons.simulate.miniatures.steps_autoencoder": ("train_vae", "refine_vae_decoder"),
        "neurons.simulate.miniatures.steps_video": (
            "train_image",
            "draw_clips",
            "train_video",
            "continue_video",
        ),
        "neurons.simulate.miniatures.steps_control": ("train_control", "continue_control"),
        "neurons.simulate.miniatures.steps_unclip": ("train_unclip", "continue_unclip"),
        "neurons.simulate.miniatures.steps_judging": ("judge_diffusion",),
        "neurons.simulate.miniatures.steps_segmenter": ("train_segmenter",),
    },
    "cut": {
        "neurons.cut.steps": ("clips", "playback"),
        "neurons.cut.released_steps": ("released", "released_playback"),
    },
    "preprocess": {
        "neurons.preprocess.steps": ("locations", "run", "gather_train", "gather_test"),
        "neurons.preprocess.selection_steps": ("select", "quality"),
        "neurons.preprocess.alignment_steps": ("alignment",),
        "neurons.preprocess.released_steps": ("released_locations", "released_run", "released_captions"),
        "neurons.preprocess.index_steps": ("unpack_cc2017", "index_cc2017", "index_bids", "index_released"),
    },
    "annotate": {
        "neurons.annotate.describing_steps": ("describe",),
        "neurons.annotate.masking_steps": ("segment",),
        "neurons.annotate.steps": ("clips",),
        "neurons.annotate.released_steps": ("released_masks",),
    },
    "embed": {"neurons.embed.steps": ("images", "latents", "captions", "concepts")},
    "pretrain": {
        "neurons.pretrain.steps": ("fit",),
        "neurons.pretrain.import_steps": ("import_checkpoint",),
        "neurons.pretrain.shared_steps": ("shared",),
    },
    "decouple": {"neurons.decouple.steps": ("fit",)},
    "reconstruct": {
        "neurons.reconstruct.steps": ("decode", "control", "videos"),
        "neurons.reconstruct.gathering_steps": ("oracle", "gather"),
        "neurons.reconstruct.tuning_steps": ("tune", "choose"),
        "neurons.reconstruct.any_steps": ("clip", "run"),
        "neurons.reconstruct.plan_steps": ("plan",),
        "neurons.reconstruct.import_steps": ("import_unclip",),
    },
    "evaluate": {
        "neurons.evaluate.feature_steps": ("truth", "features"),
        "neurons.evaluate.steps": ("scores", "table"),
        "neurons.evaluate.reference_steps": ("mean", "retrieval"),
        "neurons.evaluate.analysis_steps": ("breakdown", "ceiling", "compare", "alarms"),
        "neurons.evaluate.table_steps": ("tables",),
        "neurons.evaluate.ablation_steps": ("held_out", "ablations"),
        "neurons.evaluate.curve_steps": ("learning_curves",),
        "neurons.evaluate.figure_steps": ("figures",),
        "neurons.evaluate.standalone_steps": ("videos",),
    },
    "interpret": {
        "neurons.interpret.importance_steps": ("importance",),
        "neurons.interpret.encoding_steps": ("encoding",),
        "neurons.interpret.area_steps": ("areas",),
        "neurons.interpret.map_steps": ("maps",),
    },
    "report": {"neurons.report.steps": ("page",)},
}

DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)

STORIES = {
    "simulate": "Make a study on disk, movies and brains, in the file formats of a real one.",
    "cut": "Movies to clips: frames with time stamps, scene cuts, a clip table.",
    "preprocess": "Runs to responses: trim and lag, detrend, z-score, vertex selection.",
    "annotate": "Clips to captions, tags, concepts, masks and key objects.",
    "embed": "Frames and texts to frozen features, computed once.",
    "pretrain": "Train the brain model: responses to video and text embeddings.",
    "decouple": "Train the four task heads and the prior.",
    "reconstruct": "Test responses to task outputs, control images and videos.",
    "evaluate": "Score reconstructions: chance, intervals, reference rows.",
    "interpret": "Which vertices and areas speak for which task, in both directions.",
    "report": "Gather everything in one page.",
}


def module_of(stage: str, step: str) -> str:
    """The module that defines a step, given by its names on the command line."""
    (module,) = [name for name, steps in STEPS[stage].items() if step.replace("-", "_") in steps]
    return module


def build() -> App:
    """The application, with every step as a command of its stage."""
    lists = Parameter(consume_multiple=True, negative=())
    app = App(name="neurons", help=__doc__, version=__version__, default_parameter=lists)
    for stage, modules in STEPS.items():
        group = App(name=stage, help=STORIES[stage])
        for module, steps in modules.items():
            for step in steps:
                group.command(f"{module}:{step}", name=step.replace("_", "-"))
        app.command(group)
    app.command(
        "neurons.workflow.status:status", name="status", help="Say what is done, stale and missing, and why."
    )
    app.command(
        "neurons.workflow.parameters:parameters",
        name="parameters",
        help="Count the weights that a configuration trains, and the memory that they take.",
    )
    app.command(
        "neurons.workflow.tensorboard:tensorboard",
        name="tensorboard",
        help="Write the courses of trainings as TensorBoard events.",
    )
    return app


def _in_processes(given: Mapping[str, Any]) -> int:
    """Start this command as several processes, one of which seals what it writes; their exit code."""
    launching = import_module("neurons.workflow.launching")  # like steps: most commands do without PyTorch
    return launching.launch(
        sys.argv[1:], given["processes"], given.get("device", "auto"), given.get("threads", 1)
    )


def main() -> None:
    """Run a step; a problem in the input is one message without a traceback, and exit code 1."""
    start_logging()
    try:
        command, given, _ = build().parse_args()
        if given.arguments.get("processes", 1) > 1 and started() == 1:
            sys.exit(_in_processes(given.arguments))
        with sealing():
            command(*given.args, **given.kwargs)
    except InputError as error:
        logger.error("%s", error)
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        logger.error(
            "%s. Nothing half-written is left. Free space (or make the folder writable) and run the same command again.",
            error,
        )
        sys.exit(1)
