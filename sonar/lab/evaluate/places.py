"""Which places are held out: no model of ours learns from them, and nothing is tuned on them.

The one list: training reads it, and every figure of an evaluation says what its model has
seen of its place.
"""

from collections.abc import Collection
from typing import Literal

from sonar.depth.models.registry import ResolvedModel

# Stairs, a street, a platform, a site, an interior, a corridor; three real places.
HELD_OUT = (
    "p_stairs3", "p_street2", "p_platform2", "p_site3", "q_kitchen", "p_corr3",
    "hololens_office", "slambook_diningroom", "nvblox_meeting",
)  # fmt: skip
VALIDATION = ("p_stairs5", "p_street4", "q_living3")
# What a shipped model learned from whose file does not state it (its card does), by SHA-256.
STATED = {
    "9e360ad3c58d3d96b81a082dacfa4e1f5820bd15a6db3be224268a36a24c8784": (
        "7scenes_redkitchen", "sun3d_cubicles", "aims_robot_lab", "icl_livingroom_o3d",
        "kinect_classroom",
    ),
}  # fmt: skip

Split = Literal["train", "validation", "held-out"]


def scene_of(name: str) -> str:
    """The scene that views or a walk show: ``walk_p_corr2_0obst`` -> ``p_corr2``."""
    return name.removeprefix("walk_").rpartition("_")[0] if name.startswith("walk_") else name


def split_of(name: str) -> Split:
    """The split of a pack or a measured folder, by its name alone; a walk goes with its scene."""
    if scene_of(name) in HELD_OUT:
        return "held-out"
    return "validation" if scene_of(name) in VALIDATION else "train"


def learned_from(model: ResolvedModel) -> frozenset[str] | None:
    """The places and sources that a model states it was trained on; None where it states none."""
    import onnxruntime

    if model.sha256 in STATED:
        return frozenset(STATED[model.sha256])
    if model.format != "onnx":
        return None
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    stated = session.get_modelmeta().custom_metadata_map.get("sonar.sources")
    return frozenset(stated.split(",")) if stated else None


def seen_by(name: str, sources: Collection[str] | None) -> str:
    """What a model that learned from ``sources`` has seen of a place, in words for a report."""
    if scene_of(name) in {scene_of(source) for source in sources or ()}:
        return "trained on"
    split = split_of(name)
    if split == "train":
        return "training not known" if sources is None else "not trained on"
    return "held out" if split == "held-out" else "used for validation"
