"""The routes under ``/v1``: what services ask, and what they tell. One file a route.

Every answer names the release that it is of.
"""
