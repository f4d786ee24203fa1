"""Objects of a photo: python detect.py MODEL.onnx PHOTO OUT.png"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageOps

file, photo, out = sys.argv[1:]
session = onnxruntime.InferenceSession(file)
about = json.loads(session.get_modelmeta().custom_metadata_map['mmuniformer'])

image = ImageOps.exif_transpose(Image.open(photo)).convert('RGB')
size = image.size
for step in about['steps']:
    if 'size' in step:
        size = step['size'][::-1]
    elif 'short_edge_at_most' in step:
        factor = min(
            step['short_edge_at_most'] / min(size),
            step['long_edge_at_most'] / max(size),
        )
        size = [round(side * factor) for side in size]
x = image.resize(size)
# Of a pixel of the input in pixels of the photo.
sides = np.divide(image.size * 2, size * 2, dtype=np.float32)

boxes, scores, labels = session.run(
    ['boxes', 'scores', 'labels'], {'images': np.asarray(x)[None]}
)
draw = ImageDraw.Draw(image)
for box, score, label in zip(boxes[0], scores[0], labels[0]):
    # The best come first; an image with fewer of them has the label -1.
    if label < 0 or score < 0.3:
        break
    left, top, right, bottom = (box * sides).tolist()
    name = f'{about["classes"][label]} {score:.2f}'
    print(f'{name}: {left:.0f} {top:.0f} {right:.0f} {bottom:.0f}')
    draw.rectangle((left, top, right, bottom), outline='red', width=2)
    draw.text(
        (left + 3, top + 3), name, 'white', stroke_width=1, stroke_fill='black'
    )
image.save(out)
