"""Training on one GPU: `hstu` and `sasrec` in bfloat16, with and without torch.compile.

``python -m benchmarks.gpu`` is complete in itself: it makes its data, needs torch, NumPy, SciPy,
PyArrow, safetensors and structlog alone, and ends within ``--seconds``, printing each figure as it
is measured. Without a card it runs on the CPU in float32. The steps are the trainer's.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from training.data.histories import DAY, Histories, starts
from training.families import hstu, sasrec
from training.fitting.distributed import Processes
from training.fitting.trainer import Gradient
from training.layers.sequences.network import Network
from training.layers.sequences.next_item import NextItem, NextItemConfig
from training.layers.sequences.windows import Batch, Windows, WindowsConfig

FAMILIES = {"hstu": hstu, "sasrec": sasrec}
CLUSTERS = 1000
CLUSTERS_OF_A_USER = 4
WARM_UP_STEPS = 3
COMPARED_ROWS = 16  # histories whose loss is computed on the CPU too
GRACE_SECONDS = 20  # after the limit: a call that does not return is ended
# dense bfloat16 teraflops of the vendor's data sheet
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10G": 70, "4090": 165}


@dataclass(frozen=True)
class Size:
    """``dimensions`` are of items and of encoders of ``layers`` layers."""

    items: int = 1_000_000
    users: int = 100_000
    events_a_user: int = 60
    length: int = 200
    dimensions: int = 256
    layers: int = 4
    heads: int = 4
    events_a_batch: int = 65_536
    negatives: int = 8192
    fit_seconds: float = 45.0
    profiled_steps: int = 5


SMALL = Size(2_000, 200, 20, 20, 32, 2, 2, 256, 128, 1.0, 1)


@dataclass
class Report:
    """Figures so far. ``fits``: of each family, eager and compiled."""

    device: str
    size: dict[str, Any]
    torch: str = torch.__version__
    matmul_teraflops: float = 0.0
    data_seconds: float = 0.0
    losses: list[dict[str, Any]] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = "finished"


class Clock:
    """Seconds left of the limit."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()


def measure(size: Size, device: torch.device, seconds: float, compiled: bool) -> Report:
    """Measure what the time allows; a part that fails is recorded with its reason."""
    clock = Clock(seconds)
    report = Report(_device_name(device), asdict(size))
    watchdog = threading.Timer(seconds + GRACE_SECONDS, _end, [report])
    watchdog.daemon = True
    watchdog.start()
    report.matmul_teraflops = _matmul_teraflops(device)
    print(f"{report.device}: matmul at {report.matmul_teraflops:.1f} teraflops", flush=True)
    started = time.perf_counter()
    histories = make_histories(size, seed=0)
    report.data_seconds = time.perf_counter() - started
    print(f"{len(histories.items_N):,} events in {report.data_seconds:.1f} s", flush=True)
    modes = [(name, False) for name in FAMILIES] + [(name, True) for name in FAMILIES if compiled]
    for name in FAMILIES:
        _guarded(
            report.losses,
            {"family": name},
            clock,
            lambda n=name: _losses(n, size, histories, device),
        )
    for name, compiling in modes:
        what = {"family": name, "compiled": compiling}
        _guarded(report.fits, what, clock, lambda w=what: _fit(size, histories, device, clock, **w))
    if clock.left < 0:
        report.stopped = "time limit"
    watchdog.cancel()
    return report


