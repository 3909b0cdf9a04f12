"""Videos and task outputs to scores.

Classifiers and CLIP see every frame once; all scores are computed from these cached features and the frames. Scores are
exact where the field samples: N-way identification in closed form, ties shared out. Each comes with the level of chance
where there is one, the null distribution of videos paired with the wrong clips, and an interval from a bootstrap over
neighbouring clips. Reference videos (the average training video, the training clip nearest to what a ridge regression
reads from the responses) are scored by the same steps, and so are trivial answers to each task.
"""
