"""Break the workflow on purpose, again and again, and see whether it comes back to the same artifacts.

    python benchmarks/faults.py --faults 100

A small study of files (movies, runs, annotation tables; written once by the simulator) is processed up to responses and
annotations. Then, round by round: artifacts are cut short, altered under an unchanged time, or deleted; an input changes its
content under an unchanged time; jobs and Snakemake are killed; the disk fills; the results become read-only; two Snakemakes
start at once. After each round a plain `snakemake` must bring back every final artifact, bit for bit, and at no moment may
a file lie in the results that is neither whole nor one that was damaged on purpose. As root on Linux the folder is a
disk of its own (tmpfs), which can be filled and made read-only; otherwise these two faults are left out.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cyclopts import run

sys.path.insert(0, str(Path(__file__).parent))
from kill_and_resume import ROOT, artifacts, command, environment
from own_disk import disk, full_disk, read_only

NAME = "broken"
TRAIN, TEST, REPEATS = ("seg1", "seg2"), ("test1",), 2
FINAL = [
    *(f"results/{NAME}/preprocess/subject1/{name}.safetensors" for name in ("train", "test")),
    f"results/{NAME}/preprocess/subject1/quality.json",
    *(f"results/{NAME}/annotate/{movie}/annotation.parquet" for movie in (*TRAIN, *TEST)),
]
CONFIG = f"""
study:
  name: {NAME}
  source: files
  root: data
  runs: config/runs/{NAME}.tsv
  validation_movies: [seg2]
annotate: {{folder: data/annotations}}
preprocess:
  selection: {{minimum: 1, fallback_top: 200}}
