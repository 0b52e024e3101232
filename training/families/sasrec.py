"""Self-attentive sequential recommendation: a causal Transformer over a user's events (Kang &
McAuley 2018), with shared input and output embeddings.

Changes to the paper. The loss is a softmax over the catalogue, sampled, in place of one
random negative a positive, which makes this model overconfident (Petrov & Macdonald 2023, gSASRec;
Klenitskiy & Vasilev 2023). State and embedding are compared by their cosine over a temperature, so
that rare items aren't outweighed by the norms of frequent ones. An item's embedding is its own plus
the mean of its tags', where there are any. Layers are normalised before, not after, they are read.
What each is worth is in docs/results/quality.md.

Where users buy baskets, a position predicts an item of the user's next weeks (windows.py); and
on data of few users and a minute of CPU, embeddings start as the singular vectors of users x
items and the state gets a linear path beside the Transformer (next_item.py).
"""

from dataclasses import dataclass, field, replace
from functools import partial

from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.transformer import CausalTransformer


@dataclass(frozen=True)
class Config:
    """``gated``, ``bands``: see ``Block``."""

    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    gated: bool = False
    bands: float = 0.0
    learning: NextItemConfig = field(
        default_factory=lambda: replace(
            main_job_learning(),
            every_type=True,
            epochs=40.0,
            trainer=replace(main_job_learning().trainer, steps=300, validate_every=150),
        )
    )


def Model(config: Config) -> NextItem:
    encoder = partial(
        CausalTransformer,
        config.dimensions,
        config.layers,
        config.heads,
        config.dropout,
        config.learning.windows.length,
        config.gated,
        config.bands,
    )
    return NextItem(config, config.learning, config.dimensions, encoder)
