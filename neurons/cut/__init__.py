"""Movies to clips.

A movie is decoded once, in the order in which its frames are shown. Frames are chosen by presentation time,
never by counting: frame f of clip j is the one shown at ``clip_s * j + (f + phase) * clip_s / F``. Beside
the frames and their time stamps, scene cuts, black and frozen clips are listed, and the file is checked:
what would shift or spoil the pairing with the recorded brain responses stops the workflow, what is only
worth knowing is a recorded warning.
"""
