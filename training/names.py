"""The model families by name, cheapest to serve first; importing this imports no torch."""

FAMILIES = ("popularity", "item_cf", "matrix_factorization", "sasrec")
