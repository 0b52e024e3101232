"""Forecasts that add up: items to categories, categories to the shop.

Nodes are the items, then the categories, then the shop. ``bottom_up`` sums the items' forecasts.
``min_trace`` changes all nodes as little as their error variances allow (Wickramasuriya,
Athanasopoulos and Hyndman, 2019, with a diagonal covariance). As the constraints are few, it solves
a system of one row per category: y - W C' (C W C')^-1 C y, where C y = 0 says that the sums agree.
"""

import numpy as np

from penchant.insights.demand.series import Floats, Ints

WAYS = ("bottom_up", "min_trace")


def bottom_up(base_MH: Floats, category_N: Ints, categories: int) -> Floats:
    """The items' forecasts with their sums as the nodes above."""
    items_NH = base_MH[: len(category_N)]
    category_CH = np.zeros((categories, base_MH.shape[1]))
    np.add.at(category_CH, category_N, items_NH)
    return np.vstack([items_NH, category_CH, items_NH.sum(axis=0, keepdims=True)])


def min_trace(base_MH: Floats, variance_M: Floats, category_N: Ints, categories: int) -> Floats:
    """Coherent forecasts, nearest to the base forecasts in units of their error variance.

    A negative item is set to 0 and the sums are taken again.
    """
    items = len(category_N)
    items_NH, category_CH, shop_1H = np.split(base_MH, [items, items + categories])
    w_N, w_C, w_shop = np.split(variance_M, [items, items + categories])
    sums_CH = np.zeros_like(category_CH)
    np.add.at(sums_CH, category_N, items_NH)
    # constraints: each category less its items, and the shop less its categories
    gaps = np.vstack([category_CH - sums_CH, shop_1H - category_CH.sum(axis=0)])
    items_w_C = np.bincount(category_N, weights=w_N, minlength=categories)
    system = np.zeros((categories + 1, categories + 1))
    system[:categories, :categories] = np.diag(w_C + items_w_C)
    system[:categories, -1] = system[-1, :categories] = -w_C
    system[-1, -1] = w_shop[0] + w_C.sum()
    prices = np.linalg.solve(system + 1e-9 * np.eye(categories + 1), gaps)
    moved_NH = items_NH + w_N[:, None] * prices[:categories][category_N]
    moved = np.vstack([np.maximum(moved_NH, 0.0), category_CH, shop_1H])
    return bottom_up(moved, category_N, categories)
