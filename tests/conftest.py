"""What all tests share: examples that are the same on every run and every machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Derandomized: a test that fails, fails for everybody. No deadline and no complaint of slow input:
# how fast a machine is says nothing of the code.
settings.register_profile(
    "perfuse", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("perfuse")
