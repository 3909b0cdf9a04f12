"""Time of planning the whole graph of cc2017, three subjects, on a skeleton of empty files.

    python benchmarks/dry_run.py

Writes the skeleton and empty annotation tables into a temporary copy of the workflow, indexes it and times
`snakemake -n --quiet --configfile config/cc2017.yaml`, by the clock and by CPU.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from neurons.preprocess import cc2017
from neurons.preprocess.index_steps import index_cc2017

ROOT = Path(__file__).parents[1]


def skeleton(folder: Path) -> None:
    """Empty files of the right names, and annotation tables."""
    root, notes = folder / "data/cc2017/video_fmri_dataset", folder / "data/cc2017/annotations"
    for path in (root / "stimuli", notes):
        path.mkdir(parents=True)
    for movie, split in cc2017.MOVIES.items():
        (root / "stimuli" / f"{movie}.mp4").touch()
        for name in ("captions.tsv", "instances.tsv", "masks.safetensors"):
            (notes / f"{movie}_{name}").touch()
        for subject in cc2017.SUBJECTS:
            place = root / subject / "fmri" / movie / "cifti"
            place.mkdir(parents=True)
            for repeat in range(1, cc2017.REPEATS[split] + 1):
                (place / cc2017.bold_names(movie, repeat)[0]).touch()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("workflow", "rules", "envs", "config"):
            shutil.copytree(ROOT / part, folder / part)
        for part in ("neurons", "resources"):
            (folder / part).symlink_to(ROOT / part)
        skeleton(folder)
        index_cc2017(folder / "data/cc2017", runs=folder / "config/runs/cc2017.tsv")
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "-n",
            "--quiet",
            "host",
            "--configfile",
            "config/cc2017.yaml",
        ]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        elapsed, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        text = done.stdout + done.stderr
        jobs, *_ = re.findall(r"^total\s+(\d+)$", text, flags=re.MULTILINE)
        print(f"{jobs} jobs planned in {elapsed:.1f} s, {used.ru_utime + used.ru_stime:.1f} CPU s")


if __name__ == "__main__":
    main()
