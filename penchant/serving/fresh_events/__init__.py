"""What users did since the live release was made, as any server of this home sees it.

``log_tail.py`` follows the log of events that every server appends to, ``events.py`` keeps them by
user, ``weighing.py`` makes of them what an encoder reads, ``users.py`` folds them into a
user's vector and ``activity.py`` into the features that move with every event.
"""
