"""Miniature foundation models trained on the procedural world."""
