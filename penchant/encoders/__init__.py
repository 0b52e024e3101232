"""A user's vector from what the user did, as the live retriever's family makes it.

The encoder is published with a release (``training/encoders`` writes it), so serving folds a new
event in, or leaves an item out, without importing what learned it.
"""
