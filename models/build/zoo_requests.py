"""The artifacts that ship with perfuse, as requests. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.build.request import BuildRequest, parse_channels, parse_class_names

# The TensorFlow that the shipped files come from; another may convert to other bytes.
BUILT_WITH = "2.21"

_WATCH = parse_channels("ax:[g],ay:[g],az:[g],wx:rad/s,wy:rad/s,wz:rad/s")
_WRIST = parse_channels("x:{count},y:{count},z:{count}")
_EXERCISES = parse_class_names("PEN,ABD,FEL,IR,ER,TRAP,ROW")
_ACTIVITIES = parse_class_names(
    "Brush_teeth,Climb_stairs,Comb_hair,Descend_stairs,Drink_glass,Eat_meat,Eat_soup,"
    "Getup_bed,Liedown_bed,Pour_water,Sitdown_chair,Standup_chair,Use_telephone,Walk"
)
_HEART = parse_channels(
    "age:a,sex,cp,trestbps:mm[Hg],chol:mg/dL,fbs,restecg,thalach:/min,exang,oldpeak:mm,slope,"
    "ca,thal"
)
_DISEASE = parse_class_names("healthy,disease")


def zoo_requests(directory: Path) -> Iterator[BuildRequest]:
    """Every shipped artifact, to be built into a folder of its name under `directory`."""
    yield BuildRequest(
        "cnn1d",
        (200, 6),
        7,
        directory / "shoulder-cnn1d",
        rate_hz=50.0,
        channels=_WATCH,
        class_names=_EXERCISES,
    )
    yield BuildRequest(
        "autoencoder",
        (200, 6),
        0,
        directory / "shoulder-autoencoder",
        rate_hz=50.0,
        channels=_WATCH,
    )
    yield BuildRequest(
        "cnn1d",
        (96, 3),
        14,
        directory / "hmp-cnn1d",
        rate_hz=32.0,
        channels=_WRIST,
        class_names=_ACTIVITIES,
    )
    for architecture in ("logistic", "svm", "mlp"):
        yield BuildRequest(
            architecture,
            (13,),
            2,
            directory / f"heart-{architecture}",
            channels=_HEART,
            class_names=_DISEASE,
        )
