"""Faults of the cluster: outages, storms, retention."""

from __future__ import annotations

from tests.simulation.cluster import Cluster
from tests.simulation.scenario import Fault


def worsen(cluster: Cluster, fault: Fault) -> None:
    """Until the weather is set fair again."""
    weather, strength = cluster.network.weather, fault.strength
    match fault.action:
        case "brokers":
            cluster.go_down()
        case "coordinators":
            cluster.note("the coordinators are gone")
            weather.no_group = weather.no_transactions = True
        case "group":
            cluster.note("the group coordinator is gone")
            weather.no_group = True
        case "transactions":
            cluster.note("the transaction coordinator is gone")
            weather.no_transactions = True
        case "loading":
            cluster.network.load_group(fault.lasts)
        case "storm":
            cluster.note(f"storm: {strength:.0%} of requests fail")
            weather.lost_requests = weather.lost_answers = strength
            weather.spoilt_answers = weather.failed_polls = strength / 2
        case "steps":
            cluster.note(f"{strength:.0%} of the steps of transactions get lost or late")
            weather.lost_steps = strength
        case "slow":
            cluster.note("the network is slow")
            weather.latency = (0.2, 1.5)
        case _:
            raise ValueError(f"action: {fault.action!r} is no weather")


def expire(cluster: Cluster, share: float) -> None:
    """Retention takes finished work, as it should, and with a large share what is not finished too."""
    for tp in cluster.inputs:
        log, mark = cluster.logs[tp], cluster.coordinator.offsets.get(tp)
        committed = 0 if mark is None else mark.offset
        most = log.end if share >= 0.3 else committed
        log.start = max(log.start, min(most, round(log.start + (log.end - log.start) * 2 * share)))
        cluster.note(f"retention: {tp.partition} begins at {log.start}")
