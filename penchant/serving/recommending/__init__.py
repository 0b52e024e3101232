"""What a user is recommended, step by step, a file a step.

``candidates.py`` finds what could be shown, ``filtering.py`` takes out what must not be,
``diversity.py`` spreads it, ``picking.py`` lets a policy choose the slate, ``reasons.py`` says why.
``recommender.py`` runs them in this order for one request, on one release; ``options.py`` is what
a request may ask for, ``recommendation.py`` what it is answered with and ``impressions.py`` what of
it is logged.

Letters at the end of a name give an array's axes: C candidates of a request, K positions, I items
of the snapshot in the order of their ids, D dimensions.
"""
