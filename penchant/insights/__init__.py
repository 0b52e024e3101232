"""What interests are used for beside recommendation: a package per use.

A stage of each reads the marts of a checked snapshot and writes one immutable folder under
``insights/<snapshot>/``. The API server reads these folders and computes nothing from events.
"""
