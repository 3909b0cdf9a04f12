"""``neurons status``: what is done, stale and missing, and why, in plain words.

Everything is taken from ``snakemake --summary``, so that it is what Snakemake would do; only the words are ours.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from neurons.artifacts import InputError
from neurons.workflow.seals import is_locked

PENDING = "update pending"
# Snakemake's words for the state of a file -> ours.
REASONS = {
    "updated input files": "an input is newer",
    "set of input files changed": "it would be made from other files than it was",
    "params changed": "a setting that it depends on changed, or the code of its step",
    "rule implementation changed": "the command of its rule changed",
    "ok": "something that it is made from is made again first, or its job was interrupted",
    "missing": "not made yet",
}
SHOWN = 8
UNNEEDED = "deleted, but what was made from it is up to date"


@dataclass(frozen=True)
class Output:
    """One declared file: its rule, whether it is ``done``, ``stale`` or ``missing``, and why (empty if done)."""

    path: str
    rule: str
    kind: str
    why: str

    @property
    def stage(self) -> str:
        """The stage that makes it."""
        return self.rule.partition("_")[0]


def read_summary(text: str) -> list[Output]:
    """The outputs that ``snakemake --summary`` lists.

    Raises
    ------
    InputError
        If `text` has no summary.
    """
    lines = text.splitlines()
    header = next((row for row, line in enumerate(lines) if line.startswith("output_file\t")), None)
    if header is None:
        raise InputError(f"Snakemake gave no summary; it said:\n{text.strip()}")
    columns = lines[header].split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[header + 1 :] if line]
    return [
        Output(row["output_file"], row["rule"], *_judge(row["status"], row["plan"] == PENDING))
        for row in rows
    ]


def _judge(state: str, pending: bool) -> tuple[str, str]:
    if state == "missing":
        return "missing", REASONS[state] if pending else UNNEEDED
    if pending or state != "ok":
        return "stale", REASONS.get(state, state)
    return "done", ""


def ask_snakemake(configfile: Iterable[Path], config: Iterable[str]) -> tuple[list[Output], list[str]]:
    """Outputs of the configured study, and what the check of the files found.

    Raises
    ------
    InputError
        With Snakemake's own message, if the workflow cannot be planned.
    """
    options = ["--configfile", *map(str, configfile)] if configfile else []
    options += ["--config", *config] if config else []
    command = [sys.executable, "-m", "snakemake", "--summary", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(done.stderr.strip() or done.stdout.strip())
    findings = [line for line in done.stderr.splitlines() if "made again as soon as" in line]
    return read_summary(done.stdout), findings


def show(outputs: list[Output], findings: list[str], order: list[str], console: Console) -> None:
    """Print a table with a row per stage, in the given order of stages, and below it the reasons."""
    kinds = ("done", "stale", "missing")
    table = Table("stage", *kinds, box=None, pad_edge=False, header_style="bold")
    for stage in sorted({output.stage for output in outputs}, key=order.index):
        counts = [sum(o.stage == stage and o.kind == kind for o in outputs) for kind in kinds]
        table.add_row(stage, *(str(count) if count else "-" for count in counts))
    console.print(table)
    groups: dict[tuple[str, str], list[Output]] = {}
    for output in sorted(outputs, key=lambda output: order.index(output.stage)):
        if output.kind != "done":
            groups.setdefault((output.kind, output.why), []).append(output)
    lines = [_reason(kind, why, members) for (kind, why), members in groups.items()] + findings
    if not groups:
        lines.append("Everything is done: `snakemake` has nothing to do.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _reason(kind: str, why: str, members: list[Output]) -> str:
    rules = list(dict.fromkeys(member.rule for member in members))
    named = ", ".join(rules[:SHOWN]) + (f" and {len(rules) - SHOWN} more" if len(rules) > SHOWN else "")
    return f"\n{len(members)} {kind}: {why}.\n  Rules: {named}. The first: {members[0].path}"


def status(*, configfile: list[Path] | None = None, config: list[str] | None = None) -> None:
    """Say what is done, stale and missing, and why; nothing is run.

    Parameters
    ----------
    configfile
        Configuration files of the study, as for `snakemake --configfile`.
    config
        Single values, as for `snakemake --config`.
    """
    from neurons.cli import STORIES

    console = Console()
    if is_locked():
        console.print(
            "A Snakemake works in this folder, or was killed here; in the second case run `snakemake --unlock` first.\n",
            markup=False,
        )
    outputs, findings = ask_snakemake(configfile or [], config or [])
    show(outputs, findings, list(STORIES), console)
