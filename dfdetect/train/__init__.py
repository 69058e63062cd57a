"""Train: real and fake media → a model folder."""
