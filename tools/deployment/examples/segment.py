"""Classes of pixels: python segment.py MODEL.xml PHOTO OUT.png"""

import json
import sys

import numpy as np
import openvino
from PIL import Image, ImageOps

file, photo, out = sys.argv[1:]
core = openvino.Core()
model = core.read_model(file)
about = json.loads(model.get_rt_info(['mmuniformer']).value)
model = core.compile_model(model, 'CPU')

image = ImageOps.exif_transpose(Image.open(photo)).convert('RGB')
x = image
for step in about['steps']:
    if 'size' in step:
        x = x.resize(step['size'][::-1])
    elif 'short_edge_at_most' in step:
        factor = min(
            step['short_edge_at_most'] / min(x.size),
            step['long_edge_at_most'] / max(x.size),
        )
        x = x.resize([round(side * factor) for side in x.size])

labels = model({'images': np.asarray(x)[None]})['labels'][0]
labels = np.asarray(Image.fromarray(labels).resize(image.size, 0))
for number in np.unique(labels):
    name, share = about['classes'][number], (labels == number).mean()
    print(f'{name}: {share:.1%} of the photo')
random = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
colours = np.array(about.get('palette', random), np.uint8)
mixed = 0.5 * np.asarray(image) + 0.5 * colours[labels]
Image.fromarray(mixed.astype(np.uint8)).save(out)
