"""Ads on request, by the plan of the day, with pacing and frequency caps.

``plan.py`` reads the output of ``penchant plan-ads``, ``shown.py`` counts today's impressions and
``advertiser.py`` selects ads. Letters at the end of a name: C campaigns, M periods of a day.
"""
