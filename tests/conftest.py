"""How Hypothesis runs here: no test fails because the machine is slow."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("croc-core", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("croc-core")
