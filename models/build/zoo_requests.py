"""The artifacts that ship with perfuse, as requests. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.build.request import (
    BuildRequest,
    parse_channels,
    parse_class_names,
    parse_targets,
)

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
_DIGITS = parse_class_names("0,1,2,3,4,5,6,7,8,9")
# Lead II or the nearest to it, and what is known of the rhythm around the beat.
_BEAT = parse_channels("ecg:mV,rr_before:s,rr_after:s")
_BEATS = parse_class_names("other,V")
_FALLS = parse_class_names(
    "Aplausing,Bending,GoDownstairs,GoUpstairs,HandsUp,Hopping,Jogging,LyingDown_OnABed,"
    "MakingACall,OpeningDoor,Sitting_GettingUpOnAChair,Walking,backwardFall,forwardFall,lateralFall"
)
_SHAPES = parse_class_names("background,disc,bar")


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
    yield BuildRequest(
        "dscnn1d",
        (200, 6),
        7,
        directory / "shoulder-dscnn1d",
        rate_hz=50.0,
        channels=_WATCH,
        class_names=_EXERCISES,
    )
    yield BuildRequest(
        "cnn1d",
        (300, 6),
        15,
        directory / "umafall-cnn1d",
        rate_hz=20.0,
        channels=parse_channels("ax:[g],ay:[g],az:[g],wx:deg/s,wy:deg/s,wz:deg/s"),
        class_names=_FALLS,
    )
    yield BuildRequest(
        "cnn1d",
        (120, 1),
        2,
        directory / "mitbih-cnn1d",
        rate_hz=120.0,
        channels=_BEAT[:1],
        class_names=_BEATS,
    )
    yield BuildRequest(
        "tcn",
        (120, 3),
        2,
        directory / "mitbih-tcn",
        rate_hz=120.0,
        channels=_BEAT,
        class_names=_BEATS,
    )
    yield BuildRequest(
        "forecast",
        (24, 1),
        0,
        directory / "glucose-forecast",
        # A reading every five minutes.
        rate_hz=1 / 300,
        channels=parse_channels("glucose:mg/dL"),
        targets=parse_targets("glucose+6"),
    )
    yield BuildRequest(
        "cnn2d",
        (28, 28, 1),
        10,
        directory / "digits-cnn2d",
        channels=parse_channels("ink"),
        class_names=_DIGITS,
    )
    yield BuildRequest(
        "unet",
        (32, 32, 1),
        3,
        directory / "shapes-unet",
        batch_size=8,
        channels=parse_channels("brightness"),
        class_names=_SHAPES,
    )
