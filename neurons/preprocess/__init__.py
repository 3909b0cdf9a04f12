"""Runs to responses: from CIFTI time series to one response per clip, repeat and selected vertex.

Each run is checked, trimmed so that volume j answers clip j, freed of slow drifts and z-scored per vertex (`run`).
Vertices whose responses repeat across the presentations of the training movies are kept (`select`); their
responses become one training array with the repeats apart and one test array averaged over repeats (`gather`).
`quality` says how well each run agrees with the other presentations of its movie, and where on the cortex.
"""
