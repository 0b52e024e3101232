"""The server's side: rounds of training, by a published rule, that no single node can spoil.

``folder`` of the run config has ``initial.npz``. Each round appends a line to ``rounds.jsonl``;
``final.npz`` is written after the last.
"""

import time
from pathlib import Path

import flwr.compat.common.recorddict_compat as compat
import numpy as np
from flwr.app import Context, Message
from flwr.common import ndarrays_to_parameters
from flwr.server import Grid, LegacyContext, ServerApp, ServerConfig
from flwr.server.strategy import FedAdam, FedAvg, FedTrimmedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key

from penchant_federated.guard import Guard
from penchant_federated.sealed_sum import SealedSum

app = ServerApp()

SERVER_LEARNING_RATE = 0.03  # of FedAdam; the nodes' updates are of that size
MOST_WEIGHT = 10_000.0  # users of a node, for secure aggregation
LARGEST_VALUE = 8.0  # of an array's elements, for secure aggregation


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    folder, nodes = Path(str(config["folder"])), int(config["nodes"])
    seconds = float(config["round-seconds"])
    with np.load(folder / "initial.npz", allow_pickle=False) as content:
        initial = [content[name] for name in content.files]
    rule = strategy_of(str(config["rule"]), nodes, initial)
    guard = Guard(rule, folder / "rounds.jsonl", initial)
    if config["public-context"]:
        guard = SealedSum(rule, guard.log, initial, Path(str(config["public-context"])))
    await_nodes(grid, nodes, seconds)
    legacy = LegacyContext(
        context=context, config=ServerConfig(num_rounds=int(config["rounds"])), strategy=guard
    )
    one_round = secure_round(nodes, seconds) if config["secure"] else PlainRound(seconds)
    DefaultWorkflow(fit_workflow=one_round)(grid, legacy)
    final = legacy.state.array_records[MAIN_PARAMS_RECORD].to_numpy_ndarrays()
    np.savez(folder / "unfinished.npz", *final)
    (folder / "unfinished.npz").rename(folder / "final.npz")


def await_nodes(grid: Grid, nodes: int, seconds: float) -> None:
    """Wait for all nodes, as long as for a round; those that come later take part from then on."""
    until = time.monotonic() + seconds
    while len(list(grid.get_node_ids())) < nodes and time.monotonic() < until:
        time.sleep(1)


def strategy_of(rule: str, nodes: int, initial: list[np.ndarray]) -> FedAvg:
    """FedAvg (McMahan et al. 2017), FedAdam for unlike nodes (Reddi et al. 2021), or the trimmed
    mean against poisoned updates (Yin et al. 2018)."""
    common = {
        "min_available_clients": 1,
        "min_fit_clients": 1,
        "fraction_evaluate": 0.0,
        "initial_parameters": ndarrays_to_parameters(initial),
        "on_fit_config_fn": lambda number: {"round": number},
    }
    if rule == "fedavg":
        return FedAvg(**common)
    if rule == "fedadam":
        return FedAdam(**common, eta=SERVER_LEARNING_RATE, tau=1e-3)
    return FedTrimmedAvg(**common, beta=1 / max(3, nodes))


def secure_round(nodes: int, seconds: float) -> SecAggPlusWorkflow:
    """SecAgg+ (Bell et al. 2020): the server sees sums alone. It needs two thirds of the nodes."""
    return SecAggPlusWorkflow(
        num_shares=nodes,
        reconstruction_threshold=max(2, -(-2 * nodes // 3)),
        max_weight=MOST_WEIGHT,
        clipping_range=LARGEST_VALUE,
        timeout=seconds,
    )


class PlainRound:
    """Flower's default round, which waits for ever, with a limit of ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, grid: Grid, context: LegacyContext) -> None:
        number = int(context.state.config_records[MAIN_CONFIGS_RECORD][Key.CURRENT_ROUND])
        arrays = context.state.array_records[MAIN_PARAMS_RECORD]
        parameters = compat.arrayrecord_to_parameters(arrays, keep_input=True)
        chosen = context.strategy.configure_fit(number, parameters, context.client_manager)
        proxies = {proxy.node_id: proxy for proxy, _ in chosen}
        messages = [
            Message(
                content=compat.fitins_to_recorddict(instructions, True),
                dst_node_id=proxy.node_id,
                message_type="train",
                group_id=str(number),
            )
            for proxy, instructions in chosen
        ]
        results, failures = [], []
        for reply in grid.send_and_receive(messages, timeout=self.seconds):
            if reply.has_error():
                failures.append(RuntimeError(reply.error.reason))
                continue
            result = compat.recorddict_to_fitres(reply.content, False)
            results.append((proxies[reply.metadata.src_node_id], result))
        aggregated, _ = context.strategy.aggregate_fit(number, results, failures)
        if aggregated:
            found = compat.parameters_to_arrayrecord(aggregated, True)
            context.state.array_records[MAIN_PARAMS_RECORD] = found
