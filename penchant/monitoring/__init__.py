"""Monitoring: drift of features, predictions and outcomes, what was clicked, and freshness.

``events.py`` and ``served.py`` read what happened by day, ``series.py`` counts it, ``tests.py``
compares the last day with the days before. ``shifts.py`` compares feature views between snapshots,
``lists.py`` the lists of two releases, ``freshness.py`` says how old they are. ``watch.py`` is the
stage: it writes the record and sends an alert.
"""
