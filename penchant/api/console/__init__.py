"""``/console``: what Penchant knows and serves, as pages for people. One file a page.

An application of its own, mounted beside ``/v1``: what goes wrong on it is answered with a page,
and none of it is in the API's description. It reads what services read, by the same tokens, and its
one button that changes anything is the rollback.
"""
