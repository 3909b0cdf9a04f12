"""The simulated brain: which cortical vertices respond, to what, and how strongly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from neurons.artifacts import seed_for
from neurons.preprocess import atlas
from neurons.simulate.cortex import Cortex, sphere_positions
from neurons.simulate.features import COLOUR_GRID, GRID, N_FEATURES, SIZES, columns, stimulus_features
from neurons.simulate.fields import Fields, field_weights, receptive_fields
from neurons.simulate.haemodynamics import feature_times, sample_volumes
from neurons.simulate.movies import sample_timeline
from neurons.simulate.roles import AREA_ROLES, ROLES

FEATURE_STEP_S = 0.25
RESPONSIVE_SHARE = 0.9
"""Share of the vertices of an area with a role that respond at all."""
SIGNAL_SPREAD = 1.0
"""SD over vertices of the natural logarithm of evoked over noise SD: few vertices are very good."""
LARGEST_SIGNAL = 1.8
SMOOTHING_STEPS = 12
"""Neighbour averages applied to a random map of preferences: about a centimetre."""
SHARED_WEIGHT, PERSONAL_WEIGHT, VERTEX_WEIGHT = 0.6, 0.5, 0.62
"""Parts of a preference: everybody's, a person's own smooth part, a vertex's own; squares add up to 1."""
REFERENCE_S = 600.0
MAPS = {"luminance": 1, "contrast": 1, "motion_energy": 1, "opponent_colour": 2}
"""Preferences for each map of the picture (the other groups have one per feature)."""


def roles_of(cortex: Cortex) -> NDArray[np.str_]:
    """Role of each vertex by the name of its area, ``none`` for most."""
    return np.array([AREA_ROLES.get(area, "none") for area in cortex.area.tolist()])


def smooth_maps(rng: np.random.Generator, count: int, neighbours: csr_array) -> NDArray[np.float32]:
    """Smooth random maps on the cortex with mean 0 and SD 1, (59412, count)."""
    maps = rng.standard_normal((atlas.CORTEX, count), dtype=np.float32)
    for _ in range(SMOOTHING_STEPS):
        maps = neighbours @ maps
    return np.asarray((maps - maps.mean(axis=0)) / maps.std(axis=0), np.float32)


def preferences(seed: int, subject: str, neighbours: csr_array) -> dict[str, NDArray[np.float32]]:
    """Preferences of each vertex, by group of features: the common map, the person's, and the vertex's own.

    Returns
    -------
    dict
        (59412, 1) for each map of the picture (2 for opponent colours), (59412, features) for the other groups.
    """
    counts = {group: MAPS.get(group, size) for group, size in SIZES.items()}
    total = sum(counts.values())
    common = smooth_maps(np.random.default_rng(seed_for(seed, "simulate", "preferences")), total, neighbours)
    rng = np.random.default_rng(seed_for(seed, "simulate", "preferences", subject))
    own = smooth_maps(rng, total, neighbours)
    vertex = rng.standard_normal((atlas.CORTEX, total), dtype=np.float32)
    preferred = np.asarray(
        SHARED_WEIGHT * common + PERSONAL_WEIGHT * own + VERTEX_WEIGHT * vertex, np.float32
    )
    ends = np.cumsum(list(counts.values()))[:-1].tolist()
    return dict(zip(counts, np.split(preferred, ends, axis=1), strict=True))


