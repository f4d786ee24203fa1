"""Parameters, FLOPs and reports."""
