"""A conda channel on this disk and a `conda` that installs from it: what `--sdm conda` needs, without conda.

The channel holds one package, this machine's Python. `conda` is a test double over py-rattler: it solves and installs
the conda part of an environment file from the channel and runs pip for the pip part. So Snakemake's mechanism and the
pip part of each file are proven here, not the solving against conda-forge.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from pathlib import Path

import yaml

SKIPPED = {"test", "tests", "site-packages", "__pycache__", "idlelib", "lib2to3", "turtledemo"}
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

CONDA = """#!/bin/sh
exec {python} {script} "$@"
"""
ACTIVATE = """export CONDA_PREFIX="$1" CONDA_SHLVL=1 PATH="$1/bin:$PATH"
"""


def make(folder: Path) -> Path:
    """Make the channel and the double; the folder to put on PATH."""
    channel, programs = folder / "channel", folder / "conda" / "bin"
    programs.mkdir(parents=True)
    _pack_python(channel / "linux-64")
    (channel / "noarch").mkdir()
    _index(channel)
    (programs / "conda").write_text(CONDA.format(python=sys.executable, script=Path(__file__).resolve()))
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text(ACTIVATE)
    return programs


def _index(channel: Path) -> None:
    from rattler.index import index_fs

    asyncio.run(index_fs(channel))


def _python_files() -> dict[str, Path]:
    base = Path(sys.base_prefix)
    files = {}
    for folder, inside, names in os.walk(base / "lib" / PYTHON):
        inside[:] = [name for name in inside if name not in SKIPPED and not name.startswith("config-")]
        for name in names:
            files[str((Path(folder) / name).relative_to(base))] = Path(folder) / name
    for library in (base / "lib").glob("libpython*.so*"):
        files[f"lib/{library.name}"] = library
    program = (base / "bin" / PYTHON).resolve()
    return files | {f"bin/{name}": program for name in (PYTHON, "python3", "python")}


def _pack_python(folder: Path) -> None:
    folder.mkdir(parents=True)
    files = _python_files()
    version = platform.python_version()
    paths = [
        {
            "_path": name,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size_in_bytes": path.stat().st_size,
        }
        for name, path in sorted(files.items())
    ]
    index = {
        "name": "python",
        "version": version,
        "build": "local_0",
        "build_number": 0,
        "depends": [],
        "subdir": "linux-64",
        "platform": "linux",
        "arch": "x86_64",
        "license": "PSF-2.0",
    }
    facts = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "\n".join(sorted(files)),
    }
    with tarfile.open(folder / f"python-{version}-local_0.tar.bz2", "w:bz2", compresslevel=1) as archive:
        for name, text in facts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, path in sorted(files.items()):
            archive.add(path.resolve(), name, recursive=False)


async def _install(prefix: Path, channel: Path, wanted: list[str]) -> None:
    import rattler

    cache = channel.parent / "cache"
    records = await rattler.solve(
        sources=[rattler.Channel(channel.as_uri())],
        specs=wanted,
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
        gateway=rattler.Gateway(cache_dir=cache),
    )
    await rattler.install(records=records, target_prefix=prefix, cache_dir=cache, show_progress=False)


def _create(prefix: Path, file: Path) -> None:
    import subprocess

    channel = Path(os.environ["LOCAL_CHANNEL"])
    entries = yaml.safe_load(file.read_text())["dependencies"]
    # pip comes with Python's own ensurepip: it is no package of the channel.
    asyncio.run(_install(prefix, channel, [e for e in entries if isinstance(e, str) and e != "pip"]))
    python = str(prefix / "bin" / "python")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run([python, "-m", "ensurepip"], check=True, env=clean, stdout=subprocess.DEVNULL)
    for entry in entries:
        if isinstance(entry, dict):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *entry["pip"]], check=True, env=clean)


def _option(arguments: list[str], name: str) -> str:
    for position, argument in enumerate(arguments):
        if argument == name:
            return arguments[position + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    raise SystemExit(f"this conda needs {name}")


def _answer(arguments: list[str]) -> None:
    if arguments[:1] == ["--version"]:
        print("conda 25.1.1")
    elif arguments[:1] == ["info"]:
        root = os.environ["LOCAL_CONDA"]
        print(json.dumps({"conda_prefix": root, "platform": "linux-64", "root_prefix": root}))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"]:
        _create(Path(_option(arguments, "--prefix")), Path(_option(arguments, "--file")))
    elif arguments[:1] != ["clean"] and arguments[:2] != ["env", "export"]:
        raise SystemExit(f"this conda does not know: {' '.join(arguments)}")


if __name__ == "__main__":
    _answer(sys.argv[1:])
