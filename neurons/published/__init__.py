"""Published weights: the functions that MindEye2 and NEURONS released, computed exactly, so that their checkpoints run.

Everything whose only reason is a published checkpoint lives here: the backbone and the token prior of MindEye2, NEURONS'
text-driven decoder with its describer on CLIP's vocabulary, and the names of their weights. Two of the released habits are
kept because the weights were trained with them, and nowhere else: heads read a sample of the prior, and a clip's masks
depend on the clips that are decoded with it.
"""
