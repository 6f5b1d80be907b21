"""The runs of a study: tasks on Dask, kept by their content."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from emulator import cache
from emulator.spec.arch import Architecture
from emulator.spec.errors import DeviceError, DoesNotFitError, NmError
from emulator.spec.files import shipped_folder

from ..network.semantics import Semantics
from ..pipeline import compile_network
from ..results.evaluate import evaluate
from ..results.summary import summary
from ..user_models import using
from .plan import Inputs

DIED: Final = "its worker died or was stopped; was memory short? try fewer workers"
INSTALL_DASK: Final = "pip install 'nmcompile[sweep]'"
PRICED: Final = (  # of a run's summary: made afterwards, or, of what learning costs, not at all
    *("energy_j_per_sample", "energy_scope", "prices", "latency_s_per_sample", "learning_energy_j_per_sample"),
)
Progress = Callable[[str, int, int], None]


# ---------------------------------------------------------------------------------------------------------- tasks
@dataclass(frozen=True)
class Run:
    """Compile and emulate once: the same wherever it runs. `SOURCES` is what it depends on of this package."""

    SOURCES: ClassVar = (
        *("emulator/**/*", "nmcompile/*", "nmcompile/study/plan.py", "nmcompile/study/execute.py"),
        *(f"nmcompile/{room}/*" for room in ("network", "neurons", "frontends", "coding", "learning", "discretize")),
        *(f"nmcompile/{room}/*" for room in ("quantize", "place", "emit", "results")),
    )
    inputs: str
    semantics: Semantics
    arch: Architecture | None
    weight_bits: int
    readout: str | None
    learn: bool

    def __call__(self, inputs: Inputs) -> dict[str, Any]:
        with using(inputs.models):
            return self._run(inputs)

    def _run(self, inputs: Inputs) -> dict[str, Any]:
        samples = None if inputs.calibrate is None else inputs.calibrate.spikes
        made = compile_network(inputs.network, self.arch, self.semantics, self.weight_bits, samples)
        result = evaluate(made.image, inputs.data, readout=self.readout, learn=self.learn)
        found = made.summary() | summary(result)
        for name in (*PRICED, "seconds"):
            found.pop(name, None)
        if result.notes.float_accuracy is not None:
            found["float_accuracy"] = result.notes.float_accuracy
        counters = {name: counts.tolist() for name, counts in result.counters.items()}
        return {"found": found, "counters": counters, "cycles": int(result.sample_cycles.sum())}


@dataclass(frozen=True)
class Synthesis:
    """Area and clock of an architecture on a part."""

    SOURCES: ClassVar = ("rtl/nm_*", "rtl/synth/*", "emulator/verilog/*", "emulator/spec/*", "nmcompile/fpga/*")
    arch: Architecture
    target: str

    def __call__(self, inputs: None) -> dict[str, Any]:
        from ..fpga.implement import measure

        values, problems = measure(self.arch, self.target)
        if problems:
            raise DoesNotFitError(problems)
        used = {name.replace(" ", "_").replace("RAM", "ram"): n for name, (n, _) in values["used"].items()}
        return {"found": used | {"fmax_hz": values["fmax_hz"], "part": values["part"]}}


Task = Run | Synthesis


def perform(task: Task, inputs: Inputs | None) -> dict[str, Any]:
    """On a worker: what the task found, or its error; and the version of what ran."""
    cache.be_quiet()  # the one who asked says whether anything is kept
    try:
        found = task(inputs)  # type: ignore[arg-type]
    except NmError as error:
        found = {"error": str(error), "exit_code": error.exit_code}
    except MemoryError:
        found = {"error": "more than the memory of a worker holds; set limit, or fewer workers", "exit_code": 6}
    return found | {"sources": sources_digest(task.SOURCES)}


@functools.cache
def sources_digest(patterns: Sequence[str]) -> str:
    """Of the files of this package that a task depends on: pages and tables may change without a new run."""
    digest = hashlib.sha256()
    top = Path(__file__).resolve().parents[2]
    for pattern in patterns:
        folder = shipped_folder("rtl").parent if pattern.startswith("rtl/") else top
        for path in sorted(folder.glob(pattern)):
            if path.suffix in (".py", ".toml", ".v", ".vh") and path.name != "cli.py":
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


# ----------------------------------------------------------------------------------------------------------- Dask
def execute(
    tasks: Mapping[str, Task],
    inputs: Mapping[str, Inputs],
    workers: int | None,
    scheduler: str | None,
    progress: Progress,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run tasks; (key, what was found) as they end, kept unless a worker died or the tools are missing."""
    try:
        import cryptography  # noqa: F401  of which Dask makes its keys
        import dask
        from distributed import Client
    except ImportError:
        raise DeviceError(f"Dask is not installed, which runs the points; run: {INSTALL_DASK}") from None
    for name in ("distributed", "distributed.client"):  # of dead workers their points will tell
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        if scheduler is None:
            from .local import local_cluster

            cluster: Any = stack.enter_context(local_cluster(min(workers or os.cpu_count() or 1, len(tasks))))
        else:
            cluster = scheduler
        try:
            client = stack.enter_context(Client(cluster, timeout=10))
        except (OSError, ValueError) as error:
            raise DeviceError(f"no Dask scheduler answers at {scheduler}: {error}") from None
        try:
            client.wait_for_workers(1, timeout=30)
        except TimeoutError:
            raise DeviceError(
                f"the scheduler at {scheduler} has no workers; start one: dask worker {scheduler}"
            ) from None
        # the scheduler holds inputs, so they outlive every worker; its warning that they are large says nothing new
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Sending large graph")
        progress("points", 0, len(tasks))
        done, suspects = 0, {}
        for key, result in _side_by_side(client, tasks, inputs):
            if result is None:
                suspects[key] = tasks[key]
                continue
            done += 1
            progress("points", done, len(tasks))
            yield key, result
        for key, task in suspects.items():  # alone, so that it is known whose fault it was
            result = _alone(client, key, task, inputs) or {"error": DIED, "exit_code": DeviceError.exit_code}
            done += 1
            progress("points", done, len(tasks))
            yield key, result


