"""Client code generated from the OpenAPI description: types for TypeScript, a package for Python.

``operations.py`` reads the description, ``python_client.py`` and ``typescript.py`` write.
"""
