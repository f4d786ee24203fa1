"""Lists and folders of videos and of images (mmaction2, mmpretrain)."""
