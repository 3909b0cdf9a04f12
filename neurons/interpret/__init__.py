"""Interpret: which vertices speak for which task, per vertex and per area, in both directions.

Decoding direction: how much each vertex adds to a task's evidence for what was shown (gradients through ridge, backbone
and head, integrated gradients, Haufe patterns), and what an area's shuffling in time takes away. Encoding direction: how
much of a vertex's response each task's output for the clip itself predicts, alone and beyond the other tasks. Held-out
training movies only; areas by name, with intervals and p corrected over areas; maps on the cortex or in the volume.

The intervals and blocks are those of `neurons.evaluate` (public functions of `resampling` and `measures`).
"""
