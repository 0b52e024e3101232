"""Fold-in encoders: a user's vector from the user's history, as the live retriever's family makes it.

Training writes the encoder and publishing copies it into the release, so serving can fold in a new
event, or leave an item out, without importing the code that trained it.
"""
