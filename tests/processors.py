"""The tests marked `numerical` as other processors compute them: with other instructions, other BLAS kernels, other threads.

Each environment differs in everything from the next, because a test that holds under all of them hardly depends on one. Rounding
differs as much between them as between machines.
"""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np

EVERY_FEATURE = ("X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR")


class Environment(NamedTuple):
    """What TensorFlow and NumPy may use."""

    needs: str  # as NumPy names what a processor can do
    xla: str
    onednn: str  # "" for graphs without oneDNN
    blas: str
    without: tuple  # of what NumPy would use
    threads: int

    def variables(self):
        """The environment variables that have it so."""
        return {
            "XLA_FLAGS": f"--xla_cpu_max_isa={self.xla}",
            "TF_ENABLE_ONEDNN_OPTS": "1" if self.onednn else "0",
            "ONEDNN_MAX_CPU_ISA": self.onednn or "DEFAULT",
            "OPENBLAS_CORETYPE": self.blas,
            "NPY_DISABLE_CPU_FEATURES": " ".join(feature for feature in self.without if feature in features()),
            "OMP_NUM_THREADS": str(self.threads),
            "TF_NUM_INTRAOP_THREADS": str(self.threads),
        }


ENVIRONMENTS = {
    "SSE4.2": Environment("X86_V2", "SSE4_2", "", "Nehalem", EVERY_FEATURE, 1),
    "AVX": Environment("X86_V2", "AVX", "AVX", "Sandybridge", EVERY_FEATURE, 2),
    "AVX2": Environment("X86_V3", "AVX2", "", "Haswell", EVERY_FEATURE[1:], 2),
    "AVX2, Zen": Environment("X86_V3", "AVX2", "AVX2", "Zen", (), 1),
    "AVX-512": Environment("X86_V4", "AVX512", "AVX512_CORE", "SkylakeX", EVERY_FEATURE[2:], 2),
}


def features():
    """What this processor can do, as NumPy names it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    return {*found["baseline"], *found.get("found", [])}


def main(arguments, nightly=False):
    """Run the tests under each environment, print a line for each and return the exit code."""
    marked = "numerical" if nightly else "numerical and not nightly"
    # Set where a machine's owner wants one kind of rounding everywhere, it would hide what differs.
    inherited = {name: value for name, value in os.environ.items() if name != "OPENBLAS_L2_SIZE"}
    codes = []
    for name, environment in ENVIRONMENTS.items():
        if environment.needs not in features():
            print(f"{name}: SKIPPED, this processor cannot do it", flush=True)
            continue
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", marked, *arguments],
            env={**inherited, **environment.variables()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        codes.append(process.returncode)
        lines = process.stdout.splitlines()
        if process.returncode:
            print(*lines, sep="\n")
        print(f"{name}: {'FAILED' if process.returncode else 'passed'}: {lines[-1] if lines else ''}", flush=True)
    if not codes:
        print("None of the environments can be had on this processor.", flush=True)
    return max(codes, default=1)
