"""Differential privacy for users: accounting, noise, and the mechanisms that families learn with.

Neighbouring data sets differ in one user, with all that the user did. The catalogue of items is
public. docs/privacy.md says what is guaranteed and what isn't.
"""
