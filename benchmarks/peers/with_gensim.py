"""gensim: word2vec, skip-gram with negatives over the users' sequences, seconds an epoch."""

import peer
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec


class EpochEnds(CallbackAny2Vec):
    def on_epoch_end(self, model: Word2Vec) -> None:
        ticks()


_, data, settings = peer.arguments()
ticks = peer.Ticks()
Word2Vec(
    [[str(item) for item in items] for items in data.sequences],
    sg=1,
    vector_size=settings["dimensions"],
    window=settings["window"],
    negative=settings["negatives"],
    min_count=1,
    sample=0,
    epochs=settings["epochs"] + 1,
    workers=settings["threads"],
    seed=0,
    callbacks=[EpochEnds()],
)
peer.finish("gensim", ticks.seconds)