def feature_weights(
    roles: NDArray[np.str_], fields: Fields, preferred: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Weight of every standardised feature for every vertex, (59412, N_FEATURES), before scaling.

    Maps of the picture are weighted by the receptive field times one preference per map; indicators and
    the caption by one preference per feature.
    """
    blocks, colour_blocks = field_weights(fields, GRID), field_weights(fields, COLOUR_GRID)
    weights = np.zeros((atlas.CORTEX, N_FEATURES), np.float32)
    for group, columns_of_group in columns().items():
        liked = preferred[group]
        if group == "opponent_colour":
            tuning = (
                np.concatenate([colour_blocks * liked[:, :1], colour_blocks * liked[:, 1:]], axis=1)
                * COLOUR_GRID
            )
        elif group in MAPS:
            tuning = blocks * _away_from_zero(liked) * GRID
        else:
            tuning = liked / np.sqrt(SIZES[group])
        gains = [ROLES[role].gains.get(group, 0.0) if role in ROLES else 0.0 for role in roles.tolist()]
        weights[:, columns_of_group] = tuning * np.array(gains, np.float32)[:, None]
    return weights


def _away_from_zero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the sign but not the smallest sizes: a map that a vertex prefers little still drives it."""
    return np.asarray(np.sign(values) * (0.5 + 0.5 * np.abs(values)), np.float32)


def reference_responses(seed: int) -> NDArray[np.float64]:
    """Haemodynamic responses of all features to one long movie of the world, (volumes, N_FEATURES).

    It stands for what people see, so that gains mean the same for every feature and every study.
    """
    rng = np.random.default_rng(seed_for(seed, "simulate", "reference movie"))
    timeline = sample_timeline(rng, "train", REFERENCE_S, 1 / FEATURE_STEP_S)
    times_s = feature_times(REFERENCE_S, FEATURE_STEP_S)
    features = stimulus_features(timeline, REFERENCE_S, times_s)
    return sample_volumes(features, times_s, 0.0, 2.0, round(REFERENCE_S / 2.0))


def draw_signal(
    rng: np.random.Generator, roles: NDArray[np.str_], neighbours: csr_array, subject_signal: float
) -> NDArray[np.float32]:
    """Ratio of evoked to noise SD of each vertex: log-normal over the responsive vertices, 0 elsewhere."""
    spread = (smooth_maps(rng, 1, neighbours)[:, 0] + rng.standard_normal(atlas.CORTEX)) / np.sqrt(2)
    median = np.array([ROLES[role].median_signal if role != "none" else 0.0 for role in roles.tolist()])
    responsive = rng.random(atlas.CORTEX) < RESPONSIVE_SHARE
    signal = np.minimum(median * np.exp(SIGNAL_SPREAD * spread), LARGEST_SIGNAL)
    return (signal * responsive * subject_signal).astype(np.float32)


def simulate_brain(seed: int, subject: str, subject_signal: float, cortex: Cortex) -> pd.DataFrame:
    """Vertices of one person: role, signal, receptive field, and the weights of the features.

    Parameters
    ----------
    subject_signal
        1 is realistic, 0 is a brain that only fluctuates.

    Returns
    -------
    pandas.DataFrame
        One row per cortical grayordinate: grayordinate, area, hemisphere, role (``none`` if it does not
        respond), signal (SD of the evoked response over SD of the noise), field_x, field_y, field_size,
        features (indices) and weights (of raw features, such that the evoked SD equals `signal`).
    """
    neighbours = atlas.smoother()
    roles = roles_of(cortex)
    rng = np.random.default_rng(seed_for(seed, "simulate", "brain", subject))
    signal = draw_signal(rng, roles, neighbours, subject_signal)
    fields = receptive_fields(cortex, sphere_positions(), roles, smooth_maps(rng, 2, neighbours))
    weights = feature_weights(roles, fields, preferences(seed, subject, neighbours))
    responses = reference_responses(seed)
    weights /= np.maximum(responses.std(axis=0), 1e-6).astype(np.float32)
    evoked = (responses - responses.mean(axis=0)).astype(np.float32) @ weights.T
    weights *= (signal / np.maximum(evoked.std(axis=0), 1e-12))[:, None]
    sparse = csr_array(weights)
    rows = np.split(np.arange(sparse.nnz), sparse.indptr[1:-1])
    return pd.DataFrame(
        {
            "grayordinate": np.arange(atlas.CORTEX),
            "area": cortex.area,
            "hemisphere": cortex.hemisphere,
            "role": np.where(signal > 0, roles, "none"),
            "signal": signal,
            "field_x": fields.x,
            "field_y": fields.y,
            "field_size": fields.size,
            "features": [sparse.indices[row].astype(np.int16) for row in rows],
            "weights": [sparse.data[row].astype(np.float32) for row in rows],
        }
    )


def weight_matrix(vertices: pd.DataFrame) -> csr_array:
    """Weights (59412, N_FEATURES) of the table that `simulate_brain` made."""
    counts = vertices["features"].map(len).to_numpy()
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate(vertices["features"].to_list()).astype(np.int32)
    data = np.concatenate(vertices["weights"].to_list()).astype(np.float32)
    return csr_array((data, indices, indptr), shape=(len(vertices), N_FEATURES))
