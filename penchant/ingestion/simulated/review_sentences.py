"""What simulated reviews are made of in each language: a small grammar of aspects and sentences.

A sentence praises or blames an aspect, or is about something else. Some are negated, so that no
single word tells whether it is favourable: "not bad at all", "没有让我失望", "悪くない".
"""

ASPECTS = {
    "Grocery": ("flavour", "packaging", "price", "delivery"),
    "Home": ("quality", "size", "price", "delivery"),
    "Care": ("smell", "packaging", "price", "effect"),
    "Leisure": ("quality", "instructions", "price", "delivery"),
}
"""By department."""
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
UNFAVOURABLE = {
    "en": (
        "The {} is really disappointing.",
        "I was unhappy with the {}.",
        "Sadly the {} is poor.",
        "The {} is worse than I expected.",
        "The {} is not good at all.",
        "There is a problem with the {}.",
        "The {} could be better.",
        "The {} used to be better.",
        "Nobody here likes the {}.",
        "The {} does not match the description.",
        "I expected more of the {}.",
        "The {} let us down.",
    ),
    "zh": (
        "{}让人失望。",
        "{}很差。",
        "我对{}不满意。",
        "{}没有想象中好。",
        "{}一点也不好。",
        "{}不如以前。",
        "{}有问题。",
        "{}需要改进。",
        "说实话{}很一般。",
        "{}跟描述不符。",
        "{}达不到预期。",
        "家里人都不喜欢它的{}。",
    ),
    "ja": (
        "{}にがっかりしました。",
        "{}が悪いです。",
        "{}は残念でした。",
        "{}は期待以下でした。",
        "{}は想像より悪かったです。",
        "{}は良くないです。",
        "{}に不満があります。",
        "{}は改善してほしいです。",
        "正直{}はいまいちです。",
        "{}が写真と違いました。",
        "{}は前の方が良かったです。",
        "家族は{}を嫌がっています。",
    ),
}
FAVOURABLE = {
    "en": (
        "The {} is wonderful.",
        "I love the {}.",
        "We are very happy with the {}.",
        "The {} is better than I expected.",
        "The {} did not disappoint us.",
        "The {} is not bad at all.",
        "I have no complaint about the {}.",
        "Even my family praises the {}.",
        "The {} could not be better.",
        "Nobody finds a problem with the {}.",
        "The {} alone is worth it.",
        "The {} matches the description.",
    ),
    "zh": (
        "{}非常好。",
        "我很喜欢它的{}。",
        "{}让人满意。",
        "{}比想象中好。",
        "{}没有让我失望。",
        "{}一点也不差。",
        "{}值得称赞。",
        "{}没有问题。",
        "{}相当不错。",
        "{}无可挑剔。",
        "{}跟描述一致。",
        "家里人都夸它的{}。",
    ),
    "ja": (
        "{}がとても良いです。",
        "{}が気に入りました。",
        "{}に満足しています。",
        "{}は期待以上でした。",
        "{}は想像より良かったです。",
        "{}は悪くないです。",
        "{}に不満はありません。",
        "{}は申し分ありません。",
        "{}は写真と同じでした。",
        "{}は前より良くなりました。",
        "これほど{}が良いとは思いませんでした。",
        "家族も{}を褒めています。",
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
REMARKS = {
    "en": (
        "It arrived on a Tuesday.",
        "The colour is a bit darker than in the picture.",
        "We keep it in the kitchen.",
        "It is the second one that we have.",
        "A colleague told me about it.",
    ),
    "zh": (
        "星期二收到的。",
        "颜色比照片深一点。",
        "平时放在厨房里。",
        "这是家里的第二个。",
        "是同事介绍给我的。",
    ),
    "ja": (
        "火曜日に届きました。",
        "色は画像より少し濃いです。",
        "いつも台所に置いています。",
        "我が家では二つ目です。",
        "同僚に教えてもらいました。",
    ),
}
"""Sentences without sentiment."""
ENDS = {
    "en": ("It is not for me.", "I would buy it again."),
    "zh": ("不会再买了。", "会再次购买。"),
    "ja": ("もう買いません。", "また買いたいと思います。"),
}
"""Of a low and of a high rating."""


def name_of(aspect: str, language: str) -> str:
    """An aspect in a language."""
    return NAMES[language][aspect] if language in NAMES else aspect


def joined(sentences: list[str], language: str) -> str:
    """Sentences as a text: without spaces where a language has none."""
    return ("" if language in NAMES else " ").join(sentences)
