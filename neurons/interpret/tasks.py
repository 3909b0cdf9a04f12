"""Names of the tasks and of the methods that give an importance per vertex."""

TASKS = ("segmentation", "concepts", "description", "blurry_video")
METHODS = ("gradient", "integrated", "haufe")
