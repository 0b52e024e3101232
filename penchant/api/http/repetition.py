"""Whether a client may send a request again if no answer came: an extension of OpenAPI operations.

By default, GET requests may be repeated and others not.
"""

KEY = "x-repeatable"
LOGGED = {KEY: False}
"""``openapi_extra`` of a GET route whose response is logged as shown."""
WITHOUT_EFFECT = {KEY: True}
"""``openapi_extra`` of a POST or PUT route that changes nothing when it is sent again."""
