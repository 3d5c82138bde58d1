"""The certificates: opened, laid out and printed by a one-shot worker that alone holds a person's data."""
