"""How an action is chosen and with what probability: numpy alone, shared by learning, serving and
simulation.

``posterior.py`` and ``logistic.py`` hold what is believed of rewards, ``policies.py`` who votes for
what in the light of it, ``dynamic.py`` how much to explore for whom, ``slates.py`` draws slates
from the votes and knows the propensity of each pick. State is plain arrays.

Letters at the end of a name give an array's axes: B requests, C candidates, K positions, V voters,
A arms (whatever has a posterior of its own: a user, an item, or one for all), D features, N
rows.
"""
