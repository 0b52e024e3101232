"""Recommendations, one file per step.

``candidates.py`` retrieves candidates, ``filtering.py`` removes what must not be shown,
``reranking.py`` diversifies, ``slate_selection.py`` is the interface of the policy that selects the
slate, ``reasons.py`` explains. ``recommender.py`` runs them in this order for one request on one
release. ``options.py`` holds what a request may ask for, ``recommendation.py`` the answer and
``impressions.py`` what is logged.

Letters at the end of a name give an array's axes: C candidates of a request, K positions, I items
of the snapshot in the order of their ids, V items with a vector, D dimensions.
"""
