"""report: one self-contained page of what the other stages made.

The page needs no network and no server: videos, pictures and tables lie inside it. It shows what was seen and what was
reconstructed side by side, every score beside its chance level and interval, the training curves, the quality of the
brain data, and what made each artifact.
"""
