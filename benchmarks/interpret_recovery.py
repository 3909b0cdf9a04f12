"""Do importance maps find the vertices that carry a task's content? The simulated brain knows.

    python benchmarks/interpret_recovery.py recovery --seeds 0 1 2
    python benchmarks/interpret_recovery.py null --subjects 20
    python benchmarks/interpret_recovery.py small --seeds 0 1

Needs the results of the default configuration up to `embed` and `preprocess gather-train`. Trains brain models and heads of
its own, on 13,000 vertices (as many as the paper's), some of which respond to nothing and most to something that a given
task is not about, so that a map has something to leave out. `recovery` prints, per task and method, the area under the
ROC curve (AUC) of the map for vertices that carry the task's content, and the same for shuffled labels; and the
correlation of maps between seeds. `small` prints that correlation for barely trained models. `null` prints how many of
20 small subjects without any signal get a significant area.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from cyclopts import App, Parameter
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from neurons.artifacts import (
    TensorFile,
    gather,
    hash_vertices,
    provenance,
    read_table,
    seed_for,
    write_table,
    write_tensors,
)
from neurons.config import Config, load
from neurons.decouple import steps as decouple
from neurons.interpret.area_steps import areas
from neurons.interpret.encoding_steps import encoding
from neurons.interpret.importance_steps import importance
from neurons.interpret.settings import Interpret
from neurons.interpret.surfaces import smooth
from neurons.interpret.tasks import METHODS, TASKS
from neurons.preprocess import atlas
from neurons.preprocess import steps as preprocess
from neurons.preprocess.locations import cortex_locations
from neurons.preprocess.selection_steps import select
from neurons.pretrain import steps as pretrain
from neurons.sections import Optimiser
from neurons.simulate.brain import reference_responses, weight_matrix
from neurons.simulate.features import columns
from neurons.study import read_runs

CONTENT = {
    "segmentation": ("luminance", "contrast", "motion_energy", "motion"),
    "concepts": ("kind", "category", "place"),
    "description": ("kind", "colour", "place", "motion", "caption"),
    "blurry_video": ("luminance", "contrast", "motion_energy", "opponent_colour", "colour", "place"),
}
"""Features of the simulated world that a task is about: where things are and move; what is there; what a caption names;
what the picture looks like."""
CARRIES, CARRIES_NOT = 0.2, 0.02
"""Share of a response's variance (noise included) that a task's content makes: from here on informative, up to here not."""
WIDE = 13_000
SMOOTHED = ("gradient", "integrated", "haufe", "encoding", "unique")
SHUFFLES = 200
FEW_MOVIES, FEW_VERTICES = 6, 300
app = App(help=__doc__, default_parameter=Parameter(consume_multiple=True))


def read_config() -> Config:
    """The default configuration, variant `ours`; one thread."""
    torch.set_num_threads(1)
    return load(yaml.safe_load(Path("config/config.yaml").read_text())).variant("ours")


def train_and_interpret(
    config: Config, subject: str, folder: Path, movies: list[str], validation: list[str]
) -> None:
    """Brain model, heads and the stage `interpret`, from responses and vertex table in `folder`."""
    results = Path("results") / config.study.name
    responses, places = folder / "train.safetensors", folder / "locations.parquet"

    def of(stage: str, name: str) -> list[Path]:
        return [results / stage / movie / name for movie in movies]

    tokens, texts = of("embed", "image_tokens.safetensors"), of("embed", "text.safetensors")
    labels, latents = of("annotate", "labels.safetensors"), of("embed", "latents.safetensors")
    caption_ids, concepts = of("embed", "caption_ids.safetensors"), results / "embed" / "concepts.safetensors"
    brain, heads = folder / "brain.safetensors", folder / "decoupler.safetensors"
    if not brain.exists():
        pretrain.fit(
            subject=subject, variant="ours", responses=responses, image_tokens=tokens, text=texts,
            validation_movies=validation, device="cpu", settings=config.pretrain, checkpoints=folder / "checkpoints",
            model=brain, log=folder / "pretraining.tsv", summary=folder / "pretraining.json",
        )  # fmt: skip
    if not heads.exists():
        decouple.fit(
            subject=subject, variant="ours", responses=responses, image_tokens=tokens, text=texts,
            validation_movies=validation, device="cpu", labels=labels, latents=latents, caption_ids=caption_ids,
            brain_model=brain, annotation=of("annotate", "annotation.parquet"), frames=of("cut", "frames.safetensors"),
            concepts=concepts, vae=config.embed.vae, settings=config.decouple, checkpoints=folder / "checkpoints",
            model=heads, log=folder / "decoupling.tsv", summary=folder / "decoupling.json",
            picture=folder / "early_look.png",
        )  # fmt: skip
    write_table(places, cortex_locations(), provenance("cortex", {}))
    if not (folder / "importance.safetensors").exists():
        importance(
            subject=subject, variant="ours", responses=responses, validation_movies=validation, device="cpu",
            vertices=folder / "selection.parquet", locations=places, brain_model=brain, decoupler=heads, concepts=concepts,
            settings=config.interpret, labels=labels, latents=latents, caption_ids=caption_ids,
            output=folder / "importance.safetensors",
        )  # fmt: skip
    if not (folder / "encoding.safetensors").exists():
        encoding(
            subject=subject, variant="ours", responses=responses, validation_movies=validation, device="cpu",
            vertices=folder / "selection.parquet", locations=places, brain_model=brain, decoupler=heads, concepts=concepts,
            settings=config.interpret, image_tokens=tokens, output=folder / "encoding.safetensors",
        )  # fmt: skip
    areas(
        importance=folder / "importance.safetensors", encoding=folder / "encoding.safetensors",
        settings=config.interpret, table=folder / "areas.tsv", agreement=folder / "agreement.tsv",
        summary=folder / "summary.json",
    )  # fmt: skip


def carried(vertices: pd.DataFrame, groups: tuple[str, ...], seed: int) -> np.ndarray:
    """Share of the variance of each vertex's response, noise included, that some features alone make, (59412,)."""
    where = columns()
    chosen = np.concatenate([np.arange(where[group].start, where[group].stop) for group in groups])
    responses = reference_responses(seed)
    weights = weight_matrix(vertices)[:, chosen].toarray()
    evoked = ((responses - responses.mean(axis=0))[:, chosen] @ weights.T).var(axis=0)
    return evoked / (1 + np.square(vertices["signal"].to_numpy()))


