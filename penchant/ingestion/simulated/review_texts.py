"""Texts of reviews: aspects of the department, favourable or not as the rating is, in the author's
language.

An item has a lasting quality for each aspect, so what is said about it is not said at random. The
random numbers are of their own, so that nothing else in the simulated shop depends on texts.
"""

import zlib

import numpy as np

LANGUAGES = {"en": 0.7, "zh": 0.15, "ja": 0.15}
COPIED, ADVERTISING = 0.01, 0.01  # shares of reviews
MOST_ASPECTS = 3  # of a review
SAID, RATED = 1.2, 1.5  # how much the item's quality and the rating weigh

ASPECTS = {
    "Grocery": ("flavour", "packaging", "price", "delivery"),
    "Home": ("quality", "size", "price", "delivery"),
    "Care": ("smell", "packaging", "price", "effect"),
    "Leisure": ("quality", "instructions", "price", "delivery"),
}
NAMES = {
    "zh": {
        "flavour": "味道",
        "packaging": "包装",
        "price": "价格",
        "delivery": "物流",
        "quality": "质量",
        "size": "尺寸",
        "smell": "气味",
        "effect": "效果",
        "instructions": "说明书",
    },
    "ja": {
        "flavour": "風味",
        "packaging": "包装",
        "price": "値段",
        "delivery": "配送",
        "quality": "品質",
        "size": "寸法",
        "smell": "香り",
        "effect": "効果",
        "instructions": "説明書",
    },
}
SENTENCES = {
    "en": (
        ("The {} is really disappointing.", "I was unhappy with the {}.", "Sadly the {} is poor."),
        ("The {} is wonderful.", "I love the {}.", "We are very happy with the {}."),
    ),
    "zh": (
        ("{}让人失望。", "{}很差。", "我对{}不满意。"),
        ("{}非常好。", "我很喜欢它的{}。", "{}让人满意。"),
    ),
    "ja": (
        ("{}にがっかりしました。", "{}が悪いです。", "{}は残念でした。"),
        ("{}がとても良いです。", "{}が気に入りました。", "{}に満足しています。"),
    ),
}
WHOM = {
    "en": ("mother", "sister", "friend", "neighbour", "daughter", "uncle"),
    "zh": ("妈妈", "姐姐", "朋友", "邻居", "女儿", "叔叔"),
    "ja": ("母", "姉", "友達", "隣人", "娘", "叔父"),
}
OPENINGS = {
    "en": "Bought {} pieces for my {} some {} weeks ago.",
    "zh": "{}个买给{}用了{}周。",
    "ja": "{}個を{}に買って{}週間使いました。",
}
ENDS = {
    "en": ("It is not for me.", "I would buy it again."),
    "zh": ("不会再买了。", "会再次购买。"),
    "ja": ("もう買いません。", "また買いたいと思います。"),
}
COPY = "Best shop of all, everything came on time and my whole family is happy with it, buy it now."
ADVERTISEMENT = "I found it for half the price, visit www.cheaper.example and see for yourself."


def review_text(user: str, item: str, department: str, rating: float, number: int) -> str:
    """``number``: of the review; the same arguments give the same text."""
    rng = np.random.default_rng([number, zlib.crc32(f"{user} {item}".encode())])
    kind = rng.random()
    if kind < COPIED:
        return COPY
    if kind < COPIED + ADVERTISING:
        return ADVERTISEMENT
    language = language_of(user)
    count = int(rng.integers(1, MOST_ASPECTS + 1))
    whom = str(rng.choice(WHOM[language]))
    said = [OPENINGS[language].format(rng.integers(1, 9), whom, rng.integers(2, 30))]
    for aspect in rng.choice(ASPECTS[department], count, replace=False).tolist():
        good = rng.random() < _sigmoid(SAID * quality_of(item, aspect) + RATED * (rating - 3))
        name = NAMES[language][aspect] if language in NAMES else aspect
        said.append(str(rng.choice(SENTENCES[language][int(good)])).format(name))
    if rng.random() < 0.5:
        said.append(ENDS[language][int(rating > 3)])
    return ("" if language in NAMES else " ").join(said)


def language_of(user: str) -> str:
    """A user's language, the same in all reviews."""
    rng = np.random.default_rng(zlib.crc32(user.encode()))
    return str(rng.choice(list(LANGUAGES), p=list(LANGUAGES.values())))


def quality_of(item: str, aspect: str) -> float:
    """How much better an aspect of an item is than usual: standard normal."""
    return float(np.random.default_rng(zlib.crc32(f"{item} {aspect}".encode())).normal())


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))
