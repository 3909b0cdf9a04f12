"""Frozen features of frames and texts.

What the brain model and the decoupler learn to predict: CLIP's image tokens of every frame and CLIP's
embedding of the caption, the latents of an image autoencoder, the caption as tokens of the language model,
and CLIP's view of the 51 concept names. Each kind is one file per movie, made by the models that the
configuration names, as they are.
"""