def make_histories(size: Size, seed: int) -> Histories:
    """Histories that can be learned: each user likes a few clusters, in which items are Zipfian."""
    random = np.random.default_rng(seed)
    clusters = min(CLUSTERS, size.items // 10)
    in_cluster = size.items // clusters
    lengths_U = np.clip(
        random.lognormal(np.log(size.events_a_user) - 0.5, 1.0, size.users), 3, 4 * size.length
    ).astype(np.int64)
    rows_N = np.repeat(np.arange(size.users), lengths_U)
    liked_UC = random.integers(0, clusters, (size.users, CLUSTERS_OF_A_USER))
    cluster_N = liked_UC[rows_N, random.integers(0, CLUSTERS_OF_A_USER, len(rows_N))]
    place_N = np.floor(in_cluster ** random.random(len(rows_N))).astype(np.int64) - 1
    place_N = np.minimum(place_N, in_cluster - 1)  # log-uniform: the Zipf law with exponent 1
    starts_U1 = starts(lengths_U)
    steps_N = np.repeat(starts_U1[1:], lengths_U) - np.arange(len(rows_N))
    end = (4 * size.length + 1) * DAY
    return Histories(
        np.arange(size.users),
        starts_U1,
        (cluster_N * in_cluster + place_N).astype(np.int32),
        end - steps_N * DAY,
        np.ones(len(rows_N), np.float32),
        size.items,
        end,
    )


def make_network(family: str, size: Size, histories: Histories) -> Network:
    """A family's network with the benchmark's size, initialized from the data."""
    torch.manual_seed(0)
    module = FAMILIES[family]
    learning = NextItemConfig(
        windows=WindowsConfig(size.length, size.events_a_batch, horizon_days=7),
        negatives=size.negatives,
        temperature=0.1,
    )
    config = replace(
        module.Config(size.dimensions, size.layers, size.heads, 0.1), learning=learning
    )
    if family == "hstu":
        config = replace(config, repeat=None)
    model: NextItem = module.Model(config)
    network = Network(
        learning,
        size.dimensions,
        size.items,
        torch.zeros(size.items, 1, dtype=torch.long),
        model.encoder(),
        causal=True,
    )
    network.start_from(histories, histories, torch.arange(size.items))
    return network


def windows_of(size: Size, histories: Histories, device: torch.device) -> Windows:
    return Windows(
        histories, WindowsConfig(size.length, size.events_a_batch, horizon_days=7), 0, device
    )


def _losses(family: str, size: Size, histories: Histories, device: torch.device) -> dict[str, Any]:
    """The loss of the same rows, weights and candidates on the CPU and on the device."""
    cpu = torch.device("cpu")
    network = make_network(family, size, histories).eval()
    batch = windows_of(size, histories, cpu).batch(0).part(0, 1)
    batch = _first_rows(batch, COMPARED_ROWS)
    items_C, log_chance_C = network.candidates(batch.wanted_N, batch.step)

    def loss(on: torch.device, dtype: torch.dtype | None) -> float:
        network.to(on)
        _fix_candidates(network, items_C.to(on), log_chance_C.to(on))
        with torch.no_grad(), torch.autocast(on.type, dtype or torch.bfloat16, dtype is not None):
            return float(network.loss(_moved(batch, on)))

    reference = loss(cpu, None)
    found = {"float32": loss(device, None), "bfloat16": loss(device, torch.bfloat16)}
    differences = {name: abs(value / reference - 1) for name, value in found.items()}
    return {"family": family, "cpu": reference, **found, "relative_difference": differences}


def _fit(
    size: Size,
    histories: Histories,
    device: torch.device,
    clock: Clock,
    family: str,
    compiled: bool,
) -> dict[str, Any]:
    """Train for a while: warm-up, timed steps, then a few under the profiler."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    network = make_network(family, size, histories).to(device)
    flops = _flops(network, windows_of(size, histories, device).batch(0))
    windows = windows_of(size, histories, device)
    if compiled:
        network.encoder = torch.compile(network.encoder, dynamic=True)  # type: ignore[assignment]
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    gradient = Gradient(network, device, Processes())
    losses, drawing, padded, events, work = [], 0.0, [], 0, 0.0

    def step(number: int) -> None:
        nonlocal drawing, events, work
        began = time.perf_counter()
        batch = windows.batch(number)
        drawing += time.perf_counter() - began
        network.train()
        loss = gradient.compute(batch, number).item()  # waits for the device, as the trainer does
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0).item()
        optimizer.step()
        losses.append(loss)
        events += batch.targets
        padded.append(1 - float(batch.lengths_B.sum()) / batch.read_BT.numel())
        work += flops / flops_positions * batch.read_BT.numel()

    flops_positions = windows.batch(0).read_BT.numel()
    first = _timed(device, lambda: [step(number) for number in range(WARM_UP_STEPS)])
    drawing, events, work, losses[:], padded[:] = 0.0, 0, 0.0, [], []
    allowed = min(size.fit_seconds, clock.left - 5)
    count = WARM_UP_STEPS
    began = time.perf_counter()
    while count == WARM_UP_STEPS or time.perf_counter() - began < allowed:
        step(count)
        count += 1
    _wait(device)
    seconds = time.perf_counter() - began
    done = count - WARM_UP_STEPS
    figures = {
        "family": family,
        "compiled": compiled,
        "pieces": gradient.pieces,
        "warm_up_seconds": first,
        "steps": done,
        "events_per_second": events / seconds,
        "step_ms": 1000 * seconds / done,
        "drawing_ms": 1000 * drawing / done,
        "teraflops": work / seconds / 1e12,
        "padding": float(np.mean(padded)),
        "loss_first": float(np.mean(losses[:5])),
        "loss_last": float(np.mean(losses[-5:])),
        "peak_mb": _peak_mb(device),
    }
    return figures | _profiled(device, step, range(count, count + size.profiled_steps))


def _profiled(device: torch.device, step: Callable[[int], None], numbers: range) -> dict[str, Any]:
    """Share of the time that the device computes, and the operations that take most of it."""
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    _wait(device)
    with profile(activities=activities) as found:
        seconds = _timed(device, lambda: [step(number) for number in numbers])
    own = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = sorted(found.key_averages(), key=lambda row: -getattr(row, own))
    if cuda:  # kernels only: an operator's own time is that of its kernels
        rows = [row for row in rows if str(row.device_type).endswith("CUDA")]
    total = sum(getattr(row, own) for row in rows) / 1e6
    top = [
        {"name": row.key[:60], "share": getattr(row, own) / 1e6 / total, "calls": row.count}
        for row in rows[:12]
    ]
    return {"busy": min(1.0, total / seconds), "top": top, "launches": sum(r.count for r in rows)}


def _flops(network: Network, batch: Batch) -> float:
    """Floating-point operations of a forward and backward pass."""
    _fix_candidates(network, *network.candidates(batch.wanted_N, batch.step))
    with FlopCounterMode(display=False) as counter:
        network.loss(batch).backward()
    del network.candidates
    network.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def _fix_candidates(network: Network, *fixed: torch.Tensor) -> None:
    """Let every softmax be over the same candidates."""
    network.candidates = lambda *_: fixed  # type: ignore[method-assign]


def _first_rows(batch: Batch, rows: int) -> Batch:
    part = batch.part(0, max(1, len(batch.lengths_B) // rows))
    return replace(part, wanted_N=part.targets_BT[part.has_BT])


def _moved(batch: Batch, device: torch.device) -> Batch:
    names = ("read_BT", "lengths_B", "targets_BT", "has_BT", "wanted_N")
    moved = {name: getattr(batch, name).to(device) for name in names}
    return replace(batch, details=batch.details.to(device), **moved)


def _guarded(
    into: list[dict[str, Any]],
    what: dict[str, Any],
    clock: Clock,
    call: Callable[[], dict[str, Any]],
) -> None:
    """Append a part's figures, or why there are none: the next part is measured all the same."""
    if clock.left < 5:
        into.append({**what, "missing": "time limit"})
    else:
        try:
            into.append(call())
        except Exception as error:  # noqa: BLE001 - a compiler may raise anything
            into.append({**what, "missing": f"{type(error).__name__}: {str(error)[:300]}"})
    print(json.dumps(into[-1]), flush=True)


def _matmul_teraflops(device: torch.device) -> float:
    """Of a large product of matrices, in bfloat16 on a card: what can be reached at best."""
    cuda = device.type == "cuda"
    side, dtype = (8192, torch.bfloat16) if cuda else (1024, torch.float32)
    first = torch.randn(side, side, device=device, dtype=dtype)
    _ = first @ first
    seconds = min(_timed(device, lambda: first @ first) for _ in range(5))
    return 2 * side**3 / seconds / 1e12


def _timed(device: torch.device, call: Callable[[], object]) -> float:
    _wait(device)
    started = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


def _end(report: Report) -> None:
    """Print what there is and end the process, whatever it is waiting for."""
    report.stopped = f"{GRACE_SECONDS} s over the time limit: a call did not return"
    print(page(report), flush=True)
    os._exit(1)


def page(report: Report) -> str:
    """The figures as Markdown."""
    peak = next((value for name, value in PEAKS.items() if name in report.device), None)
    size = report.size
    lines = [
        "# Training on a GPU",
        "",
        f"Written by `make bench-gpu`: {report.device}, torch {report.torch}, {report.stopped}.",
        "",
        f"{size['items']:,} items, {size['users']:,} synthetic histories of up to {size['length']} "
        f"events read, {size['dimensions']} dimensions, {size['layers']} layers, about "
        f"{size['events_a_batch']:,} positions a batch, {size['negatives']:,} negatives. The share "
        f"of the peak is of a large matrix product on the same device, "
        f"{report.matmul_teraflops:.1f} teraflops"
        + (f", and of the data sheet's {peak}." if peak else "."),
        "",
        "| family | torch.compile | events/s | step, ms | of which drawing | teraflops | of peak "
        "| padding | device busy | peak MB | loss, first to last | first 3 steps, s |",
        f"|{'---|' * 12}",
    ]
    for fit in report.fits:
        mode = "yes" if fit["compiled"] else "no"
        if "missing" in fit:
            lines.append(f"| `{fit['family']}` | {mode} | not measured: {fit['missing']} |")
            continue
        share = f"{fit['teraflops'] / report.matmul_teraflops:.1%}"
        share += f", {fit['teraflops'] / peak:.1%}" if peak else ""
        cells = [
            f"`{fit['family']}`",
            mode,
            f"{fit['events_per_second']:,.0f}",
            f"{fit['step_ms']:.1f}",
            f"{fit['drawing_ms']:.1f}",
            f"{fit['teraflops']:.2f}",
            share,
            f"{fit['padding']:.1%}",
            f"{fit['busy']:.0%}",
            f"{fit['peak_mb']:,.0f}",
            f"{fit['loss_first']:.3f} to {fit['loss_last']:.3f}",
            f"{fit['warm_up_seconds']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Loss of the same rows, weights and candidates, and its relative difference:", ""]
    for loss in report.losses:
        if "missing" in loss:
            lines.append(f"- `{loss['family']}`: not measured: {loss['missing']}")
        else:
            off = loss["relative_difference"]
            lines.append(
                f"- `{loss['family']}`: CPU {loss['cpu']:.5f}; float32 {loss['float32']:.5f} "
                f"({off['float32']:.1e}), bfloat16 {loss['bfloat16']:.5f} ({off['bfloat16']:.1e})"
            )
    for fit in (fit for fit in report.fits if "top" in fit):
        mode = "compiled" if fit["compiled"] else "eager"
        lines += ["", f"## Where the time goes: `{fit['family']}`, {mode}", ""]
        lines += [f"{fit['launches'] / size['profiled_steps']:,.0f} operations a step.", ""]
        lines += ["| operation | share | calls |", "|---|---|---|"]
        lines += [
            f"| `{row['name']}` | {row['share']:.1%} | {row['calls']} |" for row in fit["top"]
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=460.0, help="limit of the whole command")
    parser.add_argument("--small", action="store_true", help="the size that tests run on a CPU")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, help="folder for gpu.json and gpu.md")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = SMALL if given.small else Size()
    report = measure(size, device, given.seconds, given.compile)
    text = page(report)
    print(text, flush=True)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "gpu.json").write_text(json.dumps(asdict(report), indent=1))
        (given.out / "gpu.md").write_text(text)


if __name__ == "__main__":
    main()
