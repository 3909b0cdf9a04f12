"""Steps, called by hand, that make a run table of cc2017: unpack the archives, and index the folder."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from neurons.artifacts import InputError, provenance, write_table
from neurons.console import logger, track
from neurons.preprocess import archives, bids, cc2017
from neurons.released import run_table


def unpack_cc2017(*, archive: list[Path], folder: Path) -> None:
    """Unpack movies and CIFTI runs from the published archives, with checksums; what is there already is kept.

    Parameters
    ----------
    archive
        The downloaded zip files (each holds ``bundle.zip`` with the data, which is found and read).
    folder
        Where `stimuli` and `subject1`, ... are written.
    """
    for path in archive:
        with archives.open_archive(path) as opened:
            files = archives.members(opened)
            if not files:
                raise InputError(
                    f"{path} holds neither movies nor CIFTI runs of cc2017; is it another archive?"
                )
            needed, free = archives.total_bytes([info for info, _ in files]), _free_bytes(folder)
            if needed > free:
                raise InputError(
                    f"{path.name} unpacks to {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left"
                )
            written = sum(
                _unpack(opened, info, folder / place, path) for info, place in track(files, "files")
            )
            logger.info("%s: %d files unpacked, %d were there", path.name, written, len(files) - written)


def _unpack(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, path: Path) -> bool:
    try:
        return archives.unpack(opened, info, target)
    except archives.BROKEN as error:
        raise InputError(
            f"{path}: {info.filename} is damaged ({error}). Fetch the archive again; what was unpacked before is sound."
        ) from error


def _free_bytes(folder: Path) -> int:
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def index_cc2017(
    folder: Path,
    *,
    runs: Path = Path("config/runs/cc2017.tsv"),
    subjects: tuple[str, ...] = cc2017.SUBJECTS,
    allow_missing: bool = False,
) -> None:
    """Write the run table of cc2017 from its folder; everything that is missing or wrong is listed at once.

    Headers are checked (grayordinates, and 245 or 246 volumes as the movie's name asks). Empty files of the right names
    count as a skeleton: they can be planned (``snakemake -n``), not run.

    Parameters
    ----------
    folder
        Holds `stimuli` and the subjects' folders, or `video_fmri_dataset` with them.
    runs
        Run table to write (TSV).
    subjects
        Subjects to index.
    allow_missing
        Write the table of what there is, with a warning, instead of stopping.
    """
    root = folder / cc2017.FOLDER if (folder / cc2017.FOLDER).is_dir() else folder
    if not root.is_dir():
        raise InputError(
            f"{folder} does not exist; unpack the archives first: neurons preprocess unpack-cc2017 --help"
        )
    index = cc2017.walk(root, subjects)
    if index.missing and not allow_missing:
        raise InputError(_missing(root, index, len(subjects)))
    for text in index.missing:
        logger.warning("missing, %s", text)
    for path in index.misnamed:
        logger.info("%s is misnamed (a dot for an underscore) and taken as it is", path)
    problems = [text for text in track(cc2017.header_problems(root, index), "runs", len(index.rows)) if text]
    if problems:
        listed = "\n".join(f"- {text}" for text in problems)
        raise InputError(f"{len(problems)} runs below {root} cannot be used:\n{listed}")
    if index.empty:
        logger.warning(
            "%d files are empty, such as %s: the table can be planned with, not run",
            len(index.empty),
            index.empty[0],
        )
    names = {f"{row[0]}/{row[2]}/{row[3]}" for row in index.rows}
    for name, reason in cc2017.OUT_OF_STEP.items():
        if name in names:
            logger.info("%s is left out by config/cc2017.yaml (study.exclude): %s", name, reason)
    parameters = {"subjects": list(subjects), "misnamed": index.misnamed, "missing": index.missing}
    write_table(runs, index.table(), provenance("preprocess index_cc2017", {}, parameters))
    logger.info(
        "%s: %d runs of %d subjects; set study.root to %s", runs, len(index.rows), len(subjects), root
    )


def _missing(root: Path, index: cc2017.Index, subjects: int) -> str:
    expected = subjects * sum(cc2017.REPEATS[split] for split in cc2017.MOVIES.values())
    zips = sorted(root.glob("*.zip"))
    hint = (
        f"There are archives ({zips[0].name}, ...): unpack them with `neurons preprocess unpack-cc2017`."
        if zips
        else "Fetch or unpack them again, leave subjects out (--subjects), or take what there is (--allow-missing)."
    )
    listed = "\n".join(f"- {text}" for text in index.missing)
    return f"{root} has {len(index.rows)} of {expected} runs of cc2017. Missing:\n{listed}\n{hint}"


def index_bids(
    folder: Path,
    *,
    test_movies: list[str],
    derivatives: Path | None = None,
    space: str = bids.CIFTI_SPACE,
    task: str | None = None,
    runs: Path = Path("config/runs/own-study.tsv"),
) -> None:
    """Write the run table of a BIDS study that fMRIPrep has processed; everything that is wrong is listed at once.

    Which movie was shown when comes from the events: rows whose `stim_file` is a movie below ``stimuli/``. A scan may show
    several movies; showings of a movie are numbered in the order of sessions, runs and onsets.

    Parameters
    ----------
    folder
        BIDS folder (``sub-*/func/*_events.tsv``, ``stimuli/``).
    test_movies
        Movies to test on, by name (the file's name without its ending); all others are for training.
    derivatives
        Folder of fMRIPrep's output, within `folder`; ``derivatives/fmriprep`` if not given.
    space
        ``fsLR`` for CIFTI-91k, or the space of NIfTI volumes, such as ``MNI152NLin2009cAsym``.
    task
        Only scans of this task.
    runs
        Run table to write (TSV).
    """
    scans = bids.find_scans(derivatives or folder / "derivatives" / "fmriprep", space, task)
    table, problems = bids.run_table(folder, scans, test_movies)
    times = bids.repetition_times(scans)
    if len(times) > 1:
        listed = "; ".join(
            f"{time} s: {len(names)} runs, such as {names[0]}" for time, names in times.items()
        )
        problems.append(f"runs state different repetition times ({listed}): one study has one")
    if problems:
        listed = "\n".join(f"- {text}" for text in problems)
        raise InputError(f"the study {folder} cannot be indexed:\n{listed}")
    parameters = {"space": space, "task": task, "test_movies": test_movies}
    write_table(runs, table, provenance("preprocess index_bids", {}, parameters))
    logger.info(
        "%s: %d runs of %d subjects, %d movies; in the configuration set study.root to %s, study.repetition_time_s to %s, "
        "preprocess.space to %s",
        runs,
        len(table),
        table["subject"].nunique(),
        table["movie"].nunique(),
        folder,
        next(iter(times)),
        "fsLR_91k" if space == bids.CIFTI_SPACE else "volume",
    )


def index_released(
    folder: Path,
    *,
    runs: Path = Path("config/runs/released.tsv"),
    subjects: tuple[str, ...] = cc2017.SUBJECTS,
    train_movies: tuple[str, ...] = cc2017.TRAIN_MOVIES,
    test_movies: tuple[str, ...] = cc2017.TEST_MOVIES,
) -> None:
    """Write the run table of the arrays that NeuroClips released.

    Parameters
    ----------
    folder
        Holds ``subj0*_fmri.pt`` and ``GT_*_3fps.pt``.
    runs
        Run table to write (TSV).
    subjects
        Subjects to index.
    train_movies, test_movies
        Movies in the order of the arrays.
    """
    table = run_table(folder, subjects, {"train": train_movies, "test": test_movies})
    write_table(runs, table, provenance("preprocess index_released", {}, {"subjects": list(subjects)}))
    logger.info("%s: %d runs of %d subjects; set study.root to %s", runs, len(table), len(subjects), folder)
