"""Small proper inputs that fuzzing starts from, made here."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np


def seeds(name: str) -> list[bytes]:
    """Of the target ``name``: a few kilobytes each."""
    return _MADE[name]()


def _image(height: int = 24, width: int = 32) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)


def _images() -> list[bytes]:
    made = []
    for number, suffix in enumerate((".png", ".jpg", ".webp", ".avif", ".tiff")):
        ok, coded = cv2.imencode(suffix, _image())
        if ok:  # the last byte chooses the file's name
            made.append(coded.tobytes() + bytes([number]))
    return made


def _video(container_format: str, codec: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        if codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(_image(32, 32), format="rgb24")
            frame.pts = index
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return out.getvalue()


def _videos() -> list[bytes]:
    kinds = (
        ("mp4", "libx264"), ("matroska", "libx264"), ("avi", "mjpeg"), ("mpegts", "libx264"),
        ("h264", "libx264"), ("webm", "libvpx"),
    )  # fmt: skip
    return [_video(*kind) + bytes([number]) for number, kind in enumerate(kinds)]


def _configuration() -> list[bytes]:
    return [
        b"audio:\n  volume_db: -3\n  scheme: scan\nmount: {height_m: 1.35, pitch_deg: 12}\n",
        b"speech:\n  language: en\nmodels:\n  mine: {path: /tmp/a.onnx, kind: metric}\n",
        b"voice: en\nphrases:\n  stop_left: Stop left\n  stop_center: [Stop, ahead]\n",
        b"world:\n  floor: {size_m: [4, 9]}\nthings:\n  - {kind: chair, at: [1, 2]}\nwalk: []\n",
        b"a: &a [*a]\nb: 0x1F\nc: 1e400\n? [x]\n: y\n",
        b"audio.volume_db=1e5",
    ]


def _labels() -> list[bytes]:
    event = "- {kind: obstacle, side: left, start_s: 1.0, end_s: 2.0, distance_m: 1.2}"
    return [
        f"schema: sonar.truth/1\nevents:\n{event}\n".encode(),
        b"- between 3 s and 5 s: close, left\n- never: stop\n",
        b"expect:\n  - between 1 s and 2 s: stop, center\nwalk: []\n",
        json.dumps(
            {"fx": 300, "fy": 300, "cx": 16, "cy": 12, "height_m": 1.3, "frames": {"a": {}}}
        ).encode(),
    ]


def _records() -> list[bytes]:
    event = {"schema": "sonar.event/1", "t": 0.1, "frame": 1, "kind": "cue", "name": "pulse",
             "side": "left", "why": "close, left", "text": ""}  # fmt: skip
    line = (json.dumps(event) + "\n").encode()
    return [line, line * 3]


def _models() -> list[bytes]:
    made = [json.dumps({"sha256": "0" * 64, "size": 1, "mtime_ns": 2, "origin": "x"}).encode()]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": [1.0, 2.0]}, protocol=2))
        archive.writestr("archive/version", "3\n")
    made += [out.getvalue(), pickle.dumps({"a": 1}, protocol=2)]
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        return made
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])
    depth = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 64, 64])
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)
    graph = helper.make_graph([node], "g", [given], [depth])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return [*made, onnx.ModelProto.SerializeToString(model)]


def _controls() -> list[bytes]:
    return [
        b"volume up\n", b"scheme scan\n", b"describe\n", b"view\n", b"\xff\xfe\n", b"a" * 300,
        b"GET /metrics HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: [\r\nAuthorization: Bearer x\r\n\r\n", b"/metrics?x=[",
    ]  # fmt: skip


_MADE = {
    "images": _images, "videos": _videos, "configuration": _configuration, "labels": _labels,
    "records": _records, "models": _models, "controls": _controls,
}  # fmt: skip

FOUND = Path(__file__).parent / "found"  # NAME/*: inputs that broke something once


def found(name: str) -> list[Path]:
    """Inputs that fuzzing found, kept."""
    return sorted((FOUND / name).glob("*"))
