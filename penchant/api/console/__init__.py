"""``/console``: HTML pages that show what the API serves.

A separate application beside ``/v1``, outside its OpenAPI description, with errors as HTML pages.
It uses the same tokens; rollback is the only action that changes something.

A new page is a module with a ``router``, a template and its lines in ``PAGES`` and ``NAVIGATION``
of ``app.py``.
"""
