"""The simulated study: a procedural world, a forward model of the brain, and miniature foundation models."""
