"""Reconstruct: from test responses to videos.

The trained models decode each test clip into a mask, concepts, a description, a blurry video and image tokens. unCLIP
turns the tokens into a control image. Masks emphasise the key object in both pictures; the description prompts a
text-to-video diffusion model that starts from the noised blurry video and is guided by the control image. Each clip's
noise follows from the run's seed and its id, so one clip alone and all clips together give the same video.
"""
