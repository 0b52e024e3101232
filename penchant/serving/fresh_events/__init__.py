"""What shoppers did since the live generation was made, as any server of this home sees it.

``log_tail.py`` follows the log of events that every server appends to, ``events.py`` keeps them by
shopper, ``weighing.py`` makes of them what an encoder reads, ``shoppers.py`` folds them into a
shopper's vector and ``activity.py`` into the features that move with every event.
"""
