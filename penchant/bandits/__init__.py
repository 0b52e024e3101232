"""Bandit policies, in numpy alone, shared by training, serving and simulation.

``posterior.py`` and ``logistic.py`` hold posteriors of rewards, ``policies.py`` and ``dynamic.py``
turn them into action scores, ``slates.py`` samples slates and knows the propensity of each action,
``context_features.py`` computes the features of a request and ``learned.py`` is the policy that
training writes and serving reads. State is plain arrays.

Letters at the end of a name give an array's axes: B requests, C candidates, K positions, V scorers,
A arms (whatever has a posterior of its own: a user, an item, or one for all), D features, N rows.
"""
