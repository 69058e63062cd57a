"""Judge: logits per track → calibrated probability, label, reason."""
