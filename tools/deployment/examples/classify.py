"""Classes of a photo: python classify.py MODEL.onnx PHOTO OUT.png"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageOps

file, photo, out = sys.argv[1:]
session = onnxruntime.InferenceSession(file)
about = json.loads(session.get_modelmeta().custom_metadata_map['mmuniformer'])

image = ImageOps.exif_transpose(Image.open(photo)).convert('RGB')
x = image
for step in about['steps']:
    method = getattr(Image, step.get('interpolation', 'bilinear').upper())
    if step['op'] == 'center_crop':
        height, width = step['size']
        left, top = (x.width - width) // 2, (x.height - height) // 2
        x = x.crop((left, top, left + width, top + height))
    elif 'size' in step:
        x = x.resize(step['size'][::-1], method)
    else:
        factor = step['short_edge'] / min(x.size)
        x = x.resize([round(side * factor) for side in x.size], method)

(scores,) = session.run(['scores'], {'images': np.asarray(x)[None]})
best = scores[0].argsort()[::-1][:5]
lines = [f'{100 * scores[0, i]:.1f} %  {about["classes"][i]}' for i in best]
print('\n'.join(lines))
draw = ImageDraw.Draw(image)
draw.multiline_text(
    (9, 9),
    '\n'.join(lines),
    'white',
    stroke_width=2,
    stroke_fill='black',
    font_size=max(10, image.height // 24),
)
image.save(out)
