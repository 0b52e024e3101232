"""implicit: ALS and BPR, seconds a sweep or an epoch.

``als`` solves by three steps of conjugate gradients, the package's default; ``als-exact`` by its
Cholesky solver.
"""

import peer
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking

name, data, settings = peer.arguments()
values, cells, shape = data.entries()
shared = {
    "factors": settings["dimensions"],
    "iterations": settings["epochs"] + 1,
    "num_threads": settings["threads"],
    "random_state": 0,
}
if name == "bpr":
    model = BayesianPersonalizedRanking(**shared)
else:
    model = AlternatingLeastSquares(**shared, use_cg=name == "als")
ticks = peer.Ticks()
model.fit(sp.csr_matrix((values, cells), shape), show_progress=False, callback=ticks)
peer.finish("implicit", ticks.seconds)
