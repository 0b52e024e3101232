"""Fold-in encoders: compute a user's vector from a history, as the live retriever does.

Training writes the encoder and publishing copies it into the release, so serving can fold in a new
event, or leave an item out, without importing the code that trained it.
"""
