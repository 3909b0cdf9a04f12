"""Decouple: from brain embeddings to four explicit tasks, as areas of the visual cortex do.

On the brain model's video and text embedding four heads learn where the key object is (masks), what is seen (51
concepts), what happens (a description by GPT-2) and how it roughly looks (a blurry video in VAE latents). Their
losses take turns in weight, from sight to language and back. Beside them a prior learns to draw CLIP image tokens
given the brain tokens, for the control image. Ridge and backbone are frozen, so brain tokens are computed once.
"""
