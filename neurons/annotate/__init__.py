"""Clips to captions, tags, concepts, masks and key objects.

A back end says what is seen: a caption and tags (nouns) per clip, and a mask per object and frame. Tags are
mapped to the 51 concepts of the paper by a table that is stored with this package and written out with the
results. The paper's rule then picks the one object of each clip that segmentation is about; why it was
picked is stored beside it.
"""
