"""Pretrain: from responses to CLIP space, one brain model per subject and variant.

The volumes around a clip's lagged one go through a ridge (one per volume, or one for their weighted sum), are refined
by a residual backbone and unfolded to brain tokens. The motion projection turns these to CLIP tokens of every frame,
their mean to CLIP's text space. Both are learned by contrast (BiMixCo with image tokens, a symmetric contrastive loss
with captions); whole training movies are held out to choose the epoch. Test data is never read here.
"""
