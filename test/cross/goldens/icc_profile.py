"""Matrix ICC profiles (ICC.1:2010, version 2) from primaries, white point and gamma."""

import struct

import numpy as np

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)


def matrix_profile(name: str, primaries: list[tuple[float, float]], gamma: float) -> bytes:
    """@param primaries xy of red, green and blue, with a white point of D65"""
    columns = adapted(primaries)
    xyz = {tag: b"XYZ \0\0\0\0" + b"".join(map(fixed, columns[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    label = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(label)) + label + bytes(8 + 3 + 67)
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, D50)),
        **xyz,
        **{tag: curve for tag in (b"rTRC", b"gTRC", b"bTRC")},
    }
    at = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">II", at + len(data), len(value))
        data += value
    size = at + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(fixed, D50))
    return header + bytes(128 - len(header)) + table + data


def adapted(primaries: list[tuple[float, float]]) -> np.ndarray:
    """XYZ of the primaries as columns, adapted from D65 to D50."""
    raw = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    scaled = raw * np.linalg.solve(raw, white)
    cones = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    return np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ scaled


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))
