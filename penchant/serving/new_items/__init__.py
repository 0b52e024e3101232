"""Items that a service sent since the release: kept beside it and recommended by their content.

``item_log.py`` follows the log of sent items, ``content_vectors.py`` gives each a vector of what
its title and categories resemble; ``recommending/new_candidates.py`` places them among others.
"""
