"""Keypoints in a box: python pose.py MODEL.onnx PHOTO OUT.png [X Y W H]"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageOps

file, photo, out, *box = sys.argv[1:]
session = onnxruntime.InferenceSession(file)
about = json.loads(session.get_modelmeta().custom_metadata_map['mmuniformer'])

image = ImageOps.exif_transpose(Image.open(photo)).convert('RGB')
x, y, width, height = map(float, box) if box else (0, 0, *image.size)
step = next(s for s in about['steps'] if s['op'] == 'box_to_crop')
rows, columns = step['size']
# The box in the ratio of the crop, and wider: one pixel of the crop is
# `side` pixels of the photo.
side = step['padding'] * max(width / columns, height / rows)
left = x + width / 2 - side * columns / 2
top = y + height / 2 - side * rows / 2
crop = image.transform(
    (columns, rows),
    Image.AFFINE,
    (side, 0, left, 0, side, top),
    Image.BILINEAR,
)

points, scores = session.run(
    ['keypoints', 'scores'], {'images': np.asarray(crop)[None]}
)
points = (points[0] * side + (left, top)).tolist()
seen = scores[0] > 0.3
draw = ImageDraw.Draw(image)
for first, last in about['skeleton']:
    if seen[first] and seen[last]:
        draw.line((*points[first], *points[last]), 'lime', 2)
for name, point, score in zip(about['keypoints'], points, scores[0]):
    if score > 0.3:
        print(f'{name} {score:.2f}: {point[0]:.0f} {point[1]:.0f}')
        draw.circle(point, 3, 'red')
image.save(out)