compute: {{device: cpu}}
"""
ON_FILES = ("truncate", "alter", "delete")
ON_RUNS = (
    "kill job",
    "kill snakemake",
    "terminate snakemake",
    "two at once",
    "input",
    "fill disk",
    "read-only",
)
NEED_A_DISK = ("fill disk", "read-only")
# What the run that meets a fault must say.
MESSAGES = {
    "kill job": ("SIGKILL", "exit", "Error in rule"),
    "terminate snakemake": ("Terminating", "terminat", "Will exit"),
    "two at once": ("cannot be locked", "LockException"),
    "input": ("made from another content of data/",),
    "fill disk": ("No space left",),
    "read-only": ("Read-only file system",),
}


@dataclass
class Score:
    """Faults injected and not recovered from, by kind; sentences about what went wrong."""

    injected: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def prepare(folder: Path) -> None:
    """The study on disk: a copy of the workflow, the data, and the configuration."""
    for name in ("neurons", "resources"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("workflow", "rules", "envs", "config"):
        shutil.copytree(ROOT / name, folder / name)
    counts = {"--train-movies": len(TRAIN), "--test-movies": len(TEST)}
    repeats = {"--train-repeats": REPEATS, "--test-repeats": REPEATS}
    options = [text for pair in (counts | repeats).items() for text in (pair[0], str(pair[1]))]
    settings = '{"subjects": {"subject1": {"signal": 1.0}}, "train_movie_s": 24, "test_movie_s": 24}'
    table = folder / f"config/runs/{NAME}.tsv"
    step(folder, "run-table", *options, "--settings", settings, "--output", str(table))
    (folder / "config/config.yaml").write_text(CONFIG)
    data, scratch = folder / "data", folder / "scratch"
    for movie in (*TRAIN, *TEST):
        tables = [f"--{name}={data}/annotations/{movie}_{name}.tsv" for name in ("captions", "instances")]
        masks, scenes = f"{data}/annotations/{movie}_masks.safetensors", f"{scratch}/{movie}.parquet"
        video = f"{data}/stimuli/{movie}.mp4"
        shared = ("--runs", str(table), "--settings", settings, "--movie", movie)
        step(folder, "movie", *shared, *tables, "--masks", masks, "--scenes", scenes, "--video", video)
    vertices, subject = f"{scratch}/vertices.parquet", ("--subject", "subject1")
    shared = ("--runs", str(table), "--settings", settings, *subject)
    step(folder, "brain", *shared, "--vertices", vertices)
    for movie in (*TRAIN, *TEST):
        for repeat in range(1, REPEATS + 1):
            bold = f"{data}/subject1/fmri/{movie}/cifti/{movie}_{repeat}_Atlas.dtseries.nii"
            which = ("--movie", movie, "--repeat", str(repeat), "--repetition-time-s", "2")
            files = ("--scenes", f"{scratch}/{movie}.parquet", "--vertices", vertices, "--bold", bold)
            step(folder, "run", *shared, *which, *files)


def step(folder: Path, name: str, *options: str) -> None:
    """Run a step of `simulate`."""
    words = [sys.executable, "-m", "neurons", "simulate", name, *options]
    subprocess.run(words, cwd=folder, env=environment(), check=True, capture_output=True)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the workflow in a process group of its own."""
    return subprocess.Popen(
        command("--cores", "2", "--", *FINAL), cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def plain_run(folder: Path) -> tuple[int, str]:
    """Run `snakemake` to its end; exit code and output."""
    process = start(folder)
    text, _ = process.communicate()
    return process.returncode, text


def jobs_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the steps that a Snakemake is running."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, IndexError):
            continue
        if line.startswith(b"python\0-m\0neurons") and session == process.pid:
            found.append(int(entry.name))
    return found


def wait_for_job(process: subprocess.Popen[str]) -> int | None:
    """Process id of a running step; None if the run ended before one was seen."""
    while process.poll() is None:
        if found := jobs_of(process):
            return found[0]
        time.sleep(0.02)
    return None


def damage(folder: Path, path: str, kind: str, moments: random.Random) -> None:
    """Cut short, alter (under an unchanged time) or delete an artifact."""
    target = folder / "results" / path
    facts = target.stat()
    if kind == "delete":
        target.unlink()
    elif kind == "truncate":
        os.truncate(target, moments.randrange(facts.st_size))
    else:
        flip_byte(target, moments.randrange(facts.st_size))


def flip_byte(target: Path, position: int) -> None:
    """Change one byte under an unchanged time."""
    facts = target.stat()
    with target.open("r+b") as stream:
        stream.seek(position)
        (byte,) = stream.read(1)
        stream.seek(position)
        stream.write(bytes([byte ^ 0x55]))
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def strike(folder: Path, kind: str, moments: random.Random) -> str:
    """Run the workflow under a fault of the given kind; what the run said."""
    if kind == "input":
        return changed_input(folder, moments)
    if kind == "fill disk":
        with full_disk(folder):
            return plain_run(folder)[1]
    if kind == "read-only":
        with read_only(folder / "results"):
            return plain_run(folder)[1]
    process = start(folder)
    job = wait_for_job(process)
    time.sleep(moments.uniform(0, 1.0))
    if kind == "kill job" and job is not None:
        kill_quietly(job)
    elif kind == "kill snakemake":
        os.killpg(process.pid, signal.SIGKILL)
    elif kind == "terminate snakemake":
        process.terminate()
    elif kind == "two at once":
        _, second = plain_run(folder)
        return process.communicate()[0] + second
    return process.communicate()[0]


def kill_quietly(pid: int) -> None:
    """SIGKILL, if the process is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def changed_input(folder: Path, moments: random.Random) -> str:
    """Change a run under its time, run, and change it back in the same way."""
    made = sorted((folder / f"results/{NAME}/preprocess/subject1/runs").glob("*.safetensors"))
    movie, _, repeat = moments.choice(made).stem.rpartition("_")
    target = folder / f"data/subject1/fmri/{movie}/cifti/{movie}_{repeat}_Atlas.dtseries.nii"
    position = moments.randrange(target.stat().st_size * 3 // 4, target.stat().st_size)
    flip_byte(target, position)
    _, text = plain_run(folder)
    flip_byte(target, position)
    return text


def is_final(path: str) -> bool:
    """Whether an artifact is asked for by name."""
    return f"results/{path}" in FINAL


def half_files(folder: Path, expected: dict[str, str], damaged: set[str]) -> list[str]:
    """Artifacts that are neither whole nor among those damaged on purpose."""
    return [
        path
        for path, content in artifacts(folder).items()
        if path in expected and content != expected[path] and path not in damaged
    ]


def one_round(
    folder: Path, expected: dict[str, str], kinds: list[str], moments: random.Random, score: Score
) -> None:
    """Inject the faults `kinds` (any number on files, at most one on the run), recover, and judge."""
    present = sorted(path for path in artifacts(folder) if path in expected)
    on_files = [kind for kind in kinds if kind in ON_FILES]
    (on_run,) = [kind for kind in kinds if kind in ON_RUNS] or ("",)
    chosen = moments.sample(present, len(on_files))
    for path, kind in zip(chosen, on_files, strict=True):
        damage(folder, path, kind, moments)
    text = strike(folder, on_run, moments) if on_run else plain_run(folder)[1]
    spoken = {path for path in chosen if f"results/{path} is not as its step wrote it" in text}
    # What was set aside is no excuse any more; nothing can be set aside on a disk that cannot be written to.
    excused = set(chosen) if on_run in NEED_A_DISK else set(chosen) - spoken
    # While an input is another, so are the artifacts made from it.
    if on_run != "input" and (half := half_files(folder, expected, excused)):
        score.problems.append(f"{kinds}: half files {half}")
        score.lost.update(kinds)
    for path, kind in zip(chosen, on_files, strict=True):
        score.silent[kind] += kind != "delete" and path not in spoken and on_run not in NEED_A_DISK
    score.silent[on_run or "none"] += bool(MESSAGES.get(on_run)) and not any(
        words in text for words in MESSAGES.get(on_run, ())
    )
    subprocess.run(command("--unlock"), cwd=folder, env=environment(), check=True, capture_output=True)
    code, text = plain_run(folder)
    found = artifacts(folder)
    wrong = [
        path
        for path in expected
        if found.get(path, expected[path] if not is_final(path) else "") != expected[path]
    ]
    score.injected.update(kinds)
    if code or wrong:
        score.lost.update(kinds)
        score.problems.append(f"{kinds} on {chosen}: exit code {code}, wrong {wrong}\n{text[-3000:]}")


def torture(folder: Path, faults: int, seed: int) -> Score:
    """Inject at least `faults` faults into a study in `folder`, all kinds in turn."""
    moments = random.Random(seed)
    with disk(folder) as mounted:
        prepare(folder)
        code, text = plain_run(folder)
        if code:
            raise SystemExit(text)
        expected = artifacts(folder)
        on_runs = [kind for kind in ON_RUNS if mounted or kind not in NEED_A_DISK]
        score, number = Score(), 0
        while score.injected.total() < faults:
            # Deleting a final artifact gives the run something to do when it is hit.
            kinds = [
                on_runs[number % len(on_runs)],
                *(moments.choice(ON_FILES) for _ in range(moments.randint(2, 6))),
            ]
            if number % 3 == 2:
                kinds = kinds[1:]
            give_work(folder, moments)
            one_round(folder, expected, kinds, moments, score)
            number += 1
            print(f"round {number}: {', '.join(kinds)}; lost so far {score.lost.total()}", flush=True)
    return score


def give_work(folder: Path, moments: random.Random) -> None:
    """Delete a movie's and a run's artifacts, as a user does who wants them made again."""
    movie = moments.choice((*TRAIN, *TEST))
    for path in (folder / f"results/{NAME}").rglob("*"):
        if path.is_file() and movie in str(path) and "logs" not in path.parts:
            path.unlink()
    for name in FINAL[:3]:
        (folder / name).unlink(missing_ok=True)


def main(*, faults: int = 100, seed: int = 0) -> None:
    """Inject faults and print a table of those injected, survived and lost.

    Parameters
    ----------
    faults
        How many, at least.
    seed
        Seed of what is hit, and when.
    """
    with tempfile.TemporaryDirectory() as name:
        score = torture(Path(name) / "study", faults, seed)
    print("| fault | injected | survived | lost | without a message |\n|---|---|---|---|---|")
    for kind in sorted(score.injected):
        lost = score.lost[kind]
        print(
            f"| {kind} | {score.injected[kind]} | {score.injected[kind] - lost} | {lost} | {score.silent[kind]} |"
        )
    total, lost = score.injected.total(), score.lost.total()
    print(f"| all | {total} | {total - lost} | {lost} | {score.silent.total()} |")
    print("\n".join(score.problems))
    raise SystemExit(bool(lost))


if __name__ == "__main__":
    run(main)
