"""Model specs, artifacts, training and int8 inference: the leaf that both sides share."""
