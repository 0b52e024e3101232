"""The ranking stage of a request: candidates from all sources, online features, ranking model.

``sources.py`` merges the candidates, ``online_features.py`` reads the features of the service that
the model was trained on, with fresh events in them, ``model.py`` (trees) or ``network.py`` scores
them and ``objective.py`` weighs probability, value and exploration. ``ranker.py`` runs them in this
order for one request on one release; where the model or its features are missing, it says why, and
the precomputed list serves.

Letters at the end of a name give an array's axes: C candidates of a request, F features, I items of
the snapshot, L items of one list.
"""