def _side_by_side(
    client: Any, tasks: Mapping[str, Task], inputs: Mapping[str, Inputs]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(key, what was found) as tasks end; None of those that were on a worker, or waited for one, when it died."""
    from distributed import as_completed

    used = {task.inputs for task in tasks.values() if isinstance(task, Run)}
    held = {name: client.submit(itself, inputs[name], key=f"nmcompile-{inputs[name].digest}") for name in used}
    keys: dict[Any, str] = {}
    running = as_completed()
    waiting = iter(tasks.items())

    def submit(n: int) -> None:
        """One task a thread and no more: a worker that dies takes all with it that it was given."""
        for key, task in itertools.islice(waiting, n):
            data = held[task.inputs] if isinstance(task, Run) else None
            future = client.submit(perform, task, data, key=f"nmcompile-{key}", pure=False)
            keys[future] = key
            running.add(future)

    submit(sum(client.nthreads().values()))
    for future in running:
        submit(1)
        key = keys.pop(future)
        yield key, _outcome(key, tasks[key], future)


def _alone(client: Any, key: str, task: Task, inputs: Mapping[str, Inputs]) -> dict[str, Any] | None:
    """What a task finds while nothing else runs; None if it takes two workers along: one may have been dying."""
    data = inputs[task.inputs] if isinstance(task, Run) else None
    for attempt in range(2):
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(1, timeout=60)
        future = client.submit(perform, task, data, key=f"nmcompile-{key}-alone-{attempt}", pure=False)
        future.exception()  # waits
        result = _outcome(key, task, future)
        if result is not None:
            return result
    return None


def itself(inputs: Inputs) -> Inputs:
    """What the scheduler runs for inputs."""
    return inputs


def _outcome(key: str, task: Task, future: Any) -> dict[str, Any] | None:
    """What a task returned, which is kept; None if its worker died."""
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        if error is not None and type(error).__name__ != "KilledWorker":
            raise error  # a bug of ours
        return None
    result = {"exit_code": 0} | future.result()
    if result.pop("sources") != sources_digest(task.SOURCES):
        raise DeviceError("the scheduler's workers have another version of nmcompile; install the same on both sides")
    if result["exit_code"] != DeviceError.exit_code:
        keep_run(key, result)
    return result


# ------------------------------------------------------------------------------------------------- kept by content
def key_of(task: Task, inputs: Mapping[str, Inputs]) -> str:
    """Of all that a task's result depends on."""
    if isinstance(task, Run):
        task = replace(task, inputs=inputs[task.inputs].digest)
    values = [sources_digest(task.SOURCES), repr(task)]
    if isinstance(task, Synthesis):
        from ..fpga.implement import tool_versions
        from ..fpga.targets import choose_target

        values.append(repr(tool_versions(choose_target(task.target).family)))
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def kept_run(key: str) -> dict[str, Any] | None:
    found = cache.read("study", key)
    return None if found is None else json.loads(found)


def keep_run(key: str, result: Mapping[str, Any]) -> None:
    cache.write("study", key, json.dumps(result).encode())
