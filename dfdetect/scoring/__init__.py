"""Score crops: aligned crops → logits and heat maps, by the networks of a model folder."""
