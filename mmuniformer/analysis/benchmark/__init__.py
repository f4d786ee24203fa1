"""Time and memory of the backbones beside others, measured in pairs."""