def wide_responses(config: Config, subject: str, folder: Path) -> None:
    """Responses of the 13,000 vertices with the highest inter-repeat t, by far more than pass the test."""
    results = Path("results") / config.study.name
    runs = read_runs(Path(config.study.runs), config.study)
    own = runs[(runs["subject"] == subject) & (runs["split"] == "train")]
    made = results / "preprocess" / subject
    files = [made / "runs" / f"{row.movie}_{row.repeat}.safetensors" for row in own.itertuples()]
    wider = config.preprocess.selection.model_copy(update={"minimum": WIDE, "fallback_top": WIDE})
    select(
        subject=subject, runs=files, frames=[], locations=made / "locations.parquet",
        settings=config.preprocess.model_copy(update={"selection": wider}), selection=folder / "selection.parquet",
    )  # fmt: skip
    preprocess.gather_train(
        subject=subject, runs=files, selection=folder / "selection.parquet",
        alignment=made / "alignment_train.tsv", action=config.preprocess.alignment.action,
        responses=folder / "train.safetensors",
    )  # fmt: skip


def read_maps(folder: Path) -> dict[str, np.ndarray]:
    """Maps by method, (tasks, V), and the vertices."""
    first, second = TensorFile(folder / "importance.safetensors"), TensorFile(folder / "encoding.safetensors")
    found = {method: np.array(first[method]) for method in METHODS}
    found |= {name: np.array(second[name]) for name in ("encoding", "encoding_normalised", "unique")}
    vertex = np.array(first["vertex"])
    drawn = {
        f"{name}, smoothed": smooth(found[name], vertex, Interpret().smoothing_steps) for name in SMOOTHED
    }
    return {**found, **drawn, "vertex": vertex}


