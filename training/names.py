"""The model families by name, cheapest to serve first; importing this imports no torch."""

RANKERS = (
    "popularity",
    "item_cf",
    "user_cf",
    "content",
    "word2vec",
    "glove",
    "ease",
    "matrix_factorization",
    "ncf",
    "vae",
    "rnn",
    "gru",
    "lstm",
    "cnn_lstm",
    "sasrec",
    "bert4rec",
    "hstu",
    "gan",
    "transfer",
)

COMBINED = ("fusion",)
"""Made of the others' runs, and trained after them."""

FAMILIES = (*RANKERS, "pca_svm", "linear_response", "logistic_response", "bandit", *COMBINED)
"""All, in the order in which they are compared."""
