"""The machine against what the profile will need: cores, memory and disk, before any of it is taken."""

import os
from collections.abc import Collection, Iterator

from abacus.doctor.finding import Finding
from abacus.planning import needs
from abacus.profile.load import Profile

GIGA = 10**9


def cores() -> Iterator[Finding]:
    """Cores that this process may use."""
    here, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    found = f"{here} of {all_of_them}"
    if here > 1:
        yield Finding("cores", "ok", found)
    else:
        yield Finding(
            "cores",
            "warning",
            f"{found}: a run takes twice as long as on two",
            "`taskset`, or another machine",
        )


def room(profile: Profile, stages: Collection[str]) -> Iterator[Finding]:
    """Memory and disk for these stages."""
    need = needs.of(profile, stages)
    yield memory(need, profile)
    has, wants = need.disk_free, need.disk
    found = f"{has / GIGA:.1f} GB free, about {wants / GIGA:.1f} GB needed"
    good = has > wants
    yield Finding(
        "disk",
        "ok" if good else "wrong",
        found,
        "" if good else "`dvc gc --workspace --all-commits --all-experiments`, `make clean`",
    )


def memory(need: needs.Needs, profile: Profile) -> Finding:
    """The memory of this machine, or of its devices as far as the profile says what they have."""
    wants = need.memory
    if profile.device != "CPU":
        most = needs.device_bytes(profile)
        found = f"about {wants / GIGA:.1f} GB of the {profile.device}s of this host needed in all"
        if most is None or wants <= most:
            return Finding("memory", "ok", found)
        advice = "in the profile, more ranks or a smaller abacus.finetune.batch_rows"
        return Finding(
            "memory", "wrong", f"{found}, context.max_device_memory allows {most / GIGA:.1f} GB", advice
        )
    found = f"{need.memory_free / GIGA:.1f} of {need.memory_in_all / GIGA:.1f} GB free, about {wants / GIGA:.1f} GB needed"
    smaller = "in the profile, a smaller abacus.finetune.batch_rows or seq_length"
    if wants > need.memory_in_all:
        return Finding("memory", "wrong", found, smaller)
    if wants > need.memory_free:
        return Finding("memory", "warning", found, f"end other programs; or {smaller}")
    return Finding("memory", "ok", found)
