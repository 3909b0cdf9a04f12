"""A real Slurm of one node: jobs are submitted, hit by everything that happens on a cluster, and end with the same files."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import benchmark
from tests.workflow.one_node_slurm import Cluster, unavailable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(unavailable()), reason=f"no Slurm can be started: {unavailable()}"),
]
PARTITIONS = {"cpu": {"max_runtime": 2880}, "gpu": {"max_runtime": 2880, "max_gpu": 1}}


@pytest.fixture(scope="module")
def cluster():
    """A running cluster, in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def study(tmp_path):
    """The tiny study, ready to run, with the partitions of the cluster."""
    folder = tmp_path / "study"
    benchmark("kill_and_resume").prepare(folder)
    (folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": PARTITIONS}))
    return folder


def submit(folder: Path, *options: str) -> subprocess.Popen:
    """Start Snakemake with the repository's profile, adapted to a cluster of two cores."""
    command = benchmark("kill_and_resume").command(
        "--workflow-profile", "workflow/profiles/slurm",
        "--slurm-partition-config", "partitions.yaml",
        "--slurm-init-seconds-before-status-checks", "3",
        "--latency-wait", "10",
        # In the place of the profile's: GPUs of this cluster have no type; the time limit of one minute is to be hit.
        "--set-resources", "simulate_movie:runtime=1", "embed_concepts:gpu=1",
        "--group-components", "preprocess_run=2",
        *options,
    )  # fmt: skip
    with (folder / "snakemake.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=benchmark("kill_and_resume").environment(), stdout=log, stderr=log
        )


def steps(*words: str) -> list[int]:
    """Process ids of running steps whose command line holds all `words`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if line[:3] == ["python", "-m", "neurons"] and all(word in line for word in words):
            found.append(int(entry.name))
    return found


def wait_for(what, seconds=120.0):
    """Wait until `what` gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing came in {seconds} s")


def job_of(pid: int) -> str:
    """The Slurm job that a process belongs to."""
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return next(part.partition("=")[2] for part in text.split("\0") if part.startswith("SLURM_JOB_ID="))


def disturb(cluster: Cluster, process: subprocess.Popen) -> dict[str, str]:
    """Do to the running jobs what a cluster does; the ids of the jobs hit."""
    # Jobs come in any order. A stopped one reaches its time limit; a requeued one runs twice under the same id, as after a
    # pre-emption.
    blows = {
        "time limit": (("movie", "seg1"), ("kill", "-STOP")),
        "cancelled": (("movie", "seg2"), ("scancel",)),
        "requeued": (("embed", "concepts"), ("scontrol", "requeue")),
    }
    hit = {}
    while blows:
        name, pid = wait_for(
            lambda: [(name, pid) for name, (words, _) in blows.items() for pid in steps(*words)]
        )[0]
        hit[name] = job_of(pid)
        subprocess.run([*blows.pop(name)[1], str(pid) if name == "time limit" else hit[name]], check=True)
    node = f"nodename={cluster.host}"
    subprocess.run(["scontrol", "update", node, "state=drain", "reason=test"], check=True)
    wait_for(lambda: "drain" in (cluster.ask("sinfo", "-h", "-o", "%T") or ""))
    subprocess.run(["scontrol", "update", node, "state=resume"], check=True)
    cluster.stop_controller()
    time.sleep(5)
    assert process.poll() is None, "Snakemake gave up when the controller was away"
    cluster.start_controller()
    wait_for(
        lambda: (
            (cluster.ask("sinfo", "-h", "-o", "%T") or "").split()[:1] in (["idle"], ["mixed"], ["allocated"])
        )
    )
    return hit


def test_a_disturbed_run_on_slurm_gives_the_files_of_a_local_run(cluster, study, harness, calm):
    process = submit(study)
    try:
        hit = disturb(cluster, process)
        code = process.wait(timeout=3000)
    finally:
        process.kill()
        log = (study / "snakemake.log").read_text()
        print(log, *cluster.jobs(), sep="\n")
    assert code == 0, f"{log[-5000:]}\n{cluster.logs()}"

    jobs = cluster.jobs()
    by_id = {job["JobID"]: job for job in jobs}
    assert by_id[hit["time limit"]]["State"] == "TIMEOUT"
    assert by_id[hit["cancelled"]]["State"].startswith("CANCELLED")
    assert [job["State"] for job in jobs if job["JobID"] == hit["requeued"]][-1] == "COMPLETED"
    movies = [
        job
        for job in jobs
        if "simulate_movie" in job["Comment"] and job["Comment"].endswith(("seg1", "seg2"))
    ]
    # The second attempt asks for twice the time and memory.
    assert {job["TimelimitRaw"] for job in movies if job["State"] == "COMPLETED"} == {"2"}
    assert {job["TimelimitRaw"] for job in movies if job["State"] != "COMPLETED"} == {"1"}
    assert {job["ReqMem"] for job in movies} == {"1500M", "3000M"}
    (concepts,) = {
        (job["Partition"], "gres/gpu=1" in job["ReqTRES"]) for job in jobs if "concepts" in job["Comment"]
    }
    assert concepts == ("gpu", True)

    assert harness.artifacts(study) == harness.artifacts(calm)
