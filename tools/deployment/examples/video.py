"""Class of a video: python video.py MODEL.pt2 FRAMES.gif OUT.png"""

import json
import sys

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageSequence

file, video, out = sys.argv[1:]
extra = {'mmuniformer.json': ''}
model = torch.export.load(file, extra_files=extra).module()
about = json.loads(extra['mmuniformer.json'])

frames = [f.convert('RGB') for f in ImageSequence.Iterator(Image.open(video))]
clip = about['clip']
# One clip from the middle; a test averages over `clips` of them.
places = np.arange(clip['frames'])
if clip['rule'] == 'segments':
    # The middle of each of so many equal parts of the video.
    places = (2 * places + 1) * len(frames) // (2 * clip['frames'])
else:
    span = clip['frames'] * clip['interval']
    first = max(0, (len(frames) - span) // 2)
    places = first + places * clip['interval']
x = [frames[place] for place in np.minimum(places, len(frames) - 1)]
for step in about['steps']:
    if step['op'] == 'resize' and 'size' in step:
        x = [f.resize(step['size'][::-1]) for f in x]
    elif step['op'] == 'resize':
        factor = step['short_edge'] / min(x[0].size)
        x = [f.resize([round(side * factor) for side in f.size]) for f in x]
    elif 'crop' in step['op']:
        height, width = step['size']
        left, top = (x[0].width - width) // 2, (x[0].height - height) // 2
        x = [f.crop((left, top, left + width, top + height)) for f in x]

with torch.no_grad():
    (scores,) = model(torch.from_numpy(np.stack(x)[None]))
values, best = scores[0].topk(min(5, scores.shape[1]))
lines = [
    f'{100 * v:.1f} %  {about["classes"][i]}'
    for v, i in zip(values.tolist(), best.tolist())
]
print('\n'.join(lines))
picture = frames[places[-1] if places[-1] < len(frames) else -1]
ImageDraw.Draw(picture).multiline_text(
    (9, 9), '\n'.join(lines), 'white', stroke_width=2, stroke_fill='black'
)
picture.save(out)
