"""Choice of the engine: the one that a configuration names, or the fastest available."""

import logging

import torch

from zootwins.population import Engine
from zootwins.population.native_engine import NativeEngine, is_available
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError

log = logging.getLogger(__name__)


def get_device(device: str) -> str:
    """Return `cpu` or `cuda`; `auto` takes CUDA where it is.

    Raises:
        InputError: if CUDA is asked for and not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("configuration: device: cuda asked for, but torch sees no GPU here; set auto or cpu")
    return device


def get_engine(name: str, device: str, threads: int) -> Engine:
    """Return the engine `torch` or `native` on a device; `auto` takes CUDA, else the native kernels, else torch.

    With `auto`, networks without native kernels are computed by torch; with `native` they are refused when they come.

    Raises:
        InputError: if CUDA or the native kernels are asked for and not there.
    """
    device = "cpu" if device == "auto" and name == "native" else get_device(device)
    if name == "auto" and device == "cpu" and is_available():
        log.info("engine native on cpu, %d threads", threads)
        return NativeEngine(threads, otherwise=TorchEngine(device, threads))
    if name == "auto":
        name = "torch"
    if name == "native" and device == "cuda":
        raise InputError("configuration: engine: native runs on CPUs only; set engine: torch or device: cpu")
    if name == "native" and not is_available():
        raise InputError(
            "configuration: engine: native asked for, but its kernels are not built; install a C++ compiler and run "
            "`pip install .` again, or set engine: torch"
        )
    log.info("engine %s on %s, %d threads", name, device, threads)
    if name == "torch":
        return TorchEngine(device, threads)
    return NativeEngine(threads)
