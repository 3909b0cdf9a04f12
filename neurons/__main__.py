"""``python -m neurons``: the same as the ``neurons`` command."""

from neurons.cli import main

main()
