"""A shopper's vector from what the shopper did, as the live retriever's family makes it.

The encoder is published with a generation (``training/encoders`` writes it), so serving folds a new
event in, or leaves an item out, without importing what learned it.
"""
