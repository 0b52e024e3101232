"""Events since the live release, as every server of a home sees them.

``log_tail.py`` follows the event log that every server appends to, ``events.py`` keeps its events
by user, ``fresh_history.py`` weights them for the encoder, ``user_states.py`` folds them into a
user's vector and ``activity.py`` into features.
"""
