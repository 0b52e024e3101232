"""A wheel like the one that carries Open Bandit: two impressions a policy and campaign."""

import zipfile
from pathlib import Path

from penchant.ingestion.sources import open_bandit

HEADER = ",timestamp,item_id,position,click,propensity_score," + ",".join(open_bandit.USER_FEATURES)
USER = "a1b2c3d4e5,f1,f2,f3"


def write_wheel(folder: Path) -> Path:
    """In a folder of its own, which is made; the wheel's path."""
    folder.mkdir()
    with zipfile.ZipFile(folder / open_bandit.WHEEL, "w") as archive:
        for policy, propensity in (("bts", 0.75), ("random", 0.5)):
            for campaign in open_bandit.CAMPAIGNS:
                at = f"obp/dataset/obd/{policy}/{campaign}"
                shown = impressions(propensity, int(policy == "bts"))
                archive.writestr(f"{at}/{campaign}.csv", shown)
                archive.writestr(f"{at}/item_context.csv", items(policy))
    return folder / open_bandit.WHEEL


def impressions(propensity: float, click: int) -> str:
    """Of item 1 and then of item 0; ``click``: on the first."""
    return (
        f"{HEADER},user-item_affinity_0,user-item_affinity_1\n"
        f"0,2019-11-24 00:00:34.762830+00:00,1,3,{click},{propensity},{USER},0.0,2.0\n"
        f"1,2019-11-24 00:01:00+00:00,0,1,0,{propensity},{USER},0.0,1.0\n"
    )


def items(mark: str) -> str:
    rows = [f"{item},{item},-0.5,{mark}1,{mark}2,{mark}3" for item in range(2)]
    return "\n".join(["," + ",".join(["item_id", *open_bandit.ITEM_FEATURES]), *rows]) + "\n"