@app.command
def recovery(*, subject: str = "subject1", seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """AUC of each map for the vertices that carry a task's content, and stability over seeds of the training.

    Parameters
    ----------
    subject
        A simulated subject of the default configuration.
    seeds
        Of brain model and heads.
    """
    config = read_config()
    base = Path("results") / config.study.name / "interpret_recovery" / subject
    movies = (
        read_runs(Path(config.study.runs), config.study).query("split == 'train'")["movie"].unique().tolist()
    )
    maps = {}
    for seed in seeds:
        folder = base / f"seed{seed}"
        if not (folder / "train.safetensors").exists():
            wide_responses(config, subject, folder)
        changed = config.model_copy(
            update={
                "pretrain": config.pretrain.model_copy(update={"seed": seed}),
                "decouple": config.decouple.model_copy(update={"seed": seed}),
            }
        )
        train_and_interpret(changed, subject, folder, movies, config.study.validation_movies)
        maps[seed] = read_maps(folder)
    truth = pd.read_parquet(
        Path("results") / config.study.name / "simulate/truth" / f"{subject}_vertices.parquet"
    )
    print_auc(truth, maps[seeds[0]], config.simulate.seed)
    print_stability(maps)


def print_auc(truth: pd.DataFrame, maps: dict[str, np.ndarray], seed: int) -> None:
    """AUC against vertices that do not carry the content, all of them and only those that respond to something."""
    vertex = maps["vertex"]
    responds = (truth["role"].to_numpy() != "none")[vertex]
    rng = np.random.default_rng(seed_for(seed, "shuffled labels"))
    print(
        "task\tmethod\tinformative\tnot\tAUC\tshuffled labels, 95 %\tresponding only: not\tAUC, responding only"
    )
    for number, task in enumerate(TASKS):
        content = carried(truth, CONTENT[task], seed)[vertex]
        positive, negative = content >= CARRIES, content < CARRIES_NOT
        for method, values in maps.items():
            if method == "vertex":
                continue
            row = []
            for used in (positive | negative, positive | (negative & responds)):
                row.append(roc_auc_score(positive[used], values[number][used]))
            used = positive | negative
            null = [
                roc_auc_score(rng.permutation(positive[used]), values[number][used]) for _ in range(SHUFFLES)
            ]
            low, high = np.quantile(null, [0.025, 0.975])
            print(
                f"{task}\t{method}\t{positive.sum()}\t{negative.sum()}\t{row[0]:.3f}\t{low:.3f} to {high:.3f}"
                f"\t{(negative & responds).sum()}\t{row[1]:.3f}",
                flush=True,
            )


def print_stability(maps: dict[int, dict[str, np.ndarray]]) -> None:
    """Spearman correlation of maps between seeds, mean over pairs."""
    print("task\tmethod\tcorrelation between seeds\tpairs")
    pairs = list(itertools.combinations(maps, 2))
    for method in maps[next(iter(maps))]:
        if method == "vertex" or not pairs:
            continue
        for number, task in enumerate(TASKS):
            rho = [spearmanr(maps[a][method][number], maps[b][method][number]).statistic for a, b in pairs]
            print(f"{task}\t{method}\t{np.mean(rho):.3f}\t{len(pairs)}")


def small_study(config: Config) -> tuple[Config, list[str]]:
    """One epoch of small models, without functional groups, and some of the training movies with the held-out ones."""
    validation = config.study.validation_movies
    every = read_runs(Path(config.study.runs), config.study).query("split == 'train'")["movie"].unique()
    used = [movie for movie in every if movie not in validation][: FEW_MOVIES - len(validation)] + validation
    few = {"optimiser": Optimiser(epochs=1, batch_size=32, learning_rate=1e-3)}
    changes = {
        "pretrain": config.pretrain.model_copy(update={**few, "hidden_width": 32}),
        "decouple": config.decouple.model_copy(update=few),
        "interpret": config.interpret.model_copy(update={"baselines": 2, "contrasts": 2, "groups": {}}),
    }
    return config.model_copy(update=changes), used


@app.command
def small(*, subject: str = "subject1", seeds: tuple[int, ...] = (0, 1)) -> None:
    """Stability over seeds of barely trained models (one epoch, few movies): a lower bound, in minutes.

    Parameters
    ----------
    subject
        A simulated subject of the default configuration.
    seeds
        Of brain model and heads.
    """
    config = read_config()
    cheap, used = small_study(config)
    results = Path("results") / config.study.name
    file = TensorFile(results / "preprocess" / subject / "train.safetensors")
    ids = [clip for clip in file.clip_ids if clip.rpartition(":")[0] in used]
    facts = {"subject": subject, "space": "fsLR_91k", "vertex_hash": file.metadata["vertex_hash"]}
    arrays = {"responses": file.rows("responses", ids), "vertex": np.array(file["vertex"])}
    maps = {}
    for seed in seeds:
        folder = results / "interpret_recovery" / "small" / f"seed{seed}"
        write_tensors(folder / "train.safetensors", arrays, provenance("few movies", {}), ids, **facts)
        table = read_table(results / "preprocess" / subject / "selection.parquet")
        write_table(folder / "selection.parquet", table, provenance("few movies", {}))
        seeded = {
            name: getattr(cheap, name).model_copy(update={"seed": seed}) for name in ("pretrain", "decouple")
        }
        train_and_interpret(
            cheap.model_copy(update=seeded), subject, folder, used, config.study.validation_movies
        )
        maps[seed] = read_maps(folder)
    print_stability(maps)


@app.command
def null(*, subjects: int = 20) -> None:
    """Share of subjects without signal that get a significant area.

    Parameters
    ----------
    subjects
        Subjects whose responses are noise.
    """
    config = read_config()
    cheap, used = small_study(config)
    base = Path("results") / config.study.name / "interpret_recovery" / "null"
    found = []
    for number in range(subjects):
        folder = base / str(number)
        noise_responses(config, used, FEW_VERTICES, number, folder)
        train_and_interpret(cheap, "noise", folder, used, config.study.validation_movies)
        table = read_table(folder / "areas.tsv").query("level == 'area'")
        lowest = table.groupby(["method", "task"])["p_corrected"].min().reset_index()
        found.append(lowest.assign(subject=number))
        print(f"subject {number}: {(lowest['p_corrected'] < 0.05).sum()} of {len(lowest)} maps", flush=True)
    table = pd.concat(found)
    table["significant"] = table["p_corrected"] < 0.05
    print(table.pivot_table(index="method", columns="task", values="significant", aggfunc="mean").to_string())
    by_method = table.groupby(["method", "subject"])["significant"].any().groupby("method").mean()
    print("share of subjects with a significant area in any task\n" + by_method.to_string())


def noise_responses(config: Config, movies: list[str], count: int, number: int, folder: Path) -> None:
    """Responses that carry nothing: autocorrelated noise, with vertices of the 10 largest areas."""
    files = [
        Path("results") / config.study.name / "embed" / movie / "latents.safetensors" for movie in movies
    ]
    _, ids = gather(files, "latents")
    names = pd.Series([name[2:] for name in atlas.areas().tolist()])
    largest = names[names != ""].value_counts().head(10).index
    rng = np.random.default_rng(seed_for("noise subject", number))
    chosen = [
        rng.choice(np.flatnonzero(names == area), count // len(largest), replace=False) for area in largest
    ]
    vertex = np.sort(np.concatenate(chosen)).astype(np.int64)
    white = rng.standard_normal((len(ids), 2, len(vertex)))
    values = white.copy()
    for clip in range(1, len(ids)):
        values[clip] = 0.4 * values[clip - 1] + np.sqrt(1 - 0.4**2) * white[clip]
    made_by = provenance("noise subject", {}, {"number": number})
    facts = {"subject": "noise", "space": "fsLR_91k", "vertex_hash": hash_vertices(vertex)}
    arrays: dict[str, np.ndarray] = {"responses": values.astype(np.float32), "vertex": vertex}
    write_tensors(folder / "train.safetensors", arrays, made_by, ids, **facts)
    grayordinate = np.arange(atlas.CORTEX)
    table = pd.DataFrame({"grayordinate": grayordinate, "selected": np.isin(grayordinate, vertex)})
    write_table(folder / "selection.parquet", table, made_by)


if __name__ == "__main__":
    app()
