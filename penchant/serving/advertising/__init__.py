"""Ads as they are asked for: whom the plan of a day chose, paced through it, under its caps.

``plan.py`` reads what ``penchant plan-ads`` left, ``shown.py`` counts what was shown today, and
``advertiser.py`` chooses. Letters at the end of a name: C campaigns, M moments of a day.
"""
