"""Whether an agent can run a model, and whether what it is told suits that model. Pure."""

from __future__ import annotations

from broker.settings import SettingError
from edge_agent.settings import AgentSettings, AlertSettings
from models.spec import CLASSIFICATION, RECONSTRUCTION, REGRESSION, SEGMENTATION, ModelSpec


def require_fit(settings: AgentSettings, spec: ModelSpec) -> None:
    """Check the settings that depend on the model.

    Raises:
        SettingError: an agent cannot run such a model, or a setting says something of channels or
            classes that this one has not.
    """
    if reason := _unfit(spec):
        raise SettingError("model", f"{spec.name} {reason}; 'perfuse simulate' trains it on a file")
    settings.quality.require_fit(channel.name for channel in spec.channels)
    _require_alerts(settings.alert, spec)


def _unfit(spec: ModelSpec) -> str:
    """Why no sensor gives what the model takes; empty where one can."""
    if spec.task == SEGMENTATION:
        return "is a segmentation: no sensor of an agent gives images, or a class for each pixel"
    if len(spec.input_shape) > 2:
        return "takes images, which no sensor of an agent gives"
    if len(spec.input_shape) == 2 and spec.rate_hz is None:
        return "takes windows but has no rate_hz, so readings cannot be put into them"
    if spec.task == REGRESSION and len(spec.input_shape) == 1:
        return "forecasts from single readings, which have no rate: nobody can tell when it is due"
    return ""


def _require_alerts(alert: AlertSettings, spec: ModelSpec) -> None:
    if alert.classes and spec.task != CLASSIFICATION:
        raise SettingError("alert.classes", f"the model is a {spec.task}, it has no classes")
    for name in alert.classes:
        if name not in spec.classes:
            known = ", ".join(spec.classes)
            raise SettingError("alert.classes", f"the model has no class {name!r}; it has {known}")
    if alert.anomaly_score and spec.task != RECONSTRUCTION:
        raise SettingError(
            "alert.anomaly_score", f"the model is a {spec.task}, it scores no anomalies"
        )
    for key in ("below", "above"):
        if getattr(alert, key) is None:
            continue
        if spec.task != REGRESSION:
            raise SettingError(f"alert.{key}", f"the model is a {spec.task}, it forecasts no value")
        if len(spec.targets) > 1:
            names = ", ".join(target.name for target in spec.targets)
            raise SettingError(
                f"alert.{key}", f"the model forecasts {names}; limits are for a single target"
            )
